"""The server of the web role with nothing behind it: each request is answered by an empty 200.

python -m bench.peers.web_empty --port N
"""

from __future__ import annotations

import argparse

from starlette.types import Receive, Scope, Send

from botfleet.settings import Settings
from botfleet.web.draining import Draining
from botfleet.web.server import listen, serve


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without a look at the request."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.web_empty")
    parser.add_argument("--port", type=int, required=True)
    serve(answer, Settings.load({}, {}), listen("127.0.0.1", parser.parse_args().port), Draining(answer))


if __name__ == "__main__":
    main()
