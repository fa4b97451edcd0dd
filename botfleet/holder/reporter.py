"""Writes statuses to the store, off the reactor's thread: the last one of each bot, a batch at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..errors import StoreError
from ..model import Status
from ..store.base import Store

logger = logging.getLogger(__name__)

#: Seconds for which statuses gather before they are written; a cold start changes each bot's twice.
_GATHER = 0.05


class Reporter:
    """Keeps statuses until the store has taken them.

    Args:
        store: where they go.
        may_write: whether this holder speaks for a bot; asked just before, for it may have changed.
    """

    def __init__(self, store: Store, may_write: Callable[[str], bool]) -> None:
        self._store = store
        self._may_write = may_write
        self._latest: dict[str, Status] = {}
        # Guards _latest; held for microseconds only.
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()

    def report(self, key: str, status: Status) -> None:
        """Takes note of a bot's status; never blocks."""
        with self._lock:
            self._latest[key] = status
        self._wake.set()

    def run(self) -> None:
        """Writes until `close`, and then what is left; the body of the reporter's thread."""
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            self._closing.wait(_GATHER)
            if not self.flush():
                self._closing.wait(1.0)
                self._wake.set()
        self.flush()

    def flush(self) -> bool:
        """Writes what there is; False where the store did not take it (it is kept)."""
        with self._lock:
            batch, self._latest = self._latest, {}
        batch = {key: status for key, status in batch.items() if self._may_write(key)}
        if not batch:
            return True
        try:
            self._store.put_statuses(batch)
        except StoreError as exc:
            with self._lock:
                self._latest = {**batch, **self._latest}
            logger.warning(
                "Statuses of %s bots wait for the store: %s", len(batch), exc, extra={"action": "report"}
            )
            return False
        return True

    def close(self) -> None:
        """Ends `run`."""
        self._closing.set()
        self._wake.set()
