"""The rule of .ci/run: a test skipped for another reason than a missing GPU is a failure."""

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


@pytest.mark.parametrize(
    ("setting", "summary"), [("0", "1 passed, 3 skipped"), ("1", "1 failed, 1 passed, 1 skipped, 1 error")]
)
def test_skips(tmp_path: Path, setting: str, summary: str) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_skips.py").write_text(SKIPS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "MMADFER_NO_SKIP": setting}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert summary in done.stdout.splitlines()[-1], done.stdout
