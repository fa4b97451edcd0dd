"""One kind of entry of one bot, as the store and this process have it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Generic, TypeVar

import msgspec

from ...clock import Clock
from ...errors import SlackError, UsageError
from ...store.base import Store
from ...store.values import CachedRow
from ..recent import Recent
from .entries import Entry, folded
from .kinds import Kind, Row

E = TypeVar("E", bound=Entry)

#: Seconds after which a directory that nobody asks leaves the store.
LIFE = 86_400.0
#: Seconds after which Slack is asked anew about an entry, and about an id that it did not know.
_ENTRY_AGE = 86_400.0
_ABSENCE_AGE = 60.0
#: Seconds by which the clocks of two hosts may differ.
_CLOCKS = 60.0
#: The id of the row that tells of the last listing; Slack's have no small letters.
_LISTING = "listing"

_encode = msgspec.json.Encoder().encode


class Listing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far the last listing of a kind came.

    Attributes:
        until: unix seconds before which there is no other.
        error: Slack's error, where it failed.
        cursor: where the next one goes on; empty where all is listed, or nothing is to be gone on with.
        listed: entries so far, where there are more.
    """

    until: float
    error: str = ""
    cursor: str = ""
    listed: int = 0


_LISTINGS = msgspec.json.Decoder(Listing)


