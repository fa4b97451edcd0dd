"""One call of the Web API, as its methods see it, and how they refuse it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .model import Channel, Json, Team, Token, User
from .service import Sandbox


class SlackError(Exception):
    """The call is refused: `error` is the answer's error string."""

    def __init__(self, error: str, **more: Any) -> None:
        self.error = error
        self.more = more
        super().__init__(error)


@dataclass(frozen=True, slots=True)
class Call:
    """One call, by a token that is good.

    Attributes:
        sandbox: what the call acts on.
        team: the token's team.
        token: the caller's token.
        args: the arguments by name: text from a form or query, any JSON value from a JSON body.
        socket_base: the start of a websocket URL as the caller can reach it, e.g. ``ws://127.0.0.1:8000/``.
    """

    sandbox: Sandbox
    team: Team
    token: Token
    args: Json
    socket_base: str

    def text(self, name: str) -> str:
        """Give an argument as text, empty where it is missing."""
        value = self.args.get(name)
        return "" if value is None else str(value)

    def flag(self, name: str) -> bool:
        """Give a yes-or-no argument."""
        return self.text(name).lower() in ("1", "true")

    def number(self, name: str, default: int, highest: int) -> int:
        """Give a count between 1 and `highest`, the default where it is missing or no number."""
        text = self.text(name)
        return max(1, min(int(text), highest)) if text.isdigit() else default

    def nested(self, name: str) -> Any:
        """Give an argument that is JSON, or JSON in text."""
        value = self.args.get(name)
        if not isinstance(value, str) or not value:
            return value or None
        try:
            return json.loads(value) or None
        except ValueError:
            raise SlackError(f"invalid_{name}") from None

    def channel(self, name: str = "channel") -> Channel:
        """Find the channel that an argument names: an id, a #name, or a user, whose DM is opened."""
        wanted = self.text(name)
        channel = self.team.channel_named(wanted) if wanted else None
        if channel is not None:
            return channel
        user = self.team.user_named(wanted.removeprefix("@")) if wanted[:1] in ("U", "@") else None
        if user is None or user.is_bot:
            raise SlackError("channel_not_found")
        return self.sandbox.direct(self.team, user)

    def user(self, name: str = "user") -> User:
        """Find the user whose id an argument gives."""
        user = self.team.users.get(self.text(name))
        if user is None:
            raise SlackError("user_not_found")
        return user
