"""The process: listen, say where, serve until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import gc
import json
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from typing import Any

from tornado import httpserver, netutil, web

from . import storage
from .control import ControlHandler
from .control_apps import verify
from .files import UploadHandler
from .oauth_pages import AuthorizeHandler
from .outbox import HttpOutbox
from .page import PageHandler
from .responses import ResponseHandler
from .rtm import FRAME_LIMIT, RtmSocket
from .service import Options, Sandbox
from .stream import StreamHandler
from .webapi import ApiHandler

logger = logging.getLogger(__name__)

BACKLOG = 4096
GRACE = 0.1
"""Seconds for closing frames to leave, and for streams to end."""

PARENT_INTERVAL = 1.0
PR_SET_PDEATHSIG = 1


class StartError(Exception):
    """The sandbox can't start; the text is the one line that a user sees."""


def application(sandbox: Sandbox) -> web.Application:
    """Put the handlers together."""
    with_sandbox = {"sandbox": sandbox}
    return web.Application(
        [
            (r"/api/([\w.]+)", ApiHandler, with_sandbox),
            (r"/upload/v1/(\w+)", UploadHandler, with_sandbox),
            (r"/websocket/(.*)", RtmSocket, with_sandbox),
            (r"/oauth/(v2/)?authorize", AuthorizeHandler, with_sandbox),
            (r"/response/(\w+)", ResponseHandler, with_sandbox),
            (r"/sandbox/stream", StreamHandler, with_sandbox),
            (r"/sandbox/(.*)", ControlHandler, with_sandbox),
            (r"/(?:page/([\w.-]+))?", PageHandler, with_sandbox),
        ],
        websocket_max_message_size=FRAME_LIMIT,
        log_function=_log_request,
    )


def run(options: Options) -> int:
    """Serve until SIGTERM or SIGINT, and give the exit status."""
    try:
        asyncio.run(serve(options))
    except (StartError, storage.StateFileError) as error:
        print(f"botfleet sandbox: {error}", file=sys.stderr)
        return 1
    return 0


async def serve(options: Options) -> None:
    """Serve until a signal comes.

    Raises:
        StartError: the port, the certificate or the ready file can't be used.
    """
    parent = os.getppid()
    _raise_file_limit()
    sandbox = Sandbox(options)
    # Looking through thousands of teams and sockets would hold every answer up for tenths of a second.
    gc.freeze()
    gc.set_threshold(700, 10, 1000)
    server = httpserver.HTTPServer(application(sandbox), ssl_options=_tls(options))
    sockets = _listen(options)
    server.add_sockets(sockets)
    sandbox.url = _url(options, sockets[0])
    sandbox.outbox = outbox = HttpOutbox(sandbox)
    with _stop_signals(parent if options.with_parent else None) as stop:
        _announce(sandbox)
        if sandbox.world.app.events_url:
            verify(sandbox, sandbox.world.app)
        await stop.wait()
    server.stop()
    outbox.close()
    await _say_goodbye(sandbox)


async def _say_goodbye(sandbox: Sandbox) -> None:
    for flood in sandbox.floods:
        if flood.task is not None:
            flood.task.cancel()
    connections = sandbox.hub.everyone()
    for connection in connections:
        connection.close(1001, "sandbox stops")
    if sandbox.feed.end() or connections:
        await asyncio.sleep(GRACE)
    for connection in connections:
        connection.sever()


def _listen(options: Options) -> list[socket.socket]:
    try:
        return netutil.bind_sockets(options.port, options.host, backlog=BACKLOG)
    except OSError as error:
        where = f"port {options.port} on {options.host}"
        if error.errno == errno.EADDRINUSE:
            raise StartError(f"{where} is in use") from error
        raise StartError(f"can't listen at {where}: {error.strerror or error}") from error


def _tls(options: Options) -> ssl.SSLContext | None:
    if options.certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(options.certfile, options.keyfile)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"the certificate {options.certfile} can't be used: {error}") from error
    return context


def _url(options: Options, listening: socket.socket) -> str:
    scheme = "http" if options.certfile is None else "https"
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(options.host, options.host)
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{scheme}://{host}:{listening.getsockname()[1]}/"


def _announce(sandbox: Sandbox) -> None:
    ready = sandbox.ready_line()
    if sandbox.options.ready_file is not None:
        try:
            storage.write_atomically(sandbox.options.ready_file, ready)
        except OSError as error:
            reason = error.strerror or error
            raise StartError(
                f"the ready file {sandbox.options.ready_file} can't be written: {reason}"
            ) from error
    print(json.dumps(ready), flush=True)


@contextlib.contextmanager
def _stop_signals(parent: int | None) -> Iterator[asyncio.Event]:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watch = None if parent is None else loop.create_task(_watch_parent(parent, stop), name="parent")
    try:
        yield stop
    finally:
        if watch is not None:
            watch.cancel()


async def _watch_parent(parent: int, stop: asyncio.Event) -> None:
    """Stop when the parent is gone.

    Linux sends a signal when the *thread* that started this process ends, so the signal only prompts a
    look at who the parent is. Elsewhere, and should the signal get lost, the look is repeated.
    """
    look = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, look.set)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGUSR1, 0, 0, 0)
    while os.getppid() == parent:
        look.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(look.wait(), PARENT_INTERVAL)
    stop.set()


def _raise_file_limit() -> None:
    # Thousands of sockets need more than the customary 1,024 descriptors.
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _log_request(handler: Any) -> None:
    path = handler.request.path
    if path.startswith(("/websocket/", "/upload/", "/response/")):
        path = f"/{path.split('/')[1]}/…"
    logger.debug("%s %s %s", handler.get_status(), handler.request.method, path)
