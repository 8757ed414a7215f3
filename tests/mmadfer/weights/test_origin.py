"""What is noted of weights is believed for just these weights and no others."""

import dataclasses
import os

import pytest

from mmadfer.config import InputSpec, ModelConfig
from mmadfer.types import WeightsInfo
from mmadfer.weights import origin
from mmadfer.weights.origin import Known, Origin
from tests.support.places import ROOT

KNOWN = Known("f" * 64, InputSpec(image_size=32), ModelConfig(), WeightsInfo("small", True, temperature=2.0))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Return a cache of the test's own."""
    monkeypatch.setenv("MMADFER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path):
    """Return a file that has lain there for an hour."""
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"old weights")
    settle(path)
    return path


def settle(path, seconds=3600.0):
    """Make ``path`` as old as it would be after ``seconds``."""
    time = path.stat().st_mtime_ns - int(seconds * 1e9)
    os.utime(path, ns=(time, time))


def test_what_was_noted_is_recalled_as_it_was(file):
    assert Origin.of_file(file).recall() is None
    Origin.of_file(file).remember(KNOWN)
    assert Origin.of_file(file).recall() == KNOWN
    assert Origin.untrained(0).recall() is None
    Origin.untrained(0).remember(KNOWN)
    assert Origin.untrained(0).recall() == KNOWN


def test_one_file_has_one_origin_by_whatever_name(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert Origin.of_file(file.name) == Origin.of_file(file)


def _other_size(path):
    path.write_bytes(b"other weights")


def _other_time(path):
    settle(path, 10)


def _written_again_with_its_old_time(path):
    times = path.stat()
    path.write_bytes(b"new weights")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _replaced_by_another_with_its_time(path):
    other = path.with_name("other")
    other.write_bytes(b"new weights")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.replace(other, path)


@pytest.mark.parametrize(
    "change", [_other_size, _other_time, _written_again_with_its_old_time, _replaced_by_another_with_its_time]
)
def test_another_file_in_its_place_is_not_taken_for_it(file, change):
    Origin.of_file(file).remember(KNOWN)
    before = file.stat()
    change(file)
    if change is not _other_size:
        assert file.stat().st_size == before.st_size
    assert Origin.of_file(file).recall() is None


def test_a_file_that_changes_while_it_is_read_is_not_noted(file):
    found = Origin.of_file(file)
    _other_size(file)
    settle(file)
    found.remember(KNOWN)
    assert (found.recall(), Origin.of_file(file).recall()) == (None, None)
    file.unlink()
    found.remember(KNOWN)
    assert found.recall() is None


def test_a_file_just_written_is_not_noted_for_it_may_be_written_again(file):
    file.write_bytes(b"new weights")
    Origin.of_file(file).remember(KNOWN)
    assert Origin.of_file(file).recall() is None


@pytest.mark.parametrize(
    ("seed", "distribution", "code"), [(1, "", ""), (0, "torch", ""), (0, "timm", ""), (0, "", "other")]
)
def test_untrained_weights_of_another_seed_or_version_are_others(monkeypatch, seed, distribution, code):
    Origin.untrained(0).remember(KNOWN)
    real = origin.version
    monkeypatch.setattr(origin, "version", lambda name: "0" if name == distribution else real(name))
    if code:
        monkeypatch.setattr(origin, "_code", lambda: code)
    assert Origin.untrained(seed).recall() is None


def test_weights_that_other_code_has_read_are_read_again(file, monkeypatch):
    Origin.of_file(file).remember(KNOWN)
    monkeypatch.setattr(origin, "_code", lambda: "other")
    assert Origin.of_file(file).recall() is None


def test_the_code_that_counts_is_there():
    there = {path.relative_to(ROOT / "mmadfer").as_posix() for path in origin._sources() if path.is_file()}
    assert there >= {"config.py", "weights/checkpoint.py", "weights/official.py", "models/fingerprint.py"}
    assert there >= {f"models/{name}.py" for name in ("mma_dfer/model", "mma_dfer/fusion/bottleneck", "parts/temporal")}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"\xff"])
def test_a_damaged_note_is_no_note(file, home, damage):
    Origin.of_file(file).remember(KNOWN)
    (note,) = (home / "known").iterdir()
    note.write_bytes(damage)
    assert Origin.of_file(file).recall() is None
    Origin.of_file(file).remember(KNOWN)
    assert Origin.of_file(file).recall() == KNOWN


def test_notes_of_another_format_are_not_believed(file, monkeypatch):
    Origin.of_file(file).remember(KNOWN)
    monkeypatch.setattr(origin, "FORMAT", "mmadfer-known-0")
    assert Origin.of_file(file).recall() is None


def test_without_a_place_for_notes_nothing_is_noted_and_nothing_fails(file, home):
    home.write_bytes(b"a file where the folder should be")
    Origin.of_file(file).remember(KNOWN)
    assert Origin.of_file(file).recall() is None


def test_each_files_note_is_its_own(file):
    other = file.with_name("other.safetensors")
    other.write_bytes(b"more weights")
    settle(other)
    Origin.of_file(file).remember(KNOWN)
    assert Origin.of_file(other).recall() is None
    Origin.of_file(other).remember(dataclasses.replace(KNOWN, fingerprint="0" * 64))
    assert Origin.of_file(file).recall() == KNOWN
