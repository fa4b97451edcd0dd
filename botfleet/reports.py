"""What people and programs are told of bots: results of what was asked for, and how the bots are."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal

import msgspec

from .errors import BotfleetError
from .model import Bot, State, Status, Transport, state_of
from .secrets import Seal

#: A token, or what was meant to be one: bare, in quotes, after a space. No team's id looks like it.
_TOKEN = re.compile(r"xox[a-z]?[-.]|xapp-", re.IGNORECASE)
#: A team's id, perhaps with a namespace: what is safe to repeat to people.
_SHOWN = re.compile(r"(?=.{1,99}$)([A-Za-z0-9_-]+-)?[A-Z][A-Z0-9]*")
#: What came of giving a bot's token: it was not known; it was stopped, or its former token dead; or it was
#: there and well (and has the new token now).
Outcome = Literal["created", "reactivated", "already_active"]


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of one argument of a token task; JSON as `{"ok", "team_id", "status", "error"}`.

    Attributes:
        ok: it was done (or was so already).
        team_id: the team's id; None where it is not known.
        status: the bot's state now; None where there is no such bot.
        error: what was wrong, one line; None when all is well.
        passing: not done because of something that passes, such as Slack being away; no part of the JSON.
        outcome: of a token that was taken, what it did to the bot; None where that is stopped as before.
        cause: what was raised where it is not ok; no part of the JSON.
    """

    ok: bool
    team_id: str | None = None
    status: State | None = None
    error: str | None = None
    passing: bool = False
    outcome: Outcome | None = None
    cause: BotfleetError | None = dataclasses.field(default=None, compare=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The JSON object."""
        return {"ok": self.ok, "team_id": self.team_id, "status": self.status, "error": self.error}


class BotReport(msgspec.Struct, frozen=True, kw_only=True):
    """A bot and its status, for people; never its token."""

    team_id: str
    namespace: str
    team_name: str
    transport: Transport
    status: State
    since: float
    holder: str
    error: str
    retry_at: float


def describe(bot: Bot, status: Status | None) -> BotReport:
    """A bot as people see it."""
    if status is None or status.generation < bot.generation:
        # Nothing was said yet of the connection that is wanted now.
        status = Status(state=state_of(bot, None), since=bot.updated_at)
    return BotReport(
        team_id=bot.team_id,
        namespace=bot.namespace,
        team_name=bot.team_name,
        transport=bot.transport,
        status=status.state,
        since=status.since,
        holder=status.holder,
        error=status.error,
        retry_at=status.retry_at,
    )


def outcome_of(before: Bot | None, after: Bot, was_dead: bool) -> Outcome | None:
    """What a token did to a bot.

    Args:
        before, after: the bot as it was and is; `before` is None where it was not known.
        was_dead: its former token was known to be dead.
    """
    if before is None:
        return "created"
    if before.desired == "running" and not was_dead:
        return "already_active"
    return "reactivated" if after.desired == "running" else None


def is_token(argument: object) -> bool:
    """Whether an argument is a token or was meant to be one, and not a team's id."""
    return isinstance(argument, str) and bool(_TOKEN.search(argument) or Seal.is_stored_form(argument))


def as_shown(argument: object) -> str | None:
    """An argument as results may repeat it: a team's id, but never what may be a token, nor anything long.

    >>> as_shown("T1"), as_shown("beta-T1"), as_shown("xoxb-1"), as_shown("some secret")
    ('T1', 'beta-T1', None, None)
    """
    shown = isinstance(argument, str) and not is_token(argument) and _SHOWN.fullmatch(argument)
    return str(argument) if shown else None
