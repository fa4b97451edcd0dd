"""Those who watch, in memory: what comes in is put into their queues, and not kept."""

from __future__ import annotations

import queue
from itertools import islice

from ..clock import Clock, wall_clock
from ..model import Shown, Watch
from .interfaces.watches import Viewer
from .memory_base import MemoryBase


class MemoryWatches(MemoryBase):
    """Who watches what, and those who do."""

    def __init__(self, shards: int, clock: Clock = wall_clock) -> None:
        super().__init__(shards, clock)
        self._watches: dict[bytes, float] = {}
        self._viewers: list[MemoryViewer] = []

    def watch(self, watch: Watch, ttl: float) -> None:
        with self._held():
            self._watches[self._row(watch)] = self._clock() + ttl

    def watches(self, limit: int = 20) -> list[Watch]:
        with self._held():
            now = self._clock()
            self._watches = {row: until for row, until in self._watches.items() if until > now}
            return self._read_watches(islice(self._watches, limit))

    def show(self, watch_id: str, shown: Shown) -> None:
        with self._held():
            for viewer in self._viewers:
                if viewer.watch_id == watch_id:
                    viewer.rows.put(self._row(shown))

    def viewer(self, watch_id: str) -> Viewer:
        with self._held():
            self._viewers.append(MemoryViewer(self, watch_id))
            return self._viewers[-1]


class MemoryViewer(Viewer):
    """One who watches, in the process of the holder."""

    def __init__(self, store: MemoryWatches, watch_id: str) -> None:
        self.watch_id = watch_id
        self.rows = queue.SimpleQueue[bytes]()
        self._store = store

    def next(self, timeout: float) -> Shown | None:
        self._store.ping()
        try:
            return self._store._read_shown(self.rows.get(timeout=timeout))
        except queue.Empty:
            return None

    def close(self) -> None:
        with self._store._changed:
            self._store._viewers.remove(self)
