"""What every part of the store in memory stands on: the lock, the clock, and values that expire."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from ..clock import Clock, wall_clock
from ..errors import StoreUnavailable
from .rows import RowStore

T = TypeVar("T")

#: Expired marks are swept away each time so many new ones were set.
SWEEP_EVERY = 1000


class Expiring(Generic[T]):
    """Values by name, each for a time; swept now and then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[str, tuple[T, float]] = {}

    def get(self, name: str) -> T | None:
        value, until = self._found.get(name, (None, 0.0))
        return value if until > self._clock() else None

    def put(self, name: str, value: T, ttl: float) -> None:
        now = self._clock()
        self._found[name] = value, now + ttl
        if len(self._found) % SWEEP_EVERY == 0:
            self._found = {name: found for name, found in self._found.items() if found[1] > now}

    def drop(self, name: str) -> None:
        self._found.pop(name, None)


class MemoryBase(RowStore):
    """One lock for everything; the parts keep their dictionaries under it.

    Args:
        shards: how many slices the bots are cut into.
        clock: decides when leases, holders and marks have expired.

    Attributes:
        down: while true, every call raises `StoreUnavailable`; for tests.
    """

    def __init__(self, shards: int, clock: Clock = wall_clock) -> None:
        super().__init__(shards)
        self.down = False
        self._clock = clock
        #: Guards what the parts keep; also told when a shard's queue grows, or at close.
        self._changed = threading.Condition(threading.RLock())
        self._closed = False

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._changed:
            if self.down:
                raise StoreUnavailable("the store in memory was told to be down")
            yield

    def ping(self) -> None:
        with self._held():
            pass

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
