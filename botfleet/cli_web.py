"""`botfleet web`: Slack's events by HTTP, installations, the REST API, the dashboard."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from .celery import FleetApp
    from .web.context import WebContext


@click.command()
@click.option("--host", help="The address to listen on; BOTFLEET_WEB_HOST by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; BOTFLEET_WEB_PORT by default.")
@click.option("--open", "is_open", is_flag=True, help="Ask for no key: on this machine only.")
def web(host: str | None, port: int | None, is_open: bool) -> None:
    """Serve Slack's events, installations, the REST API and the dashboard, until Ctrl-C or SIGTERM."""
    if importlib.util.find_spec("starlette") is None or importlib.util.find_spec("uvicorn") is None:
        raise click.ClickException("the web role needs more libraries: pip install 'botfleet[web]'")
    from .celery import app
    from .web import logs
    from .web.limits import LOOPBACK
    from .web.server import listen

    settings = app.settings
    host = settings.web_host if host is None else host
    if is_open and host not in LOOPBACK:
        raise click.UsageError(f"--open takes no other host than {', '.join(LOOPBACK)}; it is {host!r}")
    logs.begin(settings.log_level)
    context = _context(app, is_open)
    # Until uvicorn listens to it. Not raised: Python drops what is raised while it runs a finalizer.
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: told.set())
    listener = listen(host, settings.web_port if port is None else port)
    click.echo(f"The web role listens on {url_of(listener.getsockname())}")
    _serve(context, listener, told)


def _context(app: FleetApp, is_open: bool) -> WebContext:
    from .roles import CONTROL_QUEUE
    from .sampling import queue_names
    from .steps import make_sink
    from .web.context import WebContext

    store, depths = app.fleet.store, app.depths
    return WebContext(
        app.fleet,
        make_sink(app),
        lambda: depths.read(queue_names(store, (CONTROL_QUEUE,))),
        open=is_open,
        broker=depths.ping,
    )


def _serve(context: WebContext, listener: socket.socket, told: threading.Event) -> None:
    """Serves until the process is told to end, or has been by `told`.

    Raises:
        click.ClickException: one of the gateway's threads died.
    """
    from .holder.process import calm_garbage_collector
    from .web.app import make_app
    from .web.draining import Draining
    from .web.gateway.gateway import Shortcut
    from .web.server import serve

    gateway = context.gateway
    try:
        gateway.start(_end)
        calm_garbage_collector()
        draining = Draining(make_app(context), context.readiness.end)
        serve(Shortcut(draining, gateway), context.settings, listener, draining, told)
    finally:
        gateway.close()
    if gateway.dead:
        raise click.ClickException(f"the thread {gateway.dead} died; the log says why")


def _end(name: str, exc: BaseException) -> None:
    """Ends the process as SIGTERM does: half a gateway is worse than none."""
    os.kill(os.getpid(), signal.SIGTERM)


def url_of(name: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """The URL of a socket's name.

    >>> url_of(("127.0.0.1", 8080)), url_of(("::1", 80, 0, 0))
    ('http://127.0.0.1:8080', 'http://[::1]:80')
    """
    host, port = name[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
