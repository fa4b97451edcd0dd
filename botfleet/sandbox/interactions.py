"""What apps are given for an answer to a person: response URLs, triggers, views. Time comes in."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TypeVar

from .apps import App
from .model import Channel, Json, Message, Team, User

USES = 5
RESPONSE_LIFETIME = 1800.0
TRIGGER_LIFETIME = 3.0
KEPT = 10_000
"""Of each kind; older ones are forgotten."""

Value = TypeVar("Value")


@dataclass(slots=True)
class Occasion:
    """Where an app was spoken to, and by whom.

    Attributes:
        app: who was.
        team, channel, user: where, and who spoke.
        message: the one whose button was used.
        was_ephemeral: whether that one is seen by `user` only.
        expires: by the monotonic clock.
        left: how often the app may still answer.
    """

    app: App
    team: Team
    channel: Channel
    user: User
    message: Message | None = None
    was_ephemeral: bool = False
    expires: float = 0.0
    left: int = USES


@dataclass(slots=True)
class Trigger:
    """What lets an app open a view for somebody, once and soon."""

    app: App
    team: Team
    user: User
    expires: float
    used: bool = False


@dataclass(slots=True)
class View:
    """A modal that an app has opened.

    Attributes:
        id: ``V…``.
        app, team, user: whose it is, and who sees it.
        content: what the app gave.
        hash: changes with every change.
        is_open: whether it is still seen.
        below: the view that it was pushed upon.
        errors: by block, as the app's last answer named them.
    """

    id: str
    app: App
    team: Team
    user: User
    content: Json
    hash: str
    is_open: bool = True
    below: View | None = None
    errors: Json = field(default_factory=dict)

    @property
    def root(self) -> View:
        """The first of the stack that it stands in."""
        return self if self.below is None else self.below.root

    def change(self, content: Json) -> None:
        """Show something else."""
        self.content, self.hash, self.errors = content, secrets.token_hex(8), {}

    def as_slack(self, values: Json | None = None) -> Json:
        """Give the view object of payloads and answers, with what was filled in."""
        known = (
            "type",
            "blocks",
            "title",
            "submit",
            "close",
            "callback_id",
            "private_metadata",
            "external_id",
        )
        shown = {name: self.content.get(name, "") for name in known}
        shown |= {"clear_on_close": False, "notify_on_close": bool(self.content.get("notify_on_close"))}
        shown["blocks"] = self.content.get("blocks", [])
        return {
            "id": self.id,
            "team_id": self.team.id,
            "app_id": self.app.app_id,
            "app_installed_team_id": self.team.id,
            "bot_id": self.team.bot_id,
            "hash": self.hash,
            "root_view_id": self.root.id,
            "previous_view_id": None if self.below is None else self.below.id,
            "state": {"values": values or {}},
            **shown,
        }


class Interactions:
    """Everything of this kind that is still remembered."""

    def __init__(self) -> None:
        self.occasions: dict[str, Occasion] = {}
        self.triggers: dict[str, Trigger] = {}
        self.views: dict[str, View] = {}
        self.whispers: dict[tuple[str, str], Message] = {}  # by channel and ts

    def occasion(self, occasion: Occasion, now: float) -> str:
        """Keep where an app may answer, and give the secret of its response URL."""
        occasion.expires = now + RESPONSE_LIFETIME
        name = secrets.token_hex(16)
        _keep(self.occasions, name, occasion)
        return name

    def trigger(self, app: App, team: Team, user: User, now: float) -> str:
        """Give a trigger id."""
        name = f"{team.number}.{secrets.randbits(40)}.{secrets.token_hex(12)}"
        _keep(self.triggers, name, Trigger(app, team, user, now + TRIGGER_LIFETIME))
        return name

    def open(self, app: App, team: Team, user: User, content: Json, below: View | None = None) -> View:
        """Open a view, or push it upon another one."""
        name = f"V{secrets.token_hex(5).upper()}"
        view = View(name, app, team, user, content, secrets.token_hex(8), below=below)
        _keep(self.views, view.id, view)
        return view

    def whisper(self, channel: Channel, message: Message) -> None:
        """Remember an ephemeral message, whose buttons may be used."""
        _keep(self.whispers, (channel.id, message.ts), message)


Key = TypeVar("Key")


def _keep(among: dict[Key, Value], key: Key, value: Value) -> None:
    among[key] = value
    if len(among) > KEPT:
        del among[next(iter(among))]
