"""A store with a bot in it, and events for it."""

from __future__ import annotations

from typing import Any

from botfleet.handlers import HandlerContext
from botfleet.model import Bot, Status
from botfleet.secrets import Seal, Token
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore
from botfleet.webapi import SlackApi

TOKEN = "xoxb-test-1"
NOW = 1_700_000_100.0


def context_with_bot(
    settings: Settings | None = None, status: str = "connected", **fields: Any
) -> HandlerContext:
    """A context whose store has the bot T1."""
    # Nobody listens there: a test that means to call Slack brings its own.
    settings = settings or Settings(slack_api_url="http://127.0.0.1:1/api/", connect_timeout=1.0)
    store, seal, token = MemoryStore(4, clock=lambda: NOW), Seal([Seal.new_key()]), Token(TOKEN)
    bot = Bot(
        **{
            "team_id": "T1",
            "sealed_token": seal.seal(token),
            "fingerprint": token.fingerprint,
            "bot_user_id": "U0",
            "bot_name": "pingbot",
            **fields,
        }
    )
    store.change_bot(bot.key, lambda _: bot)
    store.put_statuses({bot.key: Status(state=status, since=NOW, generation=1)})  # type: ignore[arg-type]
    return HandlerContext(
        store=store, seal=seal, settings=settings, api=SlackApi(settings), clock=lambda: NOW
    )


def envelope(
    text: str = "<@U0> ping", *, id: str = "Ev1", type: str = "message", **fields: Any
) -> dict[str, Any]:
    """An event for the bot T1; `fields` go into the payload."""
    return {
        "id": id,
        "type": type,
        "subtype": None,
        "team_id": "T1",
        "namespace": "",
        "bot_user_id": "U0",
        "transport": "rtm",
        "received_at": NOW,
        "backfilled": False,
        "payload": {
            "type": type,
            "channel": "C1",
            "user": "U1",
            "text": text,
            "ts": "1700000100.000100",
            **fields,
        },
    }


def sent(context: HandlerContext) -> list[Any]:
    """The commands that wait for the sockets."""
    return context.store.receive(range(context.store.shards), 0.0)
