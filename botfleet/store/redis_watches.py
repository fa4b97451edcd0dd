"""Those who watch, in Redis: what comes in is published to them, and not kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Shown, Watch
from .interfaces.watches import Viewer
from .redis_base import RedisBase, milliseconds
from .redis_client import LONGEST_WAIT, SOCKET_TIMEOUT


class RedisWatches(RedisBase):
    """Who watches what, and their channels."""

    def watch(self, watch: Watch, ttl: float) -> None:
        self._script("watch", [self._own("watches")], [self._row(watch), milliseconds(ttl)], again=True)

    def watches(self, limit: int = 20) -> list[Watch]:
        return self._read_watches(self._script("watches", [self._own("watches")], [limit], again=True))

    def show(self, watch_id: str, shown: Shown) -> None:
        self._do("PUBLISH", self._own("watch", watch_id), self._row(shown), again=False)

    def viewer(self, watch_id: str) -> Viewer:
        channel = self._client.pubsub(ignore_subscribe_messages=False)
        viewer = RedisViewer(channel, self._send, self._read_shown)
        viewer.begin(self._own("watch", watch_id))
        return viewer


class RedisViewer(Viewer):
    """One who watches, by a connection of its own.

    Args:
        channel: redis-py's, not yet subscribed to anything.
        send: `RedisStore._send`, for its errors.
        read: makes a value of a row.
    """

    def __init__(self, channel: Any, send: Callable[..., Any], read: Callable[[bytes], Shown | None]) -> None:
        self._channel = channel
        self._send = send
        self._read = read

    def begin(self, name: str) -> None:
        """Subscribes; from when it returns on, nothing is missed."""
        self._send(lambda: self._channel.subscribe(name), again=True)
        self._take(SOCKET_TIMEOUT)

    def next(self, timeout: float) -> Shown | None:
        message = self._take(min(timeout, LONGEST_WAIT))
        if message is None or message["type"] != "message":
            return None
        return self._read(message["data"])

    def close(self) -> None:
        self._channel.close()

    def _take(self, timeout: float) -> dict[str, Any] | None:
        # Not again by itself: redis-py connects and subscribes anew with the next call.
        found: dict[str, Any] | None = self._send(
            lambda: self._channel.get_message(timeout=timeout), again=False
        )
        return found
