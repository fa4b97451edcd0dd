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

        Args:
            life: seconds for which all is kept; None: as long as it would have been, and only if it still is.

        Returns:
            What became of it; None where `life` was None and nobody asks for this kind any more.

        Raises:
            SlackError: Slack refused, or could not be reached; what was listed until then stays.
        """
        began = self._clock()
        try:
            found = self._pages(life)
        except SlackError as exc:
            pause = max(PAUSE, exc.retry_after or 0.0)
            self._shelf.note_listing(Listing(until=self._clock() + pause, error=exc.error), life)
            raise
        if found is None:
            return None
        ids, complete = found
        if complete:
            self._shelf.keep_only(ids, since=began)
        listing = Listing(until=began + PAUSE, complete=complete)
        return listing if self._shelf.note_listing(listing, life) else None

    def _pages(self, life: float | None) -> tuple[set[str], bool] | None:
        ids: set[str] = set()
        cursor, deadline = "", self._monotonic() + _LONGEST
        while True:
            entries, cursor = self._shelf.kind.listed(self._web(), cursor)
            if entries and not self._shelf.put(entries, life):
                return None
            ids.update(entry.id for entry in entries)
            if not cursor:
                return ids, True
            if len(ids) >= _MOST or self._monotonic() > deadline:
                logger.warning(
                    "only the first %s of %s are known by name",
                    len(ids),
                    self._shelf.cache,
                    extra={"action": "directory.too_large"},
                )
                return ids, False
