"""What a user writes today: slack_bolt with its adapter for Starlette, and `.delay()` in its listener.

    python -m bench.peers.bolt_web --port N --broker URL --queue NAME --secret TEXT

It is served by the web role's own server. Who a team's bot is it is told without a look anywhere.
"""

from __future__ import annotations

import argparse
import logging
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.starlette import SlackRequestHandler
from slack_bolt.authorization import AuthorizeResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from botfleet.settings import Settings
from botfleet.web.draining import Draining
from botfleet.web.server import listen, serve

from .slack_sdk_rtm import make_task


def make_app(secret: str, task: Any) -> Starlette:
    """Bolt's app behind `/slack/events`."""
    app = App(signing_secret=secret, authorize=_authorize)

    @app.event("message")  # type: ignore[untyped-decorator]
    def hear(event: dict[str, Any]) -> None:
        task.delay(event)

    handler = SlackRequestHandler(app)

    async def endpoint(request: Request) -> Response:
        return await handler.handle(request)

    return Starlette(routes=[Route("/slack/events", endpoint, methods=["POST"])])


def _authorize(team_id: str, **_: Any) -> AuthorizeResult:
    return AuthorizeResult(
        enterprise_id=None, team_id=team_id, bot_token="xoxb-bench", bot_id="B1", bot_user_id="UB00000001"
    )


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.bolt_web")
    for name in ("--broker", "--queue", "--secret"):
        parser.add_argument(name, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    app = make_app(options.secret, make_task(options.broker, options.queue))
    serve(app, Settings.load({}, {}), listen("127.0.0.1", options.port), Draining(app))


if __name__ == "__main__":
    main()
