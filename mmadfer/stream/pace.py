"""Whether every answer is computed whole: judged over time by what exact passes take, and never by a moment."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

EXACT_SHARE = 0.25
"""Share of a hop that an exact answer may take for every answer to be one: then the step has nothing to give."""
LATE_SHARE = 0.75
"""Share of a hop after which an exact answer is late: the next one is about to be due."""
LATE_AFTER = 5.0
"""Time over which exact answers must have been late before the step takes over, s."""
LATE_ANSWERS = 0.9
"""Share of them that must have been: a machine that is held up now and then is not too slow."""
HOLD = 5.0
"""Time that the step stays once exact answers were late, s; twice as long each time that they soon are again."""
LONGEST_HOLD = 160.0
SOON = 60.0
"""How long exact answers must have gone well for the next hold to be the shortest again, s."""
MEASURE_EVERY = 1.0
"""Least time between two exact passes that are made to see how long they take, s."""
MEASURE_SHARE = 0.05
"""Share of the model's time that such passes may take."""
_RECENT_STEPS = 16
_FEWEST = 3
"""Late answers that say something, however long each took."""


class Pace:
    """Chooses between exact answers and steps, from the times that exact passes take. Used on the model's thread.

    The choice goes to exact answers with the first pass that is quick enough, wherever it was seen: while the model
    warmed up, while a window filled, in a check of the step, or in a pause; for a machine that is busy makes passes
    slower and never quicker. It goes back only when exact answers have been late for seconds.
    """

    def __init__(self, hop: float, always: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: hop: s; always: exact, whatever it takes, since somebody has asked for it; clock: s."""
        self._hop = hop
        self._always = always
        self._clock = clock
        self._exact = always
        self._since = -math.inf
        self._not_before = -math.inf
        self._hold = HOLD / 2
        self._late: deque[tuple[float, bool]] = deque()
        self._steps: deque[float] = deque(maxlen=_RECENT_STEPS)
        self._measured = -math.inf
        self._last = 0.0

    @property
    def exact(self) -> bool:
        """Whether every answer is to be computed whole from now on."""
        return self._exact

    def saw_step(self, seconds: float) -> None:
        """Take in that an answer by the step took ``seconds``."""
        self._steps.append(seconds)

    def saw_exact(self, seconds: float, sessions: int = 1) -> bool:
        """Take in that an exact pass took ``seconds``; return whether the choice is another one now.

        Args: sessions: streams that wait for answers in turn. Two may take what one may, more must be quicker.
        """
        if not math.isfinite(seconds):  # nobody has measured it yet
            return False
        now = self._clock()
        self._measured, self._last = now, seconds
        share = seconds * max(1.0, sessions / 2) / self._hop
        if self._always:
            return False
        if self._exact:
            self._note(now, seconds, share > LATE_SHARE)
            return self._are_late(now) and self._leave(now)
        return share <= EXACT_SHARE and now >= self._not_before and self._enter(now)

    def wants_measure(self) -> bool:
        """Return whether an exact pass would be worth its time, only to see how long it takes."""
        if self._exact or self._clock() - self._measured < max(MEASURE_EVERY, self._last / MEASURE_SHARE):
            return False
        # A machine on which even a step takes longer than an exact answer may needs no measuring.
        return min(self._steps, default=0.0) <= EXACT_SHARE * self._hop

    def _note(self, now: float, seconds: float, late: bool) -> None:
        if self._late and now - self._late[-1][0] > LATE_AFTER + seconds:
            self._late.clear()  # nobody was there to be kept waiting
        self._late.append((now, late))
        while len(self._late) > _FEWEST and now - self._late[1][0] >= LATE_AFTER:
            self._late.popleft()

    def _are_late(self, now: float) -> bool:
        seen = [late for _, late in self._late]
        long_enough = len(seen) >= _FEWEST and now - self._late[0][0] >= LATE_AFTER
        return long_enough and sum(seen) >= LATE_ANSWERS * len(seen)

    def _enter(self, now: float) -> bool:
        self._exact, self._since = True, now
        self._late.clear()
        return True

    def _leave(self, now: float) -> bool:
        self._hold = min(2 * self._hold, LONGEST_HOLD) if now - self._since < SOON + LATE_AFTER else HOLD
        self._exact, self._not_before = False, now + self._hold
        self._steps.clear()
        return True
