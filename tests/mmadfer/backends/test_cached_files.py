"""Whatever happens to a file in the cache: the next start finds it, makes it again and answers rightly, every time."""

import subprocess
import sys

import pytest

from mmadfer.backends.openvino import compiled
from mmadfer.files import checksums
from mmadfer.graphs import graph
from tests.support import damage
from tests.support.cached_start import assert_right, copy_cache, expected, off, start, weights
from tests.support.places import ROOT


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return a cache of the test's own, in which the weights were started before."""
    return copy_cache(tmp_path / "home", monkeypatch)


GRAPHS = ("encoder.onnx", "head.onnx", "probe.safetensors", "sha256.json")
SWAPS = [
    ("graphs/*/encoder.onnx", damage.swap("head.onnx")),
    ("graphs/*/head.onnx", damage.swap("encoder.onnx")),
    ("graphs/*/openvino/fp32-*/encoder/compiled.blob", damage.swap("../head/compiled.blob")),
    ("graphs/*/openvino/fp32-*/encoder/compiled.blob", damage.swap("../faces/compiled.blob")),
]


@pytest.mark.parametrize("harm", damage.ALL, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_that_came_to_harm_are_written_again_once(name, harm, cache):
    harm(cache.file(f"graphs/*/{name}"))
    assert_right(start())
    assert (cache.written, cache.compiled) == ([1], ["encoder", "head", "faces"])
    assert_right(start())
    assert (cache.written, len(cache.compiled)) == ([1], 3)


@pytest.mark.parametrize("harm", damage.ALL, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("name", ["compiled.blob", "sha256.json"])
@pytest.mark.parametrize("part", ["encoder", "head", "faces"])
def test_compiled_graphs_that_came_to_harm_are_compiled_again_once(part, name, harm, cache):
    harm(cache.file(f"graphs/*/openvino/fp32-*/{part}/{name}"))
    assert_right(start())
    assert (cache.written, cache.compiled) == ([], [part])
    assert_right(start())
    assert cache.compiled == [part]


@pytest.mark.parametrize(("name", "harm"), SWAPS, ids=lambda value: getattr(value, "__name__", None))
def test_exchanged_files_are_made_again(name, harm, cache):
    harm(cache.file(name))
    assert_right(start())
    made = len(cache.compiled)
    assert made
    assert_right(start())
    assert len(cache.compiled) == made


def test_exchanged_folders_are_made_again(cache):
    folder = cache.file("graphs/*/openvino/fp32-*")
    for old, new in (("encoder", "spare"), ("faces", "encoder"), ("spare", "faces")):
        (folder / old).rename(folder / new)
    assert_right(start())
    assert cache.compiled == ["encoder", "faces"]


def test_a_note_of_the_weights_that_came_to_harm_is_not_believed(cache):
    note = cache.file("known/*.json")
    note.write_text(note.read_text().replace('"temperature\\": 2.0', '"temperature\\": 9.0'))
    assert "9.0" in note.read_text()
    assert_right(start())


def test_a_cache_of_another_version_is_made_again_and_the_log_says_so(cache, caplog):
    record = cache.file("graphs/*/sha256.json")
    record.write_text(record.read_text().replace(graph.FORMAT, "mmadfer-graph-0"))
    with caplog.at_level("INFO"):
        assert_right(start())
    assert "graphs in the cache are not used: the files in " in caplog.text
    assert cache.written == [1]


def test_an_unchanged_cache_is_not_hashed_again(cache, monkeypatch):
    monkeypatch.setattr(checksums, "SETTLED", 0.0)  # a start a moment after the copy notes its times, too
    start().warmup()  # the copy has times of its own
    monkeypatch.setattr(checksums, "sha256", lambda path: pytest.fail(f"{path} is hashed though nobody changed it"))
    assert_right(start())
    assert (cache.written, cache.compiled) == ([], [])


def test_a_cache_that_cannot_be_written_is_used_as_it_is(cache, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    cache.file("graphs/*/openvino/fp32-*/head/compiled.blob").write_bytes(b"")
    monkeypatch.setattr(checksums.tempfile, "TemporaryDirectory", refuse)
    assert_right(start())
    assert_right(start())
    assert cache.compiled == ["head", "head"]


def test_precisions_have_folders_of_their_own(cache):
    plain, half = start(), start("bf16")
    half.warmup()
    assert cache.compiled == ["encoder bf16", "faces bf16"]  # the head is the same
    assert 0 < off(half) < 0.02, f"bf16 is off by {off(half):.1e}"
    assert_right(plain)
    for _ in range(2):
        assert_right(start())
        start("bf16").warmup()
    assert cache.compiled == ["encoder bf16", "faces bf16"]
    assert len({path.name for path in cache.path.glob("graphs/*/openvino/*")}) == 2


@pytest.mark.parametrize("what", ["version", "cpu"])
def test_another_version_or_cpu_compiles_its_own_and_old_versions_are_removed(what, cache, monkeypatch):
    old = cache.file("graphs/*/openvino/fp32-*")
    version, cpu = "2027.1.0-1", "CPU of tomorrow"
    real = compiled.identity
    monkeypatch.setattr(
        compiled, "identity", lambda core: (version, real(core)[1]) if what == "version" else (real(core)[0], cpu)
    )
    start().warmup()
    assert cache.compiled == ["encoder", "head", "faces"]
    assert old.exists() == (what == "cpu")
    assert len(list(old.parent.iterdir())) == (2 if what == "cpu" else 1)


def test_folders_of_many_cpus_do_not_pile_up(cache, monkeypatch):
    own = cache.file("graphs/*/openvino/fp32-*")
    for number in range(20):
        (own.parent / f"fp32-2026.1.0-{number:08x}").mkdir()
    (own / "head" / "compiled.blob").unlink()
    start()
    left = {path.name for path in own.parent.iterdir()}
    assert own.name in left
    assert len(left) == compiled.KEPT


TWO = """
import sys
from mmadfer import EmotionRecognizer
from tests.support.small_models import window
recognizer = EmotionRecognizer.from_pretrained(sys.argv[1], "openvino", "cpu", "fp32")
print(max(recognizer.predict(window()).probabilities.values()))
"""


def test_two_processes_mend_the_same_cache_at_once(cache):
    damage.flip(cache.file("graphs/*/openvino/fp32-*/encoder/compiled.blob"))
    damage.truncate(cache.file("graphs/*/openvino/fp32-*/head/compiled.blob"))
    command = [sys.executable, "-c", TWO, str(weights())]
    options = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    for process in [subprocess.Popen(command, **options) for _ in range(2)]:
        out, err = process.communicate(timeout=250)
        assert process.returncode == 0, err
        assert float(out) == pytest.approx(max(expected().values()), abs=1e-4)
    assert_right(start())
    assert cache.compiled == []


def test_a_calibration_outlives_graphs_that_are_written_again(cache):
    graphs = cache.file("graphs/*")
    (graphs / "int8").mkdir()
    (graphs / "int8" / "encoder.xml").write_text("calibrated")
    damage.flip(graphs / "encoder.onnx")
    start()
    assert cache.written == [1]
    assert (graphs / "int8" / "encoder.xml").read_text() == "calibrated"


def test_names_of_missing_files_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no .*sha256\.json"):
        checksums.check(tmp_path)
    (tmp_path / "a").write_text("a")
    checksums.write(tmp_path, ["a"], {"what": "a test"})
    assert checksums.check(tmp_path) == {"what": "a test"}
    (tmp_path / "a").unlink()
    with pytest.raises(FileNotFoundError, match="a is missing"):
        checksums.check(tmp_path)
    for text in (
        "",
        "[]",
        "{}",
        '{"sha256": {}, "seen": {}, "about": {}}',
        '{"sha256": {"a": 1}, "seen": {}, "about": {}}',
    ):
        (tmp_path / checksums.FILE).write_text(text)
        with pytest.raises(ValueError, match=r"sha256\.json is damaged"):
            checksums.check(tmp_path)