class Shelf(Generic[E]):
    """Reads and writes entries.

    Args:
        kind: of the entries.
        key: the bot's.
        store: keeps them for all processes.
        recent: keeps them for this process, for a few seconds.
        clock: for ages.
    """

    def __init__(self, kind: Kind[E], key: str, store: Store, recent: Recent, clock: Clock) -> None:
        self.kind = kind
        self.cache = cache_name(kind, key)
        self._store = store
        self._recent = recent
        self._clock = clock

    # By id

    def get(self, id_: str, ask: Callable[[], E | None]) -> E:
        """An entry, asked of Slack where it is not known yet; one that is not `known` where there is none.

        Raises:
            SlackError: Slack refused, or could not be reached, just now or a moment ago.
        """
        now = self._clock()
        found = self._recent.get(self.cache, id_, now)
        if found is None:
            found = self._stored_or_asked(id_, ask, now)
            self._recent.put(self.cache, id_, found, now, _life(found))
        if isinstance(found, SlackError):
            raise found.with_traceback(None)
        entry: E = found
        return entry

    def _stored_or_asked(self, id_: str, ask: Callable[[], E | None], now: float) -> E | SlackError:
        row = self._row(self._store.cached(self.cache, [id_], LIFE).get(id_))
        if row is not None and now - row.at < (_ENTRY_AGE if row.entry else _ABSENCE_AGE):
            return row.entry or self._unknown(id_)
        try:
            entry = ask()
        except SlackError as exc:
            return row.entry if row is not None and row.entry else exc
        self._write({id_: Row(at=now, entry=entry)}, LIFE)
        return entry or self._unknown(id_)

    def _unknown(self, id_: str) -> E:
        return self.kind.type(id=id_, known=False)

    # By name

    def named(self, name: str) -> E | None:
        """The entry of a name; None where none is known.

        Raises:
            UsageError: several have the name, and none of them as its handle.
        """
        now, wanted = self._clock(), folded(name)
        found = self._recently(wanted, now)
        if found is None:
            found = self._one_of(self._stored(wanted), wanted)
            if found is not None:
                self._recent.put(self.cache, f"={wanted}", found.id, now)
                self._recent.put(self.cache, found.id, found, now)
        return found

    def _recently(self, wanted: str, now: float) -> E | None:
        # By way of the id: an event that changes an entry knows its id, and not who asked by which name.
        id_ = self._recent.get(self.cache, f"={wanted}", now)
        found = None if id_ is None else self._recent.get(self.cache, id_, now)
        return found if isinstance(found, self.kind.type) and wanted in found.names else None

    def _stored(self, wanted: str) -> list[E]:
        rows = self._store.cached_as(self.cache, wanted, LIFE) if wanted else {}
        read = (self._row(value) for _, value in sorted(rows.items()))
        return [row.entry for row in read if row is not None and row.entry is not None]

    def _one_of(self, found: list[E], wanted: str) -> E | None:
        # A handle is one of its kind in a team; anybody may take another's as a display name.
        exact = [entry for entry in found if entry.names[:1] == (wanted,)]
        chosen = exact if len(exact) == 1 else found
        if len(chosen) > 1:
            raise UsageError(
                f"{self.kind.sign}{wanted} is the name of several {self.kind.name}; use an id, one of "
                + ", ".join(entry.id for entry in chosen)
            )
        return chosen[0] if chosen else None

    # Listings

    def listing(self) -> Listing | None:
        """What became of the last listing; None where there was none lately."""
        value = self._store.cached(self.cache, [_LISTING], None).get(_LISTING)
        return None if value is None else _LISTINGS.decode(value)

    def note_listing(self, listing: Listing, life: float | None) -> bool:
        """Keeps what became of a listing, for all; `life` as in `put`."""
        return self._store.put_cached(self.cache, {_LISTING: CachedRow(_encode(listing))}, life)

    def put(self, entries: Iterable[E], life: float | None) -> bool:
        """Writes entries that Slack listed just now; see `Store.put_cached` for `life`."""
        now = self._clock()
        return self._write({entry.id: Row(at=now, entry=entry) for entry in entries}, life)

    def keep_only(self, ids: Collection[str], since: float) -> None:
        """Forgets the entries that a listing did not have, save those that were heard of since it began."""
        others = sorted(self._store.cached_ids(self.cache) - set(ids) - {_LISTING})
        rows = self._store.cached(self.cache, others, None)
        old = [id_ for id_ in others if (row := self._row(rows.get(id_))) is None or row.at < since]
        self._store.put_cached(self.cache, dict.fromkeys(old), None)

    # Events

    def change(
        self, id_: str, told: float, change: Callable[[E | None], E | None], new: bool = False
    ) -> None:
        """Changes an entry by what an event said, where that matters to anybody.

        Args:
            id_: the entry's.
            told: when the event came.
            change: makes the new entry of the old one, None standing for none.
            new: Slack has just made it, so that it belongs to what was listed.
        """
        if not id_:
            return
        self._recent.forget(self.cache, id_)
        known = self._store.cached(self.cache, [id_, _LISTING], None)
        row = self._row(known.get(id_))
        if row is None and not (new and _LISTING in known):
            return
        # A later event, or a call since then, knows better.
        if row is not None and (told < row.told or told < row.at - _CLOCKS):
            return
        entry = change(row.entry if row else None)
        made = None if entry is None else Row(at=max(told, row.at if row else 0.0), told=told, entry=entry)
        self._write({id_: made}, None)

    # Rows

    def _write(self, rows: dict[str, Row[E] | None] | dict[str, Row[E]], life: float | None) -> bool:
        made = {id_: None if row is None else _cached(row) for id_, row in rows.items()}
        return self._store.put_cached(self.cache, made, life)

    def _row(self, value: bytes | None) -> Row[E] | None:
        if value is None:
            return None
        try:
            return self.kind.rows.decode(value)
        except msgspec.MsgspecError:
            return None  # Of another release: it is asked for anew.


def cache_name(kind: Kind[E], key: str) -> str:
    """The store's name of a bot's entries of a kind.

    >>> from .kinds import USERS
    >>> cache_name(USERS, "beta-T1")
    'users:beta-T1'
    """
    return f"{kind.name}:{key}"


def _cached(row: Row[E]) -> CachedRow:
    return CachedRow(_encode(row), row.entry.names if row.entry else ())


def _life(found: object) -> float:
    """How long this process goes by what it found: by a refusal until Slack may be asked again."""
    return (found.retry_after or _ABSENCE_AGE) if isinstance(found, SlackError) else Recent.LIFE
