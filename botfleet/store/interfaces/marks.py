"""Locks, marks, counters and paces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence


class Marks(ABC):
    """Locks, marks, counters and paces."""

    @abstractmethod
    def hold(self, lock: str, owner: str, ttl: float) -> bool:
        """Takes a lock for `ttl` seconds, or keeps it for longer; False where it is another owner's."""

    @abstractmethod
    def let_go(self, lock: str, owner: str) -> None:
        """Gives a lock back, where it still is this owner's."""

    @abstractmethod
    def once(self, mark: str, ttl: float) -> bool:
        """True for the first caller with this mark within `ttl` seconds, over all processes.

        After `StoreUnavailable` the mark may have been set, or not.
        """

    @abstractmethod
    def advance(self, cursor: str, step: int) -> int:
        """Moves a named cursor on by `step` and returns where it stood before (0 at first)."""

    @abstractmethod
    def positions(self, cursors: Sequence[str]) -> list[int]:
        """Where these cursors stand, in their order (0 for one that never moved)."""

    @abstractmethod
    def hits(self, name: str, window: float) -> int:
        """Counts a call under a name, and returns how many there were in this window with it.

        The first call begins the window, which ends after so many seconds and forgets all.
        """

    @abstractmethod
    def reserve(self, pace: str, rate: float) -> float:
        """Takes the next turn of a named pace; the caller is to use it then, or to let it go.

        Turns are 1/`rate` seconds apart by the store's clock, whoever takes them. One that nobody took in
        time is not made up for.

        Returns:
            Seconds until the turn.
        """
