"""What an app is sent by HTTP, and its signature. Pure: nothing is sent here."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import urlencode

from .apps import VERIFICATION_TOKEN, App
from .model import Json, Team, Token

Kind = Literal["event", "verification", "command", "interactive"]

SOCKETS_ONLY = frozenset(
    {
        "accounts_changed",
        "bot_added",
        "bot_changed",
        "channel_joined",
        "channel_marked",
        "commands_changed",
        "goodbye",
        "group_joined",
        "group_marked",
        "hello",
        "im_marked",
        "manual_presence_change",
        "pong",
        "pref_change",
        "presence_change",
        "reconnect_url",
        "team_migration_started",
        "team_pref_change",
        "user_typing",
    }
)
"""Events that Slack sends over RTM and not by HTTP."""

AS_FORM = "application/x-www-form-urlencoded"
AS_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """How an app has answered a delivery, or failed to.

    Attributes:
        status: HTTP's, or None where no answer came.
        reason: why it counts as failed, in the words of X-Slack-Retry-Reason; empty where it does not.
        body: what was answered.
        no_retry: whether the app wants no further try.
    """

    status: int | None
    reason: str = ""
    body: bytes = field(default=b"", repr=False)
    no_retry: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request to an app.

    Attributes:
        app: whose it is.
        kind: what it is about: decides the URL, the body's form, and whether a failure is retried.
        type: the event's type, the payload's, or the command.
        team_id: the team's, or empty.
        body: the request's, as it is signed.
        event_id: Slack's id of an event.
        answered: is told the last answer.
    """

    app: App
    kind: Kind
    type: str
    team_id: str
    body: bytes = field(repr=False)
    event_id: str | None = None
    answered: Callable[[Reply], None] | None = None

    @property
    def url(self) -> str:
        """Where it goes; empty where the app wants none of it."""
        urls = {"command": self.app.commands_url, "interactive": self.app.interactive_url}
        return urls.get(self.kind, self.app.events_url)

    @property
    def content_type(self) -> str:
        """The body's media type."""
        return AS_FORM if self.kind in ("command", "interactive") else AS_JSON

    @property
    def is_retried(self) -> bool:
        """Whether Slack tries again after a failure; where a person waits for the answer it does not."""
        return self.kind == "event"


class Outbox(Protocol):
    """Where deliveries go."""

    @property
    def is_crowded(self) -> bool:
        """Whether what is sent in bulk had better wait."""

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Send some; those given together are tried one after the other."""


def signed(delivery: Delivery, now: float, attempt: int = 0, reason: str = "") -> dict[str, str]:
    """Give the headers of a request.

    Args:
        delivery: what is sent.
        now: unix seconds.
        attempt: 0 for the first, 1 to 3 for a retry.
        reason: why it is tried again.
    """
    stamp = str(int(now))
    headers = {
        "Content-Type": delivery.content_type,
        "User-Agent": "Slackbot 1.0 (botfleet sandbox)",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": signature(delivery.app.signing_secret, stamp, delivery.body),
    }
    if attempt:
        headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason}
    return headers


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Sign a request as Slack does: the v0 scheme."""
    signed_text = b"v0:" + stamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed_text, hashlib.sha256).hexdigest()


def verification(app: App, challenge: str) -> Delivery:
    """Ask an app whether its events URL is its own; it is noted in `App.verified`."""

    def answered(reply: Reply) -> None:
        app.verified = not reply.reason

    body = {"token": VERIFICATION_TOKEN, "challenge": challenge, "type": "url_verification"}
    return Delivery(app, "verification", "url_verification", "", as_json(body), answered=answered)


def rate_limited(app: App, team: Team, now: float) -> Delivery:
    """Tell an app that events of a team are dropped for a minute."""
    body = {
        "token": VERIFICATION_TOKEN,
        "type": "app_rate_limited",
        "team_id": team.id,
        "minute_rate_limited": int(now) // 60 * 60,
        "api_app_id": app.app_id,
    }
    return Delivery(app, "event", "app_rate_limited", team.id, as_json(body))


def event_callback(app: App, team: Team, token: Token, event: Json, event_id: str, now: float) -> Delivery:
    """Tell an app of an event, by an installation of its."""
    organisation = None if team.enterprise is None else team.enterprise.id
    everywhere = token.enterprise_id is not None
    authorization = {
        "enterprise_id": organisation,
        "team_id": None if everywhere else team.id,
        "user_id": team.bot.id,
        "is_bot": True,
        "is_enterprise_install": everywhere,
    }
    body = {
        **_head(app, team.id, organisation, event, event_id, now),
        "context_team_id": team.id,
        "context_enterprise_id": organisation,
        "authorizations": [authorization],
        "is_ext_shared_channel": False,
        "event_context": f"sandbox-{event_id}",
    }
    return Delivery(app, "event", str(event["type"]), team.id, as_json(body), event_id)


def farewell(app: App, team: Team, token: Token, event: Json, event_id: str, now: float) -> Delivery:
    """Tell an app of the end of an installation. There is nobody left who could have authorised it.

    Of an installation in a whole organisation the request names no team.
    """
    organisation = None if team.enterprise is None else team.enterprise.id
    team_id = None if token.enterprise_id is not None else team.id
    body = _head(app, team_id, organisation, event, event_id, now)
    return Delivery(app, "event", str(event["type"]), team.id, as_json(body), event_id)


def payload(app: App, team: Team, content: Json, answered: Callable[[Reply], None]) -> Delivery:
    """Tell an app what somebody did with its buttons and views."""
    body = urlencode({"payload": json.dumps(content)}).encode()
    return Delivery(app, "interactive", str(content["type"]), team.id, body, answered=answered)


def command(app: App, team: Team, fields: Json, answered: Callable[[Reply], None]) -> Delivery:
    """Tell an app of a slash command."""
    body = urlencode(fields).encode()
    return Delivery(app, "command", str(fields["command"]), team.id, body, answered=answered)


def for_http(event: Json, team: Team) -> list[Json]:
    """Give what the Events API makes of an event of the sockets: none, one, or with a mention two.

    Of a channel that the bot was taken into, apps hear as of any other member.
    """
    if event["type"] in ("channel_joined", "group_joined"):
        channel = event["channel"]
        kind = "G" if channel["is_private"] else "C"
        place = {"channel": channel["id"], "channel_type": kind, "team": team.id}
        return [
            {"type": "member_joined_channel", "user": team.bot.id, **place, "event_ts": event["event_ts"]}
        ]
    if event["type"] in SOCKETS_ONLY:
        return []
    return [event, *_mention(event, team)]


def as_json(body: Json) -> bytes:
    """Encode a body as Slack does."""
    return json.dumps(body, separators=(",", ":")).encode()


def _mention(event: Json, team: Team) -> list[Json]:
    if event["type"] != "message" or "subtype" in event or event.get("channel_type") == "im":
        return []
    if event.get("user") == team.bot.id or f"<@{team.bot.id}>" not in event.get("text", ""):
        return []
    kept = ("user", "text", "ts", "thread_ts", "blocks", "team", "channel", "event_ts")
    return [{"type": "app_mention", **{name: event[name] for name in kept if name in event}}]


def _head(
    app: App, team_id: str | None, organisation: str | None, event: Json, event_id: str, now: float
) -> Json:
    return {
        "token": VERIFICATION_TOKEN,
        **({} if team_id is None else {"team_id": team_id}),
        **({} if organisation is None else {"enterprise_id": organisation}),
        "api_app_id": app.app_id,
        "event": event,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(now),
    }
