"""The server of the web role with nothing behind it: each request is answered by an empty 200.

    python -m bench.peers.web_empty --port N [--bare]

By an endpoint of Starlette, as the web role has them; or by a bare function, with no framework before it.
"""

from __future__ import annotations

import argparse

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from botfleet.settings import Settings
from botfleet.web.draining import Draining
from botfleet.web.server import listen, serve


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without a look at the request."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def answer_by_starlette(request: Request) -> Response:
    """The same as an endpoint."""
    return Response()


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.web_empty")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bare", action="store_true")
    options = parser.parse_args()
    routes = [Route("/slack/events", answer_by_starlette, methods=["POST"])]
    app: ASGIApp = answer if options.bare else Starlette(routes=routes)
    serve(app, Settings.load({}, {}), listen("127.0.0.1", options.port), Draining(app))


if __name__ == "__main__":
    main()
