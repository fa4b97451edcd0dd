"""Connecting blocks (rtm.connect, TCP, TLS, the upgrade), so a few threads beside the reactor do it."""

from __future__ import annotations

import logging
import queue
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple

from websocket import WebSocketBadStatusException, WebSocketException, create_connection

from ..errors import ConnectionClosed, ConnectionRateLimited, SealError, SlackError
from ..model import Bot
from ..secrets import Seal
from ..webapi import SlackApi
from .pace import Pace
from .threads import WatchedThread, Watcher

logger = logging.getLogger(__name__)

_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
)
#: Called with the open socket, or with why there is none; from one of the connector's threads.
Done = Callable[[socket.socket | SlackError], None]


class _Job(NamedTuple):
    bot: Bot
    wanted: Callable[[], bool]
    done: Done


class Connector:
    """A pool of threads that open websockets.

    Args:
        api: Slack's Web API.
        seal: opens the bots' tokens.
        workers: threads.
        timeout: seconds for each blocking step.
        watcher: told when a thread dies.
        pace: when the next may be opened; starts and stops with the threads.
    """

    def __init__(
        self, api: SlackApi, seal: Seal, workers: int, timeout: float, watcher: Watcher, pace: Pace
    ) -> None:
        self._api = api
        self._seal = seal
        self._timeout = timeout
        # One context for all connections: it holds the certificates, and is most of what TLS costs in memory.
        self._tls = ssl.create_default_context()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pace = pace
        self._threads = [WatchedThread(f"connect-{n}", self._run, watcher) for n in range(1, workers + 1)]

    def start(self) -> None:
        """Starts the threads."""
        self._pace.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the threads after what they are doing, and forgets what waits; does not wait for them."""
        self._pace.stop()
        for _ in self._threads:
            self._jobs.put(None)

    def connect(self, bot: Bot, wanted: Callable[[], bool], done: Done) -> None:
        """Opens a bot's websocket when its turn comes; `wanted` is asked just before."""
        self._jobs.put(_Job(bot, wanted, done))

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._pace.take(job.wanted):
                job.done(self._connect(job.bot))

    def _connect(self, bot: Bot) -> socket.socket | SlackError:
        try:
            token = self._seal.open(bot.sealed_token)
            session = self._api.rtm_connect(token)
            return self._upgrade(session.url)
        except SlackError as exc:
            return exc
        except SealError as exc:
            logger.error("%s: %s", bot.key, exc, extra={"action": "connect.sealed", "bot": bot.key})
            return SlackError("token_unreadable", detail=str(exc))

    def _upgrade(self, url: str) -> socket.socket:
        try:
            websocket = create_connection(
                url,
                timeout=self._timeout,
                sslopt={"context": self._tls},
                sockopt=_SOCKET_OPTIONS,
                enable_multithread=False,
                suppress_origin=True,
            )
        except WebSocketBadStatusException as exc:
            raise _refused(exc) from exc
        except (WebSocketException, OSError, ValueError, LookupError) as exc:
            # LookupError: websocket-client trips over an answer that is no HTTP.
            # Never the exception's text: the URL in it opens the connection.
            raise ConnectionClosed("unreachable", detail=type(exc).__name__) from exc
        sock: socket.socket = websocket.sock  # type: ignore[assignment]  # Optional only before connecting.
        return sock


def _refused(exc: WebSocketBadStatusException) -> SlackError:
    if exc.status_code == 429:
        headers = {name.lower(): value for name, value in (exc.resp_headers or {}).items()}
        seconds = str(headers.get("retry-after", ""))
        return ConnectionRateLimited("ratelimited", retry_after=float(seconds) if seconds.isdigit() else None)
    return ConnectionClosed(f"http_{exc.status_code}")
