"""Nothing is kept for each hop of a stream, and the benchmark that says so would see it."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import hops
from benchmarks.support.rows import Sample
from mmadfer.models.mma_dfer import untrained_model
from mmadfer.recognizer import EmotionRecognizer
from tests.support.small_models import SPEC

HOPS, EVERY, SETTLED = 600, 25, 300
LIMIT_BLOCKS = 0.8
"""Python's blocks a hop. What is kept for each hop is one at least; the samples themselves and what Python still warms
up are 0.2 to 0.6."""


class Keeping(EmotionRecognizer):
    """A recogniser that keeps one number a hop by mistake; it spares itself the answer."""

    def predict(self, window, step=None):
        self.__dict__.setdefault("kept", []).append(window.end + 1)


@pytest.fixture
def one_thread():
    """Small work is quickest on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def grown(recognizer):
    """Return the growth over the hops of ``recognizer``, a class: MB, and Python's blocks a hop."""
    made = recognizer(untrained_model(SPEC, hops.SMALL), "pytorch", "cpu", "fp32")
    samples = list(hops.answered(made, HOPS, EVERY))
    made.close()
    assert [sample.hop for sample in samples] == list(range(EVERY, HOPS + 1, EVERY))
    return hops.growth(samples, SETTLED)


@pytest.mark.usefixtures("one_thread")
def test_nothing_is_kept_for_each_hop():
    resident, blocks = grown(EmotionRecognizer)
    assert blocks < LIMIT_BLOCKS, f"{blocks:+.3f} of Python's blocks are kept a hop"
    assert resident < hops.LIMIT_MB, f"resident memory grew by {resident:+.1f} MB in {HOPS - SETTLED} hops"


def test_a_single_number_kept_for_each_hop_is_seen():
    assert grown(Keeping)[1] > max(0.9, LIMIT_BLOCKS)


def test_windows_are_those_of_a_steady_stream():
    found = [view for _, view in zip(range(40), hops.windows(SPEC), strict=False)]
    assert found[-1].states == ()
    assert found[-1].end == pytest.approx(40 * SPEC.hop_seconds)
    assert found[-1].waveform.shape == (2, round(SPEC.window_seconds * SPEC.sample_rate))
    assert len(set(found[-1].frame_times)) == SPEC.num_frames


def samples(per_hop):
    """Return samples of a process that keeps ``per_hop`` bytes a hop, with one high one at the end."""
    made = [Sample(hop, 10**9 + per_hop * hop, 5 * hop) for hop in range(100, 10_001, 100)]
    return [*made[:-1], Sample(10_000, 3 * 10**9, 5 * 10_000)]


def test_growth_is_between_levels_after_the_start():
    resident, blocks = hops.growth(samples(2_000))
    assert resident == pytest.approx(2_000 * 8_600 / 1e6)  # from the middle of 1000 .. 1400 to that of 9600 .. 10,000
    assert blocks == pytest.approx(5)
    assert "by +17.2 MB (limit 10 MB: MISSED)" in hops.verdict(samples(2_000))
    assert "by +0.9 MB (limit 10 MB: met)" in hops.verdict(samples(100))


def test_figures_and_picture_are_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(hops, "EmotionRecognizer", lambda *_: Silent())
    monkeypatch.setattr(hops, "answered", lambda recognizer, count: iter(samples(100)))
    files = [tmp_path / "hops.json", tmp_path / "hops.png"]
    assert hops.main(["--json", str(files[0]), "--plot", str(files[1])]) == 0
    assert "| 10000 | 3000.0 | 50000 |" in capsys.readouterr().out
    assert len(json.loads(files[0].read_text())["samples"]) == 100
    assert files[1].read_bytes().startswith(b"\x89PNG")


class Silent:
    """A recogniser that is never asked."""

    def warmup(self): ...

    def describe(self):
        return "no model"


def test_too_few_hops_end_with_one_sentence(capsys):
    assert hops.main(["--hops", "1500"]) == 2
    assert capsys.readouterr().err == "python -m benchmarks.hops: --hops must be at least 2000, got 1500\n"
