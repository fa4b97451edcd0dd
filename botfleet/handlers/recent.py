"""What a process looked up a moment ago, so that a busy handler does not ask the store for each event."""

from __future__ import annotations

import threading
from typing import Any


class Recent:
    """A small cache with a short life; safe to use from several threads.

    Attributes:
        LIFE: seconds for which a value is kept where nobody says otherwise: so long another process may not
            see a change.
        MOST: values; beyond that, the oldest go.
    """

    LIFE = 5.0
    MOST = 10_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[str, str], tuple[float, Any]] = {}

    def get(self, cache: str, name: str, now: float) -> Any:
        """A value; None where there is none any more."""
        until, value = self._values.get((cache, name), (0.0, None))
        return value if now < until else None

    def put(self, cache: str, name: str, value: Any, now: float, life: float = LIFE) -> None:
        """Keeps a value for `life` seconds."""
        with self._lock:
            self._values.pop((cache, name), None)
            self._values[cache, name] = (now + life, value)
            if len(self._values) > self.MOST:
                del self._values[next(iter(self._values))]

    def forget(self, cache: str, name: str) -> None:
        """Lets go of a value."""
        with self._lock:
            self._values.pop((cache, name), None)
