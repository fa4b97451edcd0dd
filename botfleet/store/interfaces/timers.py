"""Timers: when they are due, how far they have come, and what they remember."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ...model import Schedule, TimerState
from ..values import Timetable


class TimerBook(ABC):
    """Timers: when they are due, how far they have come, and what they remember."""

    @abstractmethod
    def put_timers(self, group: str, schedules: Sequence[Schedule], ttl: float) -> None:
        """Replaces a role's timers; they are forgotten after `ttl` seconds unless they are kept."""

    @abstractmethod
    def keep_timers(self, group: str, ttl: float) -> bool:
        """Keeps a role's timers for `ttl` seconds more; False where they are forgotten."""

    @abstractmethod
    def timetable(self) -> Timetable:
        """All timers, and the time."""

    @abstractmethod
    def timer_states(self, names: Sequence[str]) -> dict[str, TimerState]:
        """How far these timers have come; those that never began are left out."""

    @abstractmethod
    def replace_timer(self, name: str, old: TimerState | None, new: TimerState, keep: float) -> bool:
        """Writes `new` only if a timer's state is still `old`; returns whether it was.

        After `StoreUnavailable` it may have been written, or not.

        Args:
            name: the timer's.
            old: None where there is to be none.
            new: what is written.
            keep: seconds after which the timer is forgotten, with its memory.
        """

    @abstractmethod
    def memory(self, name: str) -> dict[str, bytes]:
        """What a timer remembers."""

    @abstractmethod
    def remember(self, name: str, field: str, value: bytes | None) -> None:
        """Has a timer remember something (None: forget it), for as long as the timer itself is kept."""
