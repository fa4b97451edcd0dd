"""Serves the web role: uvicorn, one process."""

from __future__ import annotations

import logging
import math
import signal
import socket
import threading
import time
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from ..errors import ConfigurationError
from ..settings import Settings
from .draining import Draining
from .protocol import BoundedHttp

logger = logging.getLogger(__name__)

#: Seconds that requests under way have when the process is to end.
DRAIN = 25
#: Seconds for which an idle connection is kept: longer than proxies keep theirs, so that they end them.
KEEP_ALIVE = 75


def listen(host: str, port: int) -> socket.socket:
    """Opens the port.

    Raises:
        ConfigurationError: it can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as exc:
        listener.close()
        raise ConfigurationError(
            "BOTFLEET_WEB_PORT", f"can't be listened on at {host}: {exc.strerror}", port
        ) from exc
    listener.setblocking(False)
    return listener


class Server(uvicorn.Server):
    """Ends when it is told to, as soon as nothing is under way.

    Until then it goes on to accept: a balancer of the load learns from `/readyz` that it is to send no more.
    A second signal, or Ctrl-C, ends it without that.

    Args:
        config: uvicorn's.
        draining: of the app that is served.
        told: set when it is to end, perhaps before it began.
    """

    def __init__(self, config: uvicorn.Config, draining: Draining, told: threading.Event) -> None:
        super().__init__(config)
        self._draining = draining
        self._told = told
        self._until = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Hears a signal. Not noted as uvicorn does: it would end the process by it, and not with 0."""
        if self._told.is_set() or sig == signal.SIGINT:
            self.force_exit = self.should_exit
            self.should_exit = True
        self._told.set()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end; asked ten times a second."""
        if await super().on_tick(counter):
            self._begin()
            # What is left of the time, and a moment for those whose time is over to be told so.
            left = math.ceil(self._until - time.monotonic())
            self.config.timeout_graceful_shutdown = max(1, left)
            return True
        return self._told.is_set() and self._drain()

    def _begin(self) -> None:
        if not self._draining.begun:
            logger.info(
                "No more requests are wanted: ends when those under way have", extra={"action": "drain"}
            )
            self._until = time.monotonic() + DRAIN
            self._draining.begin()

    def _drain(self) -> bool:
        """Whether nothing is under way any more, or time is over."""
        self._begin()
        for connection in list(self.server_state.connections):
            # One that has asked for nothing yet may just have been accepted.
            if getattr(connection, "cycle", None) is not None:
                connection.shutdown()
        if self.server_state.tasks and time.monotonic() < self._until:
            return False
        self.should_exit = True
        return False


def serve(
    app: ASGIApp,
    settings: Settings,
    listener: socket.socket,
    draining: Draining,
    told: threading.Event | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT; requests under way may end.

    Args:
        app: what is served.
        settings: whose proxies are trusted.
        listener: from `listen`; it is closed at the end.
        draining: the part of the app that has streams.
        told: set by whoever heard a signal before this listens to them.
    """
    Server(config_of(app, settings), draining, told or threading.Event()).run([listener])


def config_of(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves an app."""
    # No log of requests: their addresses have codes and states in them, and there is one for each event.
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.web_proxies),
        forwarded_allow_ips=list(settings.web_proxies) or None,
        timeout_graceful_shutdown=DRAIN,
        timeout_keep_alive=KEEP_ALIVE,
    )
