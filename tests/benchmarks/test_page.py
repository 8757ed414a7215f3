"""What the page costs its browser."""

from __future__ import annotations

import pytest

from benchmarks import page


@pytest.mark.browser
def test_the_page_is_measured_at_rest_and_while_it_records(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    assert page.main(["--seconds", "5"]) == 0
    told = capsys.readouterr().out
    for name in ("not recording", "recording"):
        (line,) = [line for line in told.splitlines() if line.startswith(f"{name}:")]
        share = float(line.split("main thread ")[1].split("%")[0])
        answers = float(line.split(" MB, ")[1].split()[0])
        assert 1 < share < 100 and 1 < answers < 30, line


def test_too_short_a_stretch_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert page.main(["--seconds", "1"]) != 0
    assert "--seconds must be 5 or more, got 1" in capsys.readouterr().err
