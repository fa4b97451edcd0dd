"""What the REST API takes and answers, as JSON; the description in `openapi.py` is made of these."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ...model import HistoryEntry, State, Transport
from ...overview import MAX_LIMIT, HandlerView, HolderView, Team
from ..named import KEY
from .reading import Body, Parameters

Key = Annotated[
    str, Meta(pattern=KEY, description="Names a bot: T…, E…, or NAMESPACE-T….", examples=["T00000001"])
]
Namespace = Annotated[
    str,
    Meta(
        pattern=r"^([A-Za-z0-9]+([-_][A-Za-z0-9]+)*)?$",
        max_length=100,
        description="The app that a bot belongs to; empty for the fleet's own.",
    ),
]
BotToken = Annotated[
    str,
    Meta(
        pattern=r"^xox[!-~]+$",
        max_length=1000,
        description="A bot's token, xoxb-…; it is never shown again.",
        extra_json_schema={"writeOnly": True},
    ),
]
Sort = Literal["key", "-key", "name", "-name", "status", "-status", "since", "-since", "added", "-added"]

#: Bots that one request names at the most.
MAX_NAMED = 1000
#: Failures that an answer lists at the most.
MAX_FAILURES = 100


# What is asked for


class TeamsQuery(Parameters, frozen=True):
    """Which bots, and in which order."""

    q: Annotated[
        str,
        Meta(max_length=100, description="Part of a key, of the team's or of the bot's name; in any case."),
    ] = ""
    status: Annotated[tuple[State, ...], Meta(max_length=6, description="Only in one of these states.")] = ()
    namespace: Namespace | UnsetType = UNSET
    transport: Annotated[Transport, Meta(description="Only with events by this way.")] | UnsetType = UNSET
    holder: Annotated[str, Meta(max_length=200, description="Only held by this holder.")] | UnsetType = UNSET
    sort: Annotated[Sort, Meta(description="By what they are sorted; - for the other way round.")] = "key"
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="How many on a page.")] = 50
    cursor: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_-]*$",
            max_length=2000,
            description="Where the page begins: `next` or `previous` of another one in the same order.",
        ),
    ] = ""


class AddTeam(Body, frozen=True):
    """A bot to add."""

    token: BotToken
    namespace: Namespace | UnsetType = UNSET
    transport: (
        Annotated[
            Literal["rtm", "http"],
            Meta(description="How its events come; as a known bot's do already, and rtm for a new one."),
        ]
        | UnsetType
    ) = UNSET


class UpdateTeam(Body, frozen=True):
    """How a bot is to be connected anew: with this token, or without one with the token that it has."""

    token: BotToken | UnsetType = UNSET


class NamedTeams(Body, frozen=True):
    """Bots by their keys, or all there are."""

    teams: Literal["all"] | Annotated[list[Key], Meta(min_length=1, max_length=MAX_NAMED)]


# What is answered


class Links(msgspec.Struct, frozen=True):
    """Where everything is."""

    status: str
    teams: str
    holders: str
    handlers: str
    queues: str
    openapi: str
    docs: str


class BotCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many bots there are."""

    total: int
    by_status: Annotated[dict[State, int], Meta(description="One for each state, also where there is none.")]


class HolderCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many holders there are, and what they do together."""

    total: int
    draining: int
    connected: Annotated[int, Meta(description="Sockets that are open.")]
    rate: Annotated[float, Meta(description="Events a second, lately.")]


class FleetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the fleet is."""

    version: Annotated[str, Meta(description="botfleet's.")]
    at: Annotated[float, Meta(description="When the bots were counted, unix seconds.")]
    bots: BotCounts
    holders: HolderCounts


class TeamsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of bots."""

    teams: list[Team]
    total: Annotated[int, Meta(description="How many there are on all pages.")]
    next: Annotated[str | None, Meta(description="The cursor of the page after this one; null on the last.")]
    previous: Annotated[str | None, Meta(description="The cursor of the page before; null on the first.")]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What Slack said of a bot's token."""

    ok: Annotated[bool, Meta(description="Whether Slack takes it.")]
    error: Annotated[str | None, Meta(description="Slack's word for why not, such as token_revoked.")]
    team: Team


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that became of a bot."""

    at: Annotated[float, Meta(description="Unix seconds.")]
    what: Annotated[str, Meta(description="A state, or an event of a bot's life such as bot_created.")]
    error: str
    holder: str
    reason: str


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a bot, the newest first."""

    history: list[Change]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A bot that something could not be done to."""

    team: Annotated[str, Meta(description="Its key.")]
    error: str


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to several bots."""

    done: Annotated[int, Meta(description="How many it was done to.")]
    failed: Annotated[int, Meta(description="How many it could not be done to.")]
    failures: Annotated[list[Failure], Meta(description=f"The first {MAX_FAILURES} of those.")]


class Holders(msgspec.Struct, frozen=True, kw_only=True):
    """The holders that are alive."""

    holders: list[HolderView]


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """A holder that was asked to give its shards away, or to take some again."""

    holder: Annotated[str, Meta(description="Its node name.")]
    draining: bool


class Handlers(msgspec.Struct, frozen=True, kw_only=True):
    """The handlers that workers have announced."""

    handlers: list[HandlerView]


class Queues(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages wait, by queue."""

    queues: dict[str, int]


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """Why something was refused."""

    code: Annotated[str, Meta(description="A stable name, for programs.")]
    message: Annotated[str, Meta(description="A sentence, for people.")]
    detail: Annotated[object, Meta(description="More about it, by code; null where there is nothing more.")]


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal."""

    error: ErrorBody


def change_of(entry: HistoryEntry) -> Change:
    """An entry of a bot's history as JSON has it."""
    return Change(at=entry.at, what=entry.what, error=entry.error, holder=entry.holder, reason=entry.reason)
