"""Lists all channels, or all users, of a team: one listing at a time, over all processes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from slack_sdk import WebClient

from ...clock import Clock, MonotonicClock, monotonic_clock
from ...errors import SlackError
from ...store.base import Store
from .entries import Entry
from .shelf import Listing, Shelf

logger = logging.getLogger(__name__)

E = TypeVar("E", bound=Entry)

#: Seconds between the beginnings of two listings of a kind, at least.
PAUSE = 60.0
#: Bounds of one listing: entries, and seconds, so that it ends before another may begin.
_MOST = 50_000
_LONGEST = 45.0
#: Seconds between two looks at what another process lists.
_LOOKS = 0.1


class Lister(Generic[E]):
    """Lists one kind for one bot.

    Args:
        shelf: gets what is listed.
        store: has the mark of who lists.
        web: the bot's client of the Web API.
        clock: for ages.
        monotonic: for how long a listing takes.
    """

    def __init__(
        self,
        shelf: Shelf[E],
        store: Store,
        web: Callable[[], WebClient],
        clock: Clock,
        monotonic: MonotonicClock = monotonic_clock,
    ) -> None:
        self._shelf = shelf
        self._store = store
        self._web = web
        self._clock = clock
        self._monotonic = monotonic

    def begin(self) -> bool:
        """Whether this process is to list now, and no other.

        Raises:
            TokenNotConnected, SealError: this process can't; so that it keeps no other from it.
        """
        self._web()
        return self._store.once(f"list:{self._shelf.cache}", PAUSE)

    def looks(self, patience: float) -> Iterator[None]:
        """Lets a caller look at what another process lists, at once and again for `patience` seconds."""
        deadline = self._monotonic() + patience
        yield
        while self._monotonic() < deadline:
            time.sleep(_LOOKS)
            yield

    def run(self, life: float | None) -> Listing | None:
        """Lists page by page, so that those who wait see each; what is no more there is forgotten at the end.

        A listing that took too long, or that Slack wants to go slower, is gone on with by the next one.

        Args:
            life: seconds for which all is kept; None: as long as it would have been, and only if it still is.

        Returns:
            How far it came; None where `life` was None and nobody asks for this kind any more.
        """
        began, before = self._clock(), self._shelf.listing()
        first = before if before is not None and before.cursor else Listing(until=began)
        ids: set[str] = set()
        listing = self._pages(first, ids, life)
        if listing is None:
            return None
        if listing.error or listing.cursor:
            more = listing.error or "more to come"
            self._tell("%s: %s are listed, and then: %s", listing.listed, more)
        elif not first.cursor:
            self._shelf.keep_only(ids, since=began)
        return listing if self._shelf.note_listing(listing, life) else None

    def _pages(self, first: Listing, ids: set[str], life: float | None) -> Listing | None:
        """Lists from where a former listing stopped, and gathers the ids."""
        cursor, until = first.cursor, self._clock() + PAUSE
        deadline = self._monotonic() + _LONGEST
        while True:
            listed = first.listed + len(ids)
            try:
                entries, following = self._shelf.kind.listed(self._web(), cursor)
            except SlackError as exc:
                wait = max(PAUSE, exc.retry_after or 0.0)
                # Any other error may come from the cursor itself.
                again = cursor if exc.retry_after is not None else ""
                return Listing(until=self._clock() + wait, error=exc.error, cursor=again, listed=listed)
            if entries and not self._shelf.put(entries, life):
                return None
            ids.update(entry.id for entry in entries)
            cursor, listed = following, first.listed + len(ids)
            if not cursor:
                return Listing(until=until)
            if listed >= _MOST:
                self._tell("%s: only the first %s are known by name", listed)
                return Listing(until=until)
            if self._monotonic() > deadline:
                return Listing(until=until, cursor=cursor, listed=listed)

    def _tell(self, text: str, *values: object) -> None:
        logger.warning(text, self._shelf.cache, *values, extra={"action": "directory.unfinished"})
