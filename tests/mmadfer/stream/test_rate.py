"""Rates of frames and answers: none before there is time to tell one, and a stop is seen."""

from __future__ import annotations

import time

import pytest

from mmadfer.stream.rate import RateMeter


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_two_events_that_waited_for_each_other_are_no_rate(clock):
    meter = RateMeter()
    for step in (0.0, 0.009, 0.009):
        clock[0] += step
        meter.tick()
    assert meter.rate() == 0
    for _ in range(8):
        clock[0] += 0.1
        meter.tick()
    assert meter.rate() == pytest.approx(10 / 0.818)


def test_a_steady_rate_and_its_end(clock):
    meter = RateMeter()
    for _ in range(30):
        clock[0] += 1 / 15
        meter.tick()
    assert meter.rate() == pytest.approx(15)
    clock[0] += 1
    assert meter.rate() == pytest.approx(2)
    clock[0] += 2
    assert meter.rate() == 0
