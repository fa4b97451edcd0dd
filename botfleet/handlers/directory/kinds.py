"""How Slack is asked about each kind of entry, and which answers say that there is no such id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from slack_sdk import WebClient

from ...errors import SlackError
from ...webapi import translated
from .entries import BotUser, Channel, Entry, Team, User

E = TypeVar("E", bound=Entry)
Answer = Mapping[str, Any]

#: Entries on a page of a list. Slack recommends 200 and takes up to 999; it allows 20 pages a minute.
_PAGE = 500


class Row(msgspec.Struct, Generic[E], frozen=True, kw_only=True, omit_defaults=True):
    """An entry as the store keeps it.

    Attributes:
        at: when Slack said so, unix seconds.
        told: when the event came that said so last; 0 where it was a call.
        entry: None where Slack knows nothing of the id.
    """

    at: float
    told: float = 0.0
    entry: E | None = None


@dataclass(frozen=True)
class Kind(Generic[E]):
    """One kind of entry.

    Attributes:
        name: of its caches in the store.
        sign: what stands before a name.
        type: the entry's.
        rows: reads the store's rows.
        ask: asks Slack for the object of one id.
        field: where it is in the answer; empty: the answer is it.
        page: asks Slack for a page of all; None where there is no list, and so no names.
        many: where the objects are in that answer.
        absent: Slack's error strings for an id that it does not know.
    """

    name: str
    sign: str
    type: type[E]
    rows: msgspec.json.Decoder[Row[E]]
    ask: Callable[[WebClient, str], Any]
    field: str
    absent: frozenset[str]
    page: Callable[[WebClient, str], Any] | None = None
    many: str = ""

    def fetch(self, web: WebClient, id_: str) -> E | None:
        """Asks Slack about an id; None where it knows nothing of it.

        Raises:
            SlackError: Slack refused, or could not be reached.
        """
        try:
            with translated():
                answer = self.ask(web, id_)
                found = answer.get(self.field) if self.field else answer.data
        except SlackError as exc:
            if exc.error in self.absent:
                return None
            raise
        return next(self._entries([found]), None)

    def listed(self, web: WebClient, cursor: str) -> tuple[list[E], str]:
        """Asks Slack for a page of all; returns its entries and the next page's cursor, empty at the end.

        Raises:
            SlackError: Slack refused, or could not be reached.
        """
        assert self.page is not None
        with translated():
            answer = self.page(web, cursor)
            found, more = answer.get(self.many), answer.get("response_metadata")
        following = more.get("next_cursor") if isinstance(more, Mapping) else ""
        entries = self._entries(found if isinstance(found, list) else [])
        return list(entries), following if isinstance(following, str) else ""

    def _entries(self, objects: Iterable[object]) -> Iterator[E]:
        made = (self.type.of(one) for one in objects if isinstance(one, Mapping))
        return (one for one in made if one.id)


def _channels(web: WebClient, cursor: str) -> Any:
    def ask(types: str) -> Any:
        return web.conversations_list(types=types, exclude_archived=True, limit=_PAGE, cursor=cursor or None)

    try:
        with translated():
            return ask("public_channel,private_channel")
    except SlackError as exc:
        if exc.error != "missing_scope":
            raise
    # An app may be allowed to see the public ones only.
    return ask("public_channel")


CHANNELS = Kind(
    name="channels",
    sign="#",
    type=Channel,
    rows=msgspec.json.Decoder(Row[Channel]),
    ask=lambda web, id_: web.conversations_info(channel=id_),
    field="channel",
    absent=frozenset({"channel_not_found"}),
    page=_channels,
    many="channels",
)
USERS = Kind(
    name="users",
    sign="@",
    type=User,
    rows=msgspec.json.Decoder(Row[User]),
    ask=lambda web, id_: web.users_info(user=id_),
    field="user",
    absent=frozenset({"user_not_found", "users_not_found", "user_not_visible"}),
    page=lambda web, cursor: web.users_list(limit=_PAGE, cursor=cursor or None),
    many="members",
)
BOTS = Kind(
    name="bots",
    sign="",
    type=BotUser,
    rows=msgspec.json.Decoder(Row[BotUser]),
    ask=lambda web, id_: web.bots_info(bot=id_),
    field="bot",
    absent=frozenset({"bot_not_found"}),
)
TEAMS = Kind(
    name="team",
    sign="",
    type=Team,
    rows=msgspec.json.Decoder(Row[Team]),
    # It takes no scope, unlike team.info, and knows the address too.
    ask=lambda web, id_: web.auth_test(),
    field="",
    absent=frozenset(),
)
EVERY_KIND: tuple[Kind[Any], ...] = (CHANNELS, USERS, BOTS, TEAMS)
