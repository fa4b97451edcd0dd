"""How often something happens."""

from __future__ import annotations

from collections import deque

from ..clock import MonotonicClock, monotonic_clock

#: Seconds that a rate is the mean of.
_SPAN = 5.0


class Rate:
    """The pace of a counter, over the last seconds.

    >>> now = 0.0
    >>> rate = Rate(lambda: now)
    >>> rate.of(0)
    0.0
    >>> now = 2.0
    >>> rate.of(100)
    50.0
    """

    def __init__(self, clock: MonotonicClock = monotonic_clock) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def of(self, count: int) -> float:
        """Takes note of what the counter says now, and returns by how much it grew a second, lately."""
        now = self._clock()
        self._seen.append((now, count))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _SPAN:
            self._seen.popleft()
        since, before = self._seen[0]
        return round((count - before) / (now - since), 1) if now > since else 0.0
