"""How long events take from the moment they came to the moment the broker has them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from .outgoing import Bundle, Outgoing

#: Upper bounds of the classes, seconds; one more class has no bound.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
#: Of a batch, at least so many are looked at, and less than twice as many; they stand for those in between.
_LOOKED_AT = 8


class Lag:
    """A histogram; written by the thread that pushes, and read by any.

    Attributes:
        counts: how many events fell into each class, the last of which has no bound.
        seconds: all lags together.

    >>> lag = Lag()
    >>> lag.note([Outgoing("Ev1", b"{}", 99.99, "q", ())], now=100.0)
    >>> lag.counts[4], round(lag.seconds, 3)
    (1, 0.01)
    """

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float, events: int = 1) -> None:
        """Takes note of some events that took so long."""
        seconds = max(0.0, seconds)
        self.counts[bisect_left(BOUNDS, seconds)] += events
        self.seconds += seconds * events

    def note(self, batch: Sequence[Outgoing | Bundle], now: float) -> None:
        """Takes note of what the broker has taken.

        Of a bundle, the last event counts: the others were to linger.

        Args:
            batch: all of it.
            now: the time, as in `received_at`.
        """
        step = max(1, len(batch) // _LOOKED_AT)
        for unit in batch[::step]:
            last = unit.events[-1] if isinstance(unit, Bundle) else unit
            self.add(now - last.received_at, step)
