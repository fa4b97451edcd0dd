"""The time of a fleet in a test: it stands still until it is moved."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import UsageError


class Clock:
    """What botfleet takes for the time; `time.time()` in a handler's own code is not changed.

    Args:
        now: unix seconds at first.
        pass_time: moves it as its owner sees fit; by `skip` in the end.

    >>> clock = Clock(100.0, lambda seconds: clock.skip(seconds))
    >>> clock.advance(2.5)
    >>> clock()
    102.5
    """

    def __init__(self, now: float, pass_time: Callable[[float], None]) -> None:
        self._now = now
        self._pass_time = pass_time

    def __call__(self) -> float:
        """Unix seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Lets time pass; what is due by then is done.

        Raises:
            UsageError: time does not go back.
        """
        self._check(seconds)
        self._pass_time(seconds)

    def skip(self, seconds: float) -> None:
        """Lets time pass in which nothing happens: whoever could do something is busy."""
        self._check(seconds)
        self._now += seconds

    def _check(self, seconds: float) -> None:
        if not seconds >= 0:
            raise UsageError(f"the clock can't go back by {-seconds:g} s")
