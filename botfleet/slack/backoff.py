"""Backoff with full jitter: a random time up to a bound that doubles with each failure."""

from __future__ import annotations

from ..clock import Chance, chance


class Backoff:
    """Delays for one connection's attempts; never gives up.

    Args:
        base: the first bound, seconds.
        cap: the largest bound, seconds.
        random: chance, injected.

    >>> steps = Backoff(1.0, 60.0, random=lambda: 1.0)
    >>> [steps.next() for _ in range(8)]
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    """

    __slots__ = ("_base", "_cap", "_failures", "_random")

    def __init__(self, base: float, cap: float, random: Chance = chance) -> None:
        self._base = base
        self._cap = cap
        self._random = random
        self._failures = 0

    def next(self, at_least: float = 0.0) -> float:
        """Returns the seconds to wait after another failure.

        Args:
            at_least: a floor that is waited in any case (`Retry-After`, a migration); jitter comes on top.
        """
        # 2**30 outgrows every cap; more would overflow a float after a thousand failures.
        bound = min(self._cap, self._base * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return at_least + bound * self._random()

    def reset(self) -> None:
        """Begins again at the base, after a success."""
        self._failures = 0
