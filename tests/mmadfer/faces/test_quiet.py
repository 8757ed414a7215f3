"""The terminal shows no chatter of compiled libraries, and every error of theirs and every line of others."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mmadfer.faces.quiet import Sieve, quiet
from tests.support import made_trees as trees

CHATTER = re.compile(
    r"\b(?:VERBOSE|INFO|WARNING): ?\[|^[VIW]\d{4} |InitializeLog|InitGoogle|TensorFlow Lite|XNNPACK", re.M
)
DROPPED = """\
INFO: [environment.cc:36] Creating LiteRT environment with options
WARNING: [model_load.cc:402] Sparsity tensors may not yet be fully supported.
VERBOSE: [third_party/odml/litert/x.h:7] Something.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: Applying 1 TensorFlow Lite delegate(s) lazily.
WARNING: Attempting to use a delegate that only supports static-sized tensors
INFO: Initialized TensorFlow Lite runtime.
WARNING: Logging before InitGoogle() is written to STDERR
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
W0000 00:00:1795645337.719652   12521 inference_runner_litert.cc:1433] Input tensor memory is not aligned
W0000 00:00:1795645337.719652   12521 inference_feedback_manager.cc:114] Feedback manager requires a model
I0000 00:00:1795645337.719652       7 gl_context.cc:369] GL version: 3.2
""".splitlines(keepends=True)
PASSED = """\
ERROR: The model is not a valid Flatbuffer buffer
ERROR: [litert_compiled_model.cc:3] no accelerator
E0000 00:00:1795645337.719652   12521 calculator_graph.cc:900] Failed
F0000 00:00:1795645337.719652   12521 tensor.cc:1] Check failed: x
INFO:     Started server process [12]
WARNING:root:a message of Python's logging
WARNING: no microphone was found
INFO: 3 clips of 4
W0000 is the name of a clip

Traceback (most recent call last):
mmadfer: INFO
\xe4\xf6 not UTF-8
""".encode("latin-1").splitlines(keepends=True)


def run(code: str, *arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(("-c", code) if code else ()), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **settings})


# --- which bytes are dropped


@pytest.mark.parametrize("line", DROPPED)
def test_chatter_is_dropped(line):
    assert Sieve().feed(line.encode()) == b""


@pytest.mark.parametrize("line", PASSED)
def test_errors_and_what_others_write_are_passed_on(line):
    assert Sieve().feed(line) == line


@pytest.mark.parametrize("size", [1 << 16, 64, 7, 1])
def test_lines_are_known_in_whatever_pieces_they_come(size):
    mixed = b"".join(piece for k, line in enumerate(PASSED) for piece in (DROPPED[k % len(DROPPED)].encode(), line))
    sieve, passed = Sieve(), b""
    for k in range(0, len(mixed), size):
        passed += sieve.feed(mixed[k : k + size])
    assert passed + sieve.flush() == b"".join(PASSED)


def test_a_progress_bar_is_passed_on_at_once_and_stays_on_its_line():
    sieve = Sieve()
    assert sieve.feed(b"\r 50%|###  |") == b"\r 50%|###  |"
    assert sieve.feed(DROPPED[3].encode()) == b""
    assert sieve.feed(b"\r 60%|#### |") == b"\r 60%|#### |"


def test_what_looks_like_the_beginning_of_chatter_is_not_lost_at_the_end():
    sieve = Sieve()
    assert sieve.feed(b"done\nWARNING: how") == b"done\n"
    assert sieve.flush() == b"WARNING: how"


# --- the descriptor


def test_the_descriptor_is_given_back_whatever_happens():
    before, descriptors = os.fstat(2), len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(20):
        with pytest.raises(KeyboardInterrupt), quiet():
            assert os.fstat(2).st_ino != before.st_ino
            with quiet():
                raise KeyboardInterrupt
        assert os.path.samestat(os.fstat(2), before)
    for thread in threading.enumerate():
        if thread.name == "quiet":
            thread.join(10)
    assert not descriptors or len(os.listdir("/proc/self/fd")) == descriptors


def test_lines_of_other_threads_are_neither_lost_nor_changed():
    code = f"""
import os, sys, threading
from mmadfer.faces.quiet import quiet
done = threading.Event()
def write():
    for k in range(20000):
        sys.stderr.write(f"WARNING: line {{k}}\\n")
    done.set()
threading.Thread(target=write).start()
while not done.is_set():
    with quiet():
        os.write(2, {DROPPED[0].encode()!r})
"""
    # A line that was on its way when the descriptor was given back may come after the next one.
    assert sorted(run(code).stderr.splitlines()) == sorted(f"WARNING: line {k}" for k in range(20000))


def test_windows_of_many_threads_do_not_wait_for_each_other_for_ever():
    code = f"""
import os, threading
from mmadfer.faces.quiet import quiet
def work(k):
    for _ in range(50):
        with quiet():
            os.write(2, {DROPPED[3].encode()!r} + b"ERROR: %d\\n" % k)
threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    assert sorted(run(code).stderr.splitlines()) == sorted(f"ERROR: {k}" for k in range(8) for _ in range(50))


def test_a_program_started_meanwhile_keeps_its_terminal_and_delays_nobody():
    code = """
import subprocess, time
from mmadfer.faces.quiet import quiet
with quiet():
    child = subprocess.Popen(["sh", "-c", "sleep 1; echo late >&2"])
print(child.poll())
child.wait()
time.sleep(0.5)
"""
    done = run(code)
    assert (done.stdout.strip(), done.stderr) == ("None", "late\n")


@pytest.mark.parametrize("before", ["os.close(2)", "r, w = os.pipe(); os.dup2(w, 2); os.close(r); os.close(w)"])
def test_without_a_terminal_all_goes_on(before):
    code = f"""
import os
from mmadfer.faces.quiet import quiet
{before}
for _ in range(3):
    with quiet():
        try:
            os.write(2, b"ERROR: nobody reads this\\n" * 9000)
        except OSError:
            pass
print("on")
"""
    assert run(code).stdout == "on\n"


# --- the commands


DETECTOR = """
import gc, threading
import numpy as np
from PIL import Image
from mmadfer.faces.detector import FaceDetector
def use(close):
    detector = FaceDetector()
    for path in FILES:
        detector.detect(np.asarray(Image.open(path).convert("RGB")))
    detector.detect(np.zeros((200, 300, 3), np.uint8))
    if close:
        detector.close()
for close in (True, False):
    use(close)
threads = [threading.Thread(target=use, args=(True,)) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
gc.collect()
"""


def test_a_face_detector_is_quiet_made_run_freed_and_in_threads(clips):
    done = run(DETECTOR.replace("FILES", repr([str(clips / "obama.jpg"), str(clips / "biden.jpg")])))
    assert (done.returncode, done.stderr) == (0, "")


BROKEN = """
from mmadfer.faces import detector
whole = detector.resources.files("mmadfer.assets").joinpath(detector.SHORT_RANGE.file).read_bytes()
class Assets:
    def __init__(self, content):
        self.content = content
    def files(self, package):
        return self
    joinpath = files
    def read_bytes(self):
        return self.content
for content in (whole[:100_000], b"", whole[:64] + bytes(len(whole) - 64)):
    detector.resources = Assets(content)
    try:
        detector.FaceDetector()
    except OSError as error:
        print(error)
"""


def test_a_broken_detector_file_is_told_in_words_and_the_librarys_own_stay():
    done = run(BROKEN)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert len(told) == 3
    assert all("face_detection_short_range.tflite" in line and "install mmadfer anew" in line for line in told)
    assert "ERROR: The model is not a valid Flatbuffer buffer\n" in done.stderr
    assert not CHATTER.search(done.stderr)


WITH = ("--hop", "2", "--backend", "pytorch")
COMMANDS: dict[str, tuple[str, ...]] = {
    "predicting": ("mmadfer.predict", "CLIP", "--csv", "OUT/answers.csv", *WITH),
    "scoring": ("mmadfer.predict", "SET", "--out", "OUT/scores.parquet", *WITH),
    "preparing": ("train.prepare", "folder", "SET", "--out", "OUT/prepared", "--workers", "2"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_that_look_for_faces_are_quiet(name, tmp_path):
    for label in ("anger", "happiness"):
        trees.put(trees.FACE, tmp_path / f"own/{label}/0.mp4")
    places = {"CLIP": str(trees.FACE), "SET": str(tmp_path / "own"), "OUT": str(tmp_path)}
    module, *arguments = COMMANDS[name]
    arguments = [re.sub("CLIP|SET|OUT", lambda found: places[found[0]], each) for each in arguments]
    done = run("", "-m", module, *arguments, OMP_NUM_THREADS="1")  # threads that wait by spinning are slow in a crowd
    assert done.returncode == 0, done.stderr
    assert not CHATTER.search(done.stderr), done.stderr


@pytest.mark.timeout(600)  # of 10 to 20 s of work, the model's part is of low priority: it waits for whatever else runs
def test_the_live_app_is_quiet(tmp_path):
    command = [sys.executable, "-m", "demo.live", "--source", str(trees.FACE), "--backend", "pytorch"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with (tmp_path / "told").open("w+", encoding="utf-8") as told:
        # Ctrl-C is ignored where the tests run in the background.
        heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        app = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=told, text=True, env=environment, preexec_fn=heard
        )
        assert app.stdout
        said = []
        try:
            for line in app.stdout:
                said.append(line)
                if line.startswith("Ready: "):
                    app.send_signal(signal.SIGINT)
        finally:
            app.stdout.close()
            app.kill()
            app.wait()
        told.seek(0)
        assert any(line.startswith("Ready: ") for line in said), told.read()
        assert not CHATTER.search(told.read())
