"""Fixtures and rules that every test shares; one test runs this file alone, so ours is imported where it is used."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.media_cases import Workshop

pytest.register_assert_rewrite("tests.support")
NO_SKIP = os.environ.get("MMADFER_NO_SKIP") == "1"
"""Set by .ci/run: a test that is skipped for another reason than a missing GPU fails."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no GPU")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure under MMADFER_NO_SKIP=1, unless its reason is a missing GPU."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail") and not re.search(r"\bno GPU\b", reason):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: {reason} (MMADFER_NO_SKIP=1 allows 'no GPU' only)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests away from the weights of whoever runs them, and from the network that Gradio would call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMADFER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("MMADFER_WEIGHTS_MIRROR", raising=False)
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        yield


@pytest.fixture(scope="session", autouse=True)
def _capture_stays_open() -> None:
    """Keep absl, which comes with OpenVINO, from closing the file that pytest has in the place of stderr.

    Its handler writes to what is stderr when absl is imported, and closes that with itself where stderr is another by
    then. All handlers are closed where logging is set up anew, as Uvicorn does. In a test with a capture of its own
    that closed pytest's, and pytest ended with "lost sys.stderr".
    """
    from absl import logging

    logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference numbers made with the official code."""
    from tests.support.places import GOLDEN

    return GOLDEN


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of short real clips."""
    from tests.support.places import CLIPS

    return CLIPS


@pytest.fixture(scope="session")
def cases() -> Path:
    """The folder of files as people have them, each of a kind that was read wrongly once."""
    from tests.support.places import CASES

    return CASES


@pytest.fixture(scope="session")
def chromium() -> str | None:
    """The system's Chromium or Chrome; None where Playwright has to use its own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


@pytest.fixture(scope="session")
def stills() -> Path:
    """The folder of small pictures in formats that the tests cannot write."""
    from tests.support.places import STILLS

    return STILLS


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """What made media files are made of."""
    from tests.support.media_cases import Workshop

    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="module")
def starter_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder in the layout of the data that the starter weights are trained on."""
    from tests.support.tiny_starter import write_data

    return write_data(tmp_path_factory.mktemp("starter"))
