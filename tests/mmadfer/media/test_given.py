"""Files as people have them, each of a kind that was read wrongly once, with its right value."""

from __future__ import annotations

import numpy as np
import pytest

from mmadfer.media.media_file import open_media
from tests.support.media_judge import read


def test_a_film_of_a_mirror_shows_what_was_before_it(cases):
    (_, mirrored), (_, base) = (next(open_media(cases / name).frames()) for name in ("hflip.mp4", "base.mp4"))
    off = np.abs(mirrored.astype(int) - base).mean()
    assert off < 5, f"off by {off:.1f} of 255"


def test_a_mirrored_photo_is_the_photo(cases):
    (_, mirrored), (_, photo) = (
        next(open_media(cases / name).frames()) for name in ("photo_exif2.jpg", "photo_ref.jpg")
    )
    off = np.abs(mirrored.astype(int) - photo).mean()
    assert off < 3, f"off by {off:.1f} of 255"


def test_sound_that_changes_its_format_is_read_whole(cases):
    reading = read(cases / "switch.aac")
    assert (reading.sample_rate, reading.channels) == (48_000, 2)
    assert reading.laid_out.shape[1] / 48_000 == pytest.approx(4.14, abs=0.02)
    assert reading.seconds == pytest.approx(4.14, abs=0.02)
    assert any("format changes at 2.03 s" in line for line in reading.warnings)


def test_a_clock_that_starts_anew_goes_on(cases):
    reading = read(cases / "restart.ts")
    assert len(reading.times) == 120 and reading.seconds == pytest.approx(4.0, abs=0.1)
    assert max(np.diff(reading.times)) < 0.1  # the sound begins before the pictures and ends after them
    assert reading.laid_out.shape[1] / reading.sample_rate == pytest.approx(4.08, abs=0.05)


def test_an_hour_of_nothing_is_named(cases):
    reading = read(cases / "jump_1h.mkv")
    assert len(reading.times) == 120 and reading.laid_out.shape[1] / 44_100 == pytest.approx(4.04, abs=0.1)
    assert any("jumps from 2.0" in line and "3602" in line for line in reading.warnings)


def test_a_stream_tells_its_rate_itself(cases):
    reading = read(cases / "raw_30fps.h264")
    np.testing.assert_allclose(reading.times, np.arange(120) / 30, atol=1e-6)


def test_a_span_counts_from_the_files_start(cases):
    file = open_media(cases / "span_late.mkv")
    tone, rest = file.read_span(2.0, 2.5), file.read_span(2.6, 3.0)
    assert tone.shape[1] == 8_000 and np.abs(tone).max() > 0.1
    assert np.abs(rest).max() < 0.02
