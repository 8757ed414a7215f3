"""Processes that die, are ended or end themselves, and what goes on after them."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys, time
from mmadfer.scoring.crash_guard import guarded
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it would be ignored
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and so would this one under nohup
plan = sys.argv[1:]
def say(*words):
    print(*words, flush=True)
def work(progress):
    if progress.begun == int(os.environ.get("DIE_AT", -1)):
        os.abort()
    for what in plan[progress.begun:]:
        progress.begin()
        if what == "wait":
            say("waiting")
            time.sleep(100)
        elif what.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, what))
        elif what == "fail":
            progress.fail()
        elif what == "end":
            return 2
        say(what)
    return 0
say("result", *guarded(work, len(plan), lambda item, how: say("died", item, how)))
"""


def start(*plan: str, **more) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *plan], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (["a", "b"], ["a", "b", "result 0 0"]),
        (["a", "fail", "b"], ["a", "fail", "b", "result 0 1"]),
        (["a", "SIGSEGV", "b"], ["a", "died 1 SIGSEGV", "b", "result 0 1"]),
        (
            ["SIGKILL", "SIGABRT", "fail", "b", "SIGBUS"],
            ["died 0 SIGKILL", "died 1 SIGABRT", "fail", "b", "died 4 SIGBUS", "result 0 4"],
        ),
        (["a", "end", "b"], ["a", "result 2 0"]),
    ],
)
def test_what_kills_a_process_ends_alone(plan, said):
    process = start(*plan)
    out, _ = process.communicate(timeout=200)
    assert out.splitlines() == said and process.returncode == 0


@pytest.mark.parametrize(
    ("die_at", "said"),
    [("0", ["died None SIGABRT", "result 2 0"]), ("1", ["died 0 SIGSEGV", "died None SIGABRT", "result 2 1"])],
)
def test_a_process_that_dies_before_its_first_item_is_not_started_for_ever(die_at, said, monkeypatch):
    monkeypatch.setenv("DIE_AT", die_at)
    assert start("SIGSEGV", "b").communicate(timeout=200)[0].splitlines() == said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_both_processes_end_together(number):
    process = start("a", "wait")
    assert [process.stdout.readline().strip() for _ in range(2)] == ["a", "waiting"]
    process.send_signal(number)
    # Their pipes are closed only when both have ended.
    said = process.communicate(timeout=60)[1]
    if number == signal.SIGINT:  # as Python ends without `cli.run`
        assert "KeyboardInterrupt" in said and process.returncode != 0
    else:
        assert process.returncode == -number and "Traceback" not in said
