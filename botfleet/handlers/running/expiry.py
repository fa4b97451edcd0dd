"""Counts the events that were too old before a worker got to them: Celery drops their messages unread."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from ...errors import StoreError
from ...redaction import EventTask
from ...store.base import Store
from .counters import late_counter


class ExpiredCounter:
    """Counts in memory, as Celery tells it on the thread that reads from the broker; `flush` writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def hear(self, sender: Any = None, request: Any = None, expired: bool = False, **_: Any) -> None:
        """Takes Celery's signal `task_revoked`."""
        if not expired or not isinstance(sender, EventTask):
            return
        envelope = next(iter(request.args or ()), None)
        with self._lock:
            self._counts[sender.name] += len(envelope) if isinstance(envelope, list) else 1

    def flush(self, store: Store) -> None:
        """Adds what was counted to the store's counters; what a store that is away did not take, it keeps."""
        with self._lock:
            waiting, self._counts = self._counts, Counter()
        for name, events in list(waiting.items()):
            try:
                store.advance(late_counter(name), events)
            except StoreError:
                break
            del waiting[name]
        with self._lock:
            self._counts.update(waiting)
