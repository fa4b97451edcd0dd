"""Timers, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..clock import Clock, wall_clock
from .memory_base import MemoryBase


class MemoryTimers(MemoryBase):
    """When timers are due, how far they have come, and what they remember."""

    def __init__(self, shards: int, clock: Clock = wall_clock) -> None:
        super().__init__(shards, clock)
        self._timers: dict[str, tuple[bytes, float]] = {}
        self._timer_states: dict[str, tuple[bytes, float]] = {}
        self._memories: dict[str, dict[str, bytes]] = {}

    def _put_timer_row(self, group: str, row: bytes | None, ttl: float) -> None:
        with self._held():
            if row is None:
                self._timers.pop(group, None)
            else:
                self._timers[group] = (row, self._clock() + ttl)

    def keep_timers(self, group: str, ttl: float) -> bool:
        with self._held():
            row, until = self._timers.get(group, (b"", 0.0))
            if until <= self._clock():
                return False
            self._timers[group] = (row, self._clock() + ttl)
            return True

    def _timer_rows(self) -> tuple[float, Mapping[bytes, bytes]]:
        with self._held():
            now = self._clock()
            self._timers = {group: held for group, held in self._timers.items() if held[1] > now}
            return now, {group.encode(): row for group, (row, _) in self._timers.items()}

    def _state_rows(self, names: Sequence[str]) -> Sequence[bytes | None]:
        with self._held():
            self._forget_timers()
            return [self._timer_states.get(name, (None, 0.0))[0] for name in names]

    def _swap_timer(self, name: str, row: bytes | None, new: bytes, keep: float) -> bool:
        with self._held():
            if self._timer_states.get(name, (None, 0.0))[0] != row:
                return False
            self._timer_states[name] = (new, self._clock() + keep)
            return True

    def memory(self, name: str) -> dict[str, bytes]:
        with self._held():
            self._forget_timers()
            return dict(self._memories.get(name, {}))

    def remember(self, name: str, field: str, value: bytes | None) -> None:
        with self._held():
            memory = self._memories.setdefault(name, {})
            if value is None:
                memory.pop(field, None)
            else:
                memory[field] = value

    def _forget_timers(self) -> None:
        now = self._clock()
        for name in [name for name, (_, until) in self._timer_states.items() if until <= now]:
            del self._timer_states[name]
            self._memories.pop(name, None)
