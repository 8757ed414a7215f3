"""Exact answers or steps: chosen over time, on a machine that is busy for a while, quiet, or too slow for good."""

from __future__ import annotations

import itertools
import math

import pytest

from mmadfer.stream.pace import HOLD, LATE_AFTER, LONGEST_HOLD, MEASURE_EVERY, MEASURE_SHARE, SOON, Pace

HOP = 0.1875


class Clock:
    """A clock that is moved by hand, s."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def played(pace: Pace, clock: Clock, passes: list[float], every: float = HOP, sessions: int = 1) -> list[float]:
    """Return when, from the beginning, the choice changed while exact passes took so long, one a hop or in a row."""
    began, changes = clock.now, []
    for seconds in passes:
        clock.now += max(seconds, every)
        if pace.saw_exact(seconds, sessions):
            changes.append(clock.now - began)
    return changes


def settled(clock: Clock) -> Pace:
    """Return a pace that has gone over to exact answers."""
    pace = Pace(HOP, clock=clock)
    assert pace.saw_exact(0.02)
    return pace


@pytest.mark.parametrize(
    ("passes", "exact"),
    [
        ([0.023], True),
        ([0.364, 0.506, 0.036], True),
        ([0.364, 0.506, 0.4], False),
        ([0.048], False),
        ([math.inf], False),
        ([math.inf, 0.02], True),
        ([0.8] * 20, False),
    ],
)
def test_one_quick_pass_is_enough_and_no_number_of_slow_ones_is(passes: list[float], exact: bool) -> None:
    clock = Clock()
    pace = Pace(HOP, clock=clock)
    changes = played(pace, clock, passes)
    assert pace.exact is exact
    assert len(changes) == exact


def test_a_machine_that_was_busy_at_the_start_goes_over_with_its_first_quick_pass() -> None:
    clock = Clock()
    pace = Pace(HOP, clock=clock)
    assert played(pace, clock, [0.5] * 10) == []
    assert played(pace, clock, [0.03]) == [HOP]


@pytest.mark.parametrize(
    ("passes", "stays"),
    [
        ([0.4] * 5, True),
        ([0.4, 0.02] * 40, True),
        ([0.4, 0.4, 0.02] * 40, True),
        ([*([0.4] * 6), 0.02, 0.02, 0.02] * 10, True),
        ([0.13] * 100, True),
        ([0.4] * 20, False),
        ([*([0.4] * 9), 0.02] * 10, False),
        ([0.2] * 40, False),
        ([3.0] * 4, False),
    ],
)
def test_the_step_takes_over_after_seconds_of_lateness_and_not_before(passes: list[float], stays: bool) -> None:
    clock = Clock()
    pace = settled(clock)
    changes = played(pace, clock, passes)
    assert (changes == []) is stays
    assert stays or changes[0] >= LATE_AFTER, changes


def test_late_answers_of_long_ago_do_not_count() -> None:
    clock = Clock()
    pace = settled(clock)
    played(pace, clock, [0.4] * 6)
    clock.now += 60  # the page was closed, and is opened again
    assert played(pace, clock, [0.4] * 6) == []


def test_it_does_not_flap_and_waits_longer_each_time() -> None:
    clock = Clock()
    pace = settled(clock)
    stays = []
    for _ in range(8):
        assert len(played(pace, clock, [0.3] * 20)) == 1 and not pace.exact
        left = clock.now
        while not pace.exact:
            clock.now += 0.5
            pace.saw_exact(0.02)
        stays.append(clock.now - left)
    assert stays[0] <= HOLD + 0.5
    assert all(later >= min(1.8 * before, LONGEST_HOLD - 10) for before, later in itertools.pairwise(stays))
    assert stays[-1] <= LONGEST_HOLD + 0.5
    played(pace, clock, [0.02] * round(2 * SOON / HOP))
    assert pace.exact
    assert len(played(pace, clock, [0.3] * 20)) == 1
    played(pace, clock, [0.02] * round((HOLD + 1) / HOP))
    assert pace.exact, "after a good time the step's stay is short again"


@pytest.mark.parametrize(("sessions", "exact"), [(1, True), (2, True), (3, False), (8, False)])
def test_several_sessions_share_what_one_may_take(sessions: int, exact: bool) -> None:
    pace = Pace(HOP, clock=Clock())
    pace.saw_exact(0.04, sessions)
    assert pace.exact is exact


def test_with_several_sessions_exact_answers_are_late_sooner() -> None:
    for sessions, changes in ((1, 0), (4, 1)):
        clock = Clock()
        assert len(played(settled(clock), clock, [0.1] * 60, sessions=sessions)) == changes


@pytest.mark.parametrize("seconds", [0.01, 0.5, math.inf])
def test_whoever_asks_for_exact_answers_gets_them(seconds: float) -> None:
    clock = Clock()
    pace = Pace(HOP, always=True, clock=clock)
    assert played(pace, clock, [seconds] * 100) == []
    assert pace.exact and not pace.wants_measure()


def test_measuring_takes_a_small_share_of_the_time() -> None:
    clock = Clock()
    pace = Pace(HOP, clock=clock)
    assert pace.wants_measure(), "nothing is known yet"
    for seconds in (0.06, 0.5):
        pace.saw_exact(seconds)
        clock.now += 0.99 * max(MEASURE_EVERY, seconds / MEASURE_SHARE)
        assert not pace.wants_measure()
        clock.now += 1.0
        assert pace.wants_measure()


def test_a_model_whose_steps_alone_are_too_slow_is_not_measured() -> None:
    pace = Pace(HOP, clock=Clock())
    for _ in range(3):
        pace.saw_step(0.126)
    assert not pace.wants_measure()
    pace.saw_step(0.01)  # the other three were held up by something else
    assert pace.wants_measure()


def test_exact_answers_are_not_measured_besides() -> None:
    clock = Clock()
    pace = settled(clock)
    clock.now += 1000
    assert not pace.wants_measure()
