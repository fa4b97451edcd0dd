"""Bots filtered, sorted and cut into pages.

A page begins after a bot and not at a number, so that bots that come and go meanwhile are neither shown
twice nor passed over. Where it begins travels as an opaque text, the cursor.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from ..errors import UsageError
from ..model import State, Transport

#: Bots on one page at the most.
MAX_LIMIT = 200
#: What bots can be sorted by; each also with a `-` before it, the other way round.
SORTS = ("key", "name", "status", "since", "added")
#: Characters of a cursor at the most: far more than one is made of.
_MAX_CURSOR = 2000


class Row(Protocol):
    """What a bot is sorted and filtered by."""

    @property
    def key(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def bot_name(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def transport(self) -> Transport: ...
    @property
    def status(self) -> State: ...
    @property
    def holder(self) -> str: ...
    @property
    def since(self) -> float: ...
    @property
    def added_at(self) -> float: ...


T = TypeVar("T", bound=Row)

_VALUES: Mapping[str, Callable[[Any], str | float]] = {
    "key": attrgetter("key"),
    "name": lambda row: str(row.name).casefold(),
    "status": attrgetter("status"),
    "since": attrgetter("since"),
    "added": attrgetter("added_at"),
}


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which bots are asked for, and in which order.

    Attributes:
        search: what the bot's key or one of its names holds, in any case; empty takes all.
        statuses: only these states; empty takes all.
        namespace, transport, holder: only these; None takes all.
        sort: one of `SORTS`, perhaps with a `-` before it.
        limit: bots on a page, up to `MAX_LIMIT`.
        cursor: `Page.next` or `Page.previous` of a page in the same order; empty for the first one.
    """

    search: str = ""
    statuses: tuple[State, ...] = ()
    namespace: str | None = None
    transport: Transport | None = None
    holder: str | None = None
    sort: str = "key"
    limit: int = 50
    cursor: str = ""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some bots, out of those that were asked for.

    Attributes:
        teams: in order.
        total: how many there are on all pages.
        first: how many stand before this page.
        next, previous: cursors of the pages around it; empty where there is none.
    """

    teams: Sequence[T]
    total: int
    first: int
    next: str
    previous: str


class _Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a page begins: after, or before, a bot of this key and this value of what is sorted by."""

    sort: str
    value: str | float
    key: str
    before: bool = False


_PLACE = msgspec.json.Decoder(_Place)


def page_of(ordered: Sequence[T], query: Query) -> Page[T]:
    """Cuts the page out.

    Args:
        ordered: all bots as `in_order` sorts them.
        query: what is wanted; its `sort` is the one that they are sorted by.

    Raises:
        UsageError: the cursor is none of ours, or belongs to another order.
    """
    rows = list(_filtered(ordered, query))
    place = _read_cursor(query) if query.cursor else None
    start, end = _bounds(rows, query, place)
    if query.sort.startswith("-"):
        rows.reverse()
    teams = rows[start:end]
    return Page(
        teams=teams,
        total=len(rows),
        first=start,
        next=_cursor(query.sort, teams[-1], before=False) if teams and end < len(rows) else "",
        previous=_cursor(query.sort, teams[0], before=True) if teams and start > 0 else "",
    )


def in_order(rows: Iterable[T], sort: str) -> list[T]:
    """All bots sorted by one of `SORTS`, and by their keys where that is the same; a `-` changes nothing.

    Raises:
        UsageError: there is no such order.
    """
    if sort.removeprefix("-") not in _VALUES:
        raise UsageError(f"sort takes one of {', '.join(SORTS)}, perhaps with a - before it")
    return sorted(rows, key=_rank(sort))


def _rank(sort: str) -> Callable[[Row], tuple[Any, str]]:
    value = _VALUES[sort.removeprefix("-")]
    return lambda row: (value(row), row.key)


def _filtered(rows: Iterable[T], query: Query) -> Iterable[T]:
    # One pass for each filter that is set: most are not, and there may be 100,000 bots.
    if query.statuses:
        wanted = frozenset(query.statuses)
        rows = [row for row in rows if row.status in wanted]
    for name in ("namespace", "transport", "holder"):
        if (value := getattr(query, name)) is not None:
            of = attrgetter(name)
            rows = [row for row in rows if of(row) == value]
    if query.search:
        text = query.search.casefold()
        rows = [row for row in rows if _holds(row, text)]
    return rows


def _holds(row: Row, text: str) -> bool:
    return text in row.key.casefold() or text in row.name.casefold() or text in row.bot_name.casefold()


def _bounds(rows: Sequence[T], query: Query, place: _Place | None) -> tuple[int, int]:
    """Where the page begins and ends among the rows as they are shown."""
    if place is None:
        return 0, min(query.limit, len(rows))
    rank, here = _rank(query.sort), (place.value, place.key)
    left, right = bisect_left(rows, here, key=rank), bisect_right(rows, here, key=rank)
    if query.sort.startswith("-"):
        left, right = len(rows) - right, len(rows) - left
    if place.before:
        return max(0, left - query.limit), left
    return right, min(right + query.limit, len(rows))


def _cursor(sort: str, row: Row, before: bool) -> str:
    place = _Place(sort, _VALUES[sort.removeprefix("-")](row), row.key, before)
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def _read_cursor(query: Query) -> _Place:
    text = query.cursor
    try:
        if len(text) > _MAX_CURSOR:
            raise ValueError("too long")
        place = _PLACE.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error, msgspec.MsgspecError) as exc:
        raise UsageError("cursor takes what another page gave as its next one") from exc
    wanted = float if query.sort.removeprefix("-") in ("since", "added") else str
    if place.sort != query.sort or not isinstance(place.value, wanted):
        raise UsageError("cursor belongs to a page in another order; sort must stay as it was")
    return place
