"""Counts what became of events, for people; the store is told once a second at the most."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Any

from ...errors import StoreError
from ...store.base import Store
from .counters import failed_counter, runs_counter

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


class Counted:
    """Part of a handler's task: counts its runs.

    Attributes:
        tally: where they are counted; None counts nothing.
    """

    name: str
    tally: Tally | None = None

    def count_runs(self, events: int = 1) -> None:
        """Counts events that were handled well."""
        if self.tally is not None:
            self.tally.count(runs_counter(self.name), events)


class CountedBatch(Counted):
    """The same for tasks of batches."""

    def on_success(self, retval: object, task_id: str, args: Any, kwargs: Any) -> None:
        """Counts the events of a run that ended well."""
        self.count_runs(len(args[0]))


class CountedOnce(Counted):
    """The same for tasks of one event, which is given up by itself."""

    def on_success(self, retval: object, task_id: str, args: Any, kwargs: Any) -> None:
        """Counts the event of a run that ended well."""
        self.count_runs()

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Counts an event that is not tried again."""
        if self.tally is not None:
            self.tally.count(failed_counter(self.name))
