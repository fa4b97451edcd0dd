"""Counts what became of events, for people; the store is told once a second at the most."""

from __future__ import annotations

import logging
import threading
from collections import Counter

from ..errors import StoreError
from ..store.base import Store

logger = logging.getLogger(__name__)

#: Seconds for which counts are gathered; those of the last one are lost with the process.
_GATHERING = 1.0


class Tally:
    """The counts of one process. A count takes a microsecond; the store gets all of them together.

    Args:
        store: has the counters (`Store.advance`).
        gathering: seconds.
    """

    def __init__(self, store: Store, gathering: float = _GATHERING) -> None:
        self._store = store
        self._gathering = gathering
        # Guards the two below. A process of a pool is forked before it counts anything.
        self._lock = threading.Lock()
        self._counts = Counter[str]()
        self._timer: threading.Timer | None = None

    def count(self, counter: str, events: int = 1) -> None:
        """Counts events; returns at once."""
        with self._lock:
            self._counts[counter] += events
            if self._timer is None:
                self._timer = self._start_timer()

    def _start_timer(self) -> threading.Timer | None:
        timer = threading.Timer(self._gathering, self.flush)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:
            return None  # No thread is to be had now; the next count tries again.
        return timer

    def flush(self) -> None:
        """Tells the store; what it does not take now is not counted."""
        with self._lock:
            counts, self._counts, self._timer = self._counts, Counter(), None
        try:
            for counter, events in counts.items():
                self._store.advance(counter, events)
        except StoreError as exc:
            logger.debug("not counted: %s", exc)
