"""Serves the web role: uvicorn, one process."""

from __future__ import annotations

import socket

import uvicorn
from starlette.types import ASGIApp

from ..errors import ConfigurationError
from ..settings import Settings

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


def serve(app: ASGIApp, settings: Settings, listener: socket.socket) -> None:
    """Serves until SIGTERM or SIGINT; requests under way may end.

    Args:
        app: what is served.
        settings: whose proxies are trusted.
        listener: from `listen`; it is closed at the end.
    """
    # No log of requests: their addresses have codes and states in them, and there is one for each event.
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
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
    uvicorn.Server(config).run([listener])
