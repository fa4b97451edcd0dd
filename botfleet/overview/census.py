"""All bots with their statuses, as people page through them: read now and then, and kept in memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from sys import intern

import msgspec

from ..clock import Clock, MonotonicClock, monotonic_clock, wall_clock
from ..errors import StoreError
from ..fleet import describe
from ..model import STATES, Bot, Desired, State, Status, Transport
from ..store.base import Store
from .pages import Page, Query, in_order, page_of

logger = logging.getLogger(__name__)

#: Seconds for which a reading is shown at least.
_KEPT = 2.0
#: A reading is shown for so many times what it took, so that reading takes a tenth of the time at most.
_SPARED = 10.0
#: Seconds that a reader may wait for a new reading; one that takes longer is made beside.
_PATIENCE = 0.2


class Team(msgspec.Struct, frozen=True, kw_only=True):
    """A bot and its status, for people; never its token.

    Attributes:
        key: names the bot: the team's id, with the namespace before it where there is one.
        name: the team's.
        bot_name: the bot user's.
        desired: what people want of it; `status` is what is.
        since: when the status began, unix seconds.
        holder: who holds its socket; empty where nobody does.
        error: the last one, Slack's word or a short text; empty where all is well.
        retry_at: when it is tried again, unix seconds; 0 where it is not.
        added_at, updated_at: when its record was made and last changed, unix seconds.
    """

    key: str
    team_id: str
    namespace: str
    name: str
    bot_name: str
    transport: Transport
    desired: Desired
    status: State
    since: float
    holder: str
    error: str
    retry_at: float
    added_at: float
    updated_at: float


def team_of(bot: Bot, status: Status | None) -> Team:
    """A bot as people see it."""
    seen = describe(bot, status)
    return Team(
        key=bot.key,
        team_id=bot.team_id,
        namespace=intern(bot.namespace),
        name=bot.team_name,
        bot_name=intern(bot.bot_name),
        transport=bot.transport,
        desired=bot.desired,
        status=seen.status,
        since=seen.since,
        holder=intern(seen.holder),
        error=intern(seen.error),
        retry_at=seen.retry_at,
        added_at=bot.added_at,
        updated_at=bot.updated_at,
    )


class Snapshot:
    """All bots as they were at one time. Never changes.

    Attributes:
        at: when it was read, unix seconds.
        teams: by key.
        counts: how many bots there are in each state, in the order of `STATES`; also those with none.
    """

    def __init__(self, teams: Mapping[str, Team], at: float) -> None:
        self.at = at
        self.teams = teams
        self.counts: dict[State, int] = dict.fromkeys(STATES, 0)
        for team in teams.values():
            self.counts[team.status] += 1
        #: All bots by what they are sorted by, each made when it is first asked for.
        self._ordered: dict[str, list[Team]] = {}

    @property
    def total(self) -> int:
        """How many bots there are."""
        return len(self.teams)

    def page(self, query: Query) -> Page[Team]:
        """A page of the bots that are asked for.

        Raises:
            UsageError: the query's order or cursor is wrong.
        """
        sort = query.sort.removeprefix("-")
        if sort not in self._ordered:
            self._ordered[sort] = in_order(self.teams.values(), query.sort)
        return page_of(self._ordered[sort], query)

    def changed(self, key: str, team: Team | None) -> Snapshot:
        """The same with another bot of this key; None takes it out."""
        teams = {**self.teams, key: team} if team else {k: v for k, v in self.teams.items() if k != key}
        return Snapshot(teams, self.at)


class Census:
    """Reads the bots, not too often. Safe to use from several threads.

    A reading of few bots is made while its reader waits, one of many beside: the reader then gets the one
    before.

    Args:
        store: of the fleet.
        clock, monotonic: for when a reading was made, and how old it is.
        kept: seconds for which a reading is shown at least.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock = wall_clock,
        monotonic: MonotonicClock = monotonic_clock,
        kept: float = _KEPT,
    ) -> None:
        self._store = store
        self._clock = clock
        self._monotonic = monotonic
        self._kept = kept
        #: Held by whoever reads all bots.
        self._reading = threading.Lock()
        #: Guards what follows.
        self._lock = threading.Lock()
        self._latest: Snapshot | None = None
        self._fresh_until = 0.0
        self._took = 0.0
        #: The shards' bots, and the store's version that they were read at: few change from one reading to
        #: the next.
        self._bots: dict[int, Mapping[str, Bot]] = {}
        self._version = 0
        #: Keys that were changed by this process while a reading was under way.
        self._renewed: dict[str, Team | None] = {}

    def now(self) -> Snapshot:
        """The bots, as they were a few seconds ago at most; of very many bots, a minute.

        Raises:
            StoreError: the store is away.
        """
        with self._lock:
            latest, stale = self._latest, self._monotonic() >= self._fresh_until
            beside = latest is not None and self._took > _PATIENCE
        if latest is not None and not stale:
            return latest
        if beside:
            if self._reading.acquire(blocking=False):
                threading.Thread(target=self._read_beside, name="census", daemon=True).start()
            assert latest is not None, "it is what `beside` asks for"
            return latest
        with self._reading:
            # Whoever waited for the lock finds what the other has read.
            with self._lock:
                if self._latest is not None and self._monotonic() < self._fresh_until:
                    return self._latest
            return self._read()

    def team(self, key: str) -> Team | None:
        """One bot as it is now.

        Raises:
            StoreError: the store is away, or the bot's row can't be read.
        """
        bot, status = self._store.bot_and_status(key)
        return None if bot is None else team_of(bot, status)

    def renew(self, key: str) -> Team | None:
        """Reads one bot anew, which this process has changed, so that pages show it as it is now.

        Raises:
            StoreError: the store is away, or the bot's row can't be read.
        """
        team = self.team(key)
        with self._lock:
            self._renewed[key] = team
            if self._latest is not None:
                self._latest = self._latest.changed(key, team)
        return team

    def expire(self) -> None:
        """Has the bots read anew for whoever asks next: this process has changed many of them."""
        with self._lock:
            self._fresh_until = 0.0

    def _read_beside(self) -> None:
        try:
            self._read()
        except StoreError as exc:
            logger.warning("The bots can't be read: %s", exc, extra={"action": "overview.census"})
        finally:
            self._reading.release()

    def _read(self) -> Snapshot:
        with self._lock:
            self._renewed.clear()
        at, began = self._clock(), self._monotonic()
        snapshot = Snapshot({team.key: team for team in self._teams()}, at)
        took = self._monotonic() - began
        with self._lock:
            for key, team in self._renewed.items():
                snapshot = snapshot.changed(key, team)
            self._latest, self._took = snapshot, took
            self._fresh_until = self._monotonic() + max(self._kept, took * _SPARED)
            return snapshot

    def _teams(self) -> Iterable[Team]:
        self._read_bots()
        for shard, bots in self._bots.items():
            statuses = self._store.statuses(shard)
            for key, bot in bots.items():
                yield team_of(bot, statuses.get(key))

    def _read_bots(self) -> None:
        """Brings `_bots` up to date."""
        changes = self._store.changes(self._version)
        if not self._bots or changes.version < self._version:
            self._bots = {n: {} for n, count in enumerate(self._store.counts()) if count}
            shards: Iterable[int] = list(self._bots)
        else:
            shards = changes.shards
        for shard in shards:
            self._bots[shard] = self._store.bots(shard)
        self._version = changes.version
