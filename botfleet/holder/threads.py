"""Threads with names that are watched: one that dies unexpectedly is told about, never missed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)

#: Told the name of the thread that died, and why.
Watcher = Callable[[str, BaseException], None]


class WatchedThread(threading.Thread):
    """A daemon thread whose unexpected end reaches `watcher`.

    Args:
        name: shown in logs and dumps, after `botfleet-`.
        body: runs until it returns, which is an expected end.
        watcher: told when the body raises.
    """

    def __init__(self, name: str, body: Callable[[], None], watcher: Watcher) -> None:
        super().__init__(name=f"botfleet-{name}", daemon=True)
        self._body = body
        self._watcher = watcher

    def run(self) -> None:
        try:
            self._body()
        except Exception as exc:
            logger.critical(
                "Thread %s died: %s",
                self.name,
                type(exc).__name__,
                exc_info=True,
                extra={"action": "thread.died"},
            )
            self._watcher(self.name, exc)
