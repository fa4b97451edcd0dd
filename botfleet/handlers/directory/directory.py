"""The directory: a team's channels, users and bots, by id and by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from slack_sdk import WebClient

from ...clock import Clock
from ...errors import SlackError, UsageError
from ...model import split_key
from ...slack.errors import to_exception
from ...slack.markup import is_id, referred
from ...store.base import Store
from ..event import Event
from ..recent import Recent
from .entries import BotUser, Channel, Entry, Team, User, folded
from .following import Shelves, follow
from .kinds import BOTS, CHANNELS, EVERY_KIND, TEAMS, USERS
from .lister import Lister
from .shelf import LIFE, Listing, Shelf, cache_name

E = TypeVar("E", bound=Entry)

#: The rota of the bots whose directory is listed anew from time to time.
ROTA = "directories"
#: Seconds between two listings of a directory that somebody uses.
REFRESH_INTERVAL = 6 * 3600.0


class Directory:
    """What one bot may know of its team; kept in the store for all processes, filled where it is asked.

    An entry is asked of Slack once, by its id; names cost one listing of all. Slack's events keep both true,
    and so does a listing every few hours. What this process looked up is not looked up again for 5 seconds.

    Args:
        key: the bot's.
        store: keeps all of it.
        web: makes the bot's client of the Web API, when Slack is to be asked.
        recent: what this process looked up.
        clock: for ages.
        patience: seconds to wait for a listing by another process.

    Every lookup may raise, beside what it names:
        SlackError: Slack was to be asked, and refused or could not be reached.
        StoreUnavailable: the store is away.
        TokenNotConnected: Slack was to be asked, and there is no such bot any more.
    """

    def __init__(
        self,
        key: str,
        store: Store,
        web: Callable[[], WebClient],
        recent: Recent,
        clock: Clock,
        patience: float = 5.0,
    ) -> None:
        self.key = key
        self._store = store
        self._web = web
        self._clock = clock
        self._patience = patience
        self._shelves = Shelves(
            Shelf(CHANNELS, key, store, recent, clock),
            Shelf(USERS, key, store, recent, clock),
            Shelf(BOTS, key, store, recent, clock),
            Shelf(TEAMS, key, store, recent, clock),
        )

    def channel(self, id_or_name: str) -> Channel:
        """A channel, by `C…`, `#general` or `general`; not `known` where Slack does not know the id.

        Raises:
            UsageError: there is no channel of that name.
        """
        return self._find(self._shelves.channels, id_or_name, "CDG")

    def user(self, id_or_name: str) -> User:
        """A user, by `U…`, `@alice` or `alice`; not `known` where Slack does not know the id.

        A name is a handle, or else a display name. Case does not matter.

        Raises:
            UsageError: nobody has that name; or several have it as a display name, and nobody as a handle.
        """
        return self._find(self._shelves.users, id_or_name, "UW")

    def bot(self, id: str) -> BotUser:
        """An integration, by the `bot_id` of its messages; not `known` where Slack does not know it.

        Raises:
            UsageError: it is no id.
        """
        if not isinstance(id, str) or not is_id(id, "B"):
            raise UsageError(f"{id!r} is no bot's id; takes B…")
        return self._shelves.bots.get(id, lambda: BOTS.fetch(self._web(), id))

    @property
    def team(self) -> Team:
        """The team: its name and address."""
        team_id = split_key(self.key)[0]
        return self._shelves.teams.get(team_id, lambda: TEAMS.fetch(self._web(), team_id))

    def resolve(self, target: str) -> str:
        """The id of `#general` or `@alice`; anything else passes through, as it is an id, known or not.

        Raises:
            UsageError: nothing has that name, or several users have; or it is no text.
        """
        if not isinstance(target, str):
            raise UsageError(f"{target!r} is no channel and no user; takes an id, #name or @name")
        named = {"#": self.channel, "@": self.user}.get(target[:1])
        return named(target).id if named else referred(target) or target

    def follow(self, event: Event) -> None:
        """Changes what an event says has changed: of what is known here, and nothing else."""
        follow(event, self._shelves)

    def refresh(self) -> bool:
        """Lists anew what was listed before and is still asked for; returns whether there is anything.

        Raises:
            SlackError: Slack refused to list channels or users; the others were listed.
        """
        there, problems = False, []
        shelves: tuple[Shelf[Any], ...] = (self._shelves.channels, self._shelves.users)
        for shelf in shelves:
            try:
                there |= self._refresh(shelf)
            except SlackError as exc:
                problems.append(exc)
        if problems:
            raise problems[0]
        return there

    def _refresh(self, shelf: Shelf[E]) -> bool:
        if shelf.listing() is None:
            return False
        lister = self._lister(shelf)
        if not lister.begin():
            return True
        listing = lister.run(None)
        if listing is not None and listing.error:
            raise self._refusal(listing, shelf)
        return listing is not None

    def __repr__(self) -> str:
        return f"<Directory {self.key}>"

    def _find(self, shelf: Shelf[E], id_or_name: str, letters: str) -> E:
        sign = shelf.kind.sign
        wanted = (referred(id_or_name) or id_or_name) if isinstance(id_or_name, str) else ""
        if is_id(wanted, letters):
            return shelf.get(wanted, lambda: shelf.kind.fetch(self._web(), wanted))
        name = wanted.removeprefix(sign)
        if not folded(name):
            raise UsageError(f"{id_or_name!r} is none of the {shelf.kind.name}; takes an id or {sign}name")
        found = shelf.named(name) or self._listed(shelf, name)
        if found is None:
            raise UsageError(f"there is no {sign}{name} among the {shelf.kind.name} of {self.key}")
        return found

    def _listed(self, shelf: Shelf[E], name: str) -> E | None:
        """Looks for a name in a listing, by this process or another; None where that does not have it."""
        lister = self._lister(shelf)
        for _ in lister.looks(self._patience):
            listing, now = shelf.listing(), self._clock()
            if listing is not None and now < listing.until:
                return self._after(listing, shelf, name)
            if lister.begin():
                listing = lister.run(LIFE)
                self._store.set_turn(ROTA, self.key, REFRESH_INTERVAL)
                return self._after(listing, shelf, name)
            # Another process is listing, and writes each page as it comes.
            found = shelf.named(name)
            if found is not None:
                return found
        raise self._not_yet(shelf, self._patience)

    def _after(self, listing: Listing | None, shelf: Shelf[E], name: str) -> E | None:
        found = shelf.named(name)
        if found is None and listing is not None:
            if listing.error:
                raise self._refusal(listing, shelf)
            if listing.cursor:
                raise self._not_yet(shelf, listing.until - self._clock())
        return found

    def _refusal(self, listing: Listing, shelf: Shelf[E]) -> SlackError:
        wait = listing.until - self._clock()
        exc = to_exception(listing.error, wait, f"the {shelf.kind.name} of {self.key} can't be listed")
        if exc.fatal:
            exc.retry_after = None
        return exc

    def _not_yet(self, shelf: Shelf[E], wait: float) -> SlackError:
        detail = f"the {shelf.kind.name} of {self.key} are not all listed yet"
        return SlackError("not_listed_yet", retry_after=wait, detail=detail)

    def _lister(self, shelf: Shelf[E]) -> Lister[E]:
        return Lister(shelf, self._store, self._web, self._clock)


def forget(store: Store, key: str) -> None:
    """Drops the directory of a bot that is no more."""
    store.set_turn(ROTA, key, None)
    for kind in EVERY_KIND:
        store.drop_cache(cache_name(kind, key))
