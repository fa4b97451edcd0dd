"""A gateway in process, over any store and broker, and a Slack that signs."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any, Self
from urllib.parse import urlencode

import httpx2
import msgspec
from starlette.testclient import TestClient

from botfleet.fleet import Fleet
from botfleet.model import Bot, Subscription
from botfleet.publishing.publisher import Sink
from botfleet.settings import Settings
from botfleet.store import Store
from botfleet.web.app import make_app
from botfleet.web.context import WebContext
from botfleet.web.gateway.gateway import Shortcut
from tests.fleets import TokenSlack
from tests.waiting import eventually

SECRET = "not-a-secret"
OTHER_SECRET = "another-one"
#: Takes whatever comes.
EVERYTHING = Subscription(task="tasks.all", types=("*",), queue="q", bots=True, own=True)
BOT = Bot(
    team_id="T1",
    sealed_token="plain:xoxb-T1-a",
    fingerprint="f1",
    transport="http",
    bot_user_id="U0",
    added_at=1.0,
    updated_at=1.0,
)


class Web:
    """A web role with a gateway that runs; a context manager that ends it.

    Args:
        store, sink: of the fleet.
        shortcut: past what is for people, as the real server has it; else through the table of routes.
        settings: beside those of the apps.
    """

    def __init__(self, store: Store, sink: Sink, shortcut: bool = True, **settings: Any) -> None:
        apps = {"beta": {"signing_secret": OTHER_SECRET}, "unsigned": {}}
        self.slack = TokenSlack()
        self.deaths: list[str] = []
        chosen = {"slack_signing_secret": SECRET, "apps": apps, **settings}
        known = Settings.load({}, {}, store_url="memory://", **chosen)
        self.fleet = Fleet(known, store=store, api=self.slack)
        self.store, self.sink = store, sink
        self.context = WebContext(self.fleet, sink)
        self.gateway = self.context.gateway
        app = make_app(self.context)
        self.asgi: Any = Shortcut(app, self.gateway) if shortcut else app
        self.client = TestClient(self.asgi, raise_server_exceptions=False)

    def __enter__(self) -> Self:
        self.client.__enter__()
        self.gateway.start(lambda name, exc: self.deaths.append(name))
        eventually(lambda: self.gateway.is_ready)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.gateway.close()
        self.client.__exit__()
        assert self.deaths == []

    # What Slack sends

    def send(
        self,
        content: bytes | str,
        path: str = "/slack/events",
        secret: str = SECRET,
        at: float | None = None,
        **headers: str,
    ) -> httpx2.Response:
        """Sends a body as Slack does, signed."""
        body = content.encode() if isinstance(content, str) else content
        stamp = str(int(time.time() if at is None else at))
        signed = hmac.new(secret.encode(), b"v0:%b:%b" % (stamp.encode(), body), hashlib.sha256)
        names = {
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={signed.hexdigest()}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.client.post(path, content=body, headers=names)

    def event(
        self, event: dict[str, Any], event_id: str = "Ev1", namespace: str = "", **outer: Any
    ) -> httpx2.Response:
        """Sends an event."""
        path = f"/slack/events/{namespace}" if namespace else "/slack/events"
        secret = OTHER_SECRET if namespace else SECRET
        return self.send(json.dumps(delivery(event, event_id, **outer)), path, secret)

    def form(self, kind: str, fields: dict[str, str], **headers: str) -> httpx2.Response:
        """Sends a form."""
        return self.send(urlencode(fields), f"/slack/{kind}", **headers)

    # What is in the fleet

    def add(self, bot: Bot = BOT, **changes: Any) -> Bot:
        """Puts a bot into the registry, and lets the gateway see it."""
        made = msgspec.structs.replace(bot, **changes)
        self.store.change_bot(made.key, lambda old: made)
        self.gateway.look()
        return made

    def count(self, outcome: str) -> int:
        """How many requests came to that."""
        return int(getattr(self.gateway.counters.outcomes, outcome))


def message(text: str = "hi", ts: str = "1.000001") -> dict[str, Any]:
    """A message as Slack sends it."""
    return {"type": "message", "channel": "C1", "user": "U1", "text": text, "ts": ts, "event_ts": ts}


def delivery(event: dict[str, Any], event_id: str = "Ev1", **outer: Any) -> dict[str, Any]:
    """The outer object of an event."""
    return {
        "token": "old",
        "team_id": "T1",
        "api_app_id": "A1",
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(time.time()),
        "authorizations": [{"team_id": "T1", "user_id": "U0", "is_enterprise_install": False}],
        **outer,
    }


def refusal(answer: httpx2.Response) -> tuple[int, str, bool]:
    """A refusal: its status, its code, and whether Slack may send the same again."""
    return answer.status_code, answer.json()["error"]["code"], "x-slack-no-retry" not in answer.headers
