"""What conftest.py keeps: skips for want of a GPU only are no failures in .ci/run, and pytest's capture stays open."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT

SKIPS = """
import pytest

def test_passes():
    pass

def test_in_the_body():
    pytest.skip("no browser")

@pytest.mark.skip(reason="no microphone")
def test_by_a_mark():
    pass

def test_for_want_of_a_gpu():
    pytest.skip("no GPU")
"""


LOGGING = """
import logging.config

def test_imports_absl():
    import absl.logging

def test_sets_logging_up_anew(capfd):
    logging.config.dictConfig({"version": 1})

def test_captures(capsys):
    print("on")
    assert capsys.readouterr().out == "on\\n"
"""


def run(folder: Path, code: str, **settings: str) -> str:
    """Return what pytest says of tests of ``code`` under our conftest.py."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_made.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("setting", "summary"), [("0", "1 passed, 3 skipped"), ("1", "1 failed, 1 passed, 1 skipped, 1 error")]
)
def test_skips(tmp_path: Path, setting: str, summary: str) -> None:
    said = run(tmp_path, SKIPS, MMADFER_NO_SKIP=setting)
    assert summary in said.splitlines()[-1], said


def test_logging_that_is_set_up_anew_closes_no_capture(tmp_path: Path) -> None:
    said = run(tmp_path, LOGGING)
    assert "3 passed" in said.splitlines()[-1], said
