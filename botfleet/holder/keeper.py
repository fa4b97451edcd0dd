"""The keeper: a holder's place in the fleet."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..model import Member
from ..publishing.announced import Announced
from ..settings import Settings
from ..store.base import Store
from .courier import Courier
from .ownership import Holdings, Ownership
from .registry import Registry

if TYPE_CHECKING:
    from .holder import Holder

logger = logging.getLogger(__name__)

#: Seconds between two rounds at the most, and while shards change hands.
_ROUND = 1.0
_QUICK_ROUND = 0.2
#: Shards read from the registry in one round, so that none takes longer than a holder lives without a beat.
_SHARDS_A_ROUND = 500
#: Seconds for which a shard's sockets stay open when others hold it: what they have yet to read is read.
_LINGER = 1.0


def interval_of(settings: Settings) -> float:
    """Seconds between two of a holder's rounds."""
    return min(settings.lease_ttl / 5, settings.check_interval, _ROUND)


def life_of(settings: Settings) -> float:
    """Seconds for which a holder is alive without a beat.

    So much less than `lease_ttl` that by then the others have found out and taken its shards.
    """
    return settings.lease_ttl - 1.5 * interval_of(settings)


class Keeper:
    """Keeps leases and heartbeat, and sees what changed in the registry, and who wants or watches what."""

    def __init__(
        self,
        holder: Holder,
        store: Store,
        settings: Settings,
        ownership: Ownership,
        registry: Registry,
        courier: Courier,
    ) -> None:
        self._holder = holder
        self._store = store
        self._lease_ttl = settings.lease_ttl
        self._interval = interval_of(settings)
        self._ownership = ownership
        self._registry = registry
        self._courier = courier
        self._closing = threading.Event()
        self._wake = threading.Event()
        #: Set when this holder has nothing (more) that it could give to others.
        self.relieved = threading.Event()
        self._holdings = Holdings()
        # The shards that are loaded, and since when others hold those of them that are to go.
        self._loaded: set[int] = set()
        self._going: dict[int, float] = {}
        # Shards that are to be read from the registry.
        self._stale: set[int] = set()
        self._doubts = 0
        self._rival: Member | None = None
        #: The registry's version that the loaded shards are in line with.
        self._version = 0
        #: The others, and people, know of this holder.
        self.announced = False
        self._wanted = Announced(self._store)
        self._store_away = False

    def run(self) -> None:
        """Works until `close`; the body of the keeper's thread."""
        while not self._closing.is_set():
            try:
                self.tick()
                self._store_away = False
            except StoreError as exc:
                self._say_away(exc)
            moving = self._ownership.leaving or self._ownership.is_moving
            self._wake.wait(min(_QUICK_ROUND, self._interval) if moving else self._interval)
            self._wake.clear()

    def tick(self) -> None:
        """One round."""
        self._watch_subscriptions()
        self._holder.tap.look(self._store.watches())
        before = self._holdings.led
        holdings = self._ownership.tick(self._registry.ready, self._registry.sizes())
        self._say_change(holdings)
        self._holdings = holdings
        # Before the first bot is connected: reconciliation takes an unknown holder for a dead one.
        self._store.announce(self._holder.info(), self._lease_ttl)
        self.announced = True
        self._speak_for(before)
        self._watch_registry()
        self._let_go()
        self._courier.shards = sorted(self._holdings.led & self._loaded)
        if self._ownership.leaving and (self._ownership.is_alone or not self._loaded):
            self.relieved.set()

    @property
    def routed(self) -> int:
        """The version of the subscriptions that events are published by; -1 before the first."""
        return self._wanted.version

    def leave(self) -> None:
        """Has this holder give everything to others; `relieved` tells when that is done, or can't be."""
        self._ownership.leaving = True
        self._wake.set()

    def close(self) -> None:
        """Ends `run`."""
        self._closing.set()
        self._wake.set()

    def _watch_subscriptions(self) -> None:
        router = self._wanted.look()
        if router is not None:
            self._holder.route(router)

    def _say_change(self, holdings: Holdings) -> None:
        rival, before = self._ownership.rival, self._rival
        self._rival = rival
        if rival is not None and (before is None or before.owner != rival.owner):
            logger.error(
                "An older holder is called %s as well (on %s): this one takes no bots; give it a name of its "
                "own: -n NAME@%%h",
                rival.name,
                rival.host,
                extra={"action": "holder.rival"},
            )
        if holdings != self._holdings:
            logger.info(
                "Holds %s of %s shards now, leads %s",
                len(holdings.held),
                self._store.shards,
                len(holdings.led),
                extra={"action": "shards.changed"},
            )

    def _speak_for(self, before: frozenset[int]) -> None:
        """Says how bots are that others spoke for until now, or perhaps did meanwhile."""
        doubts, self._doubts = self._doubts, self._ownership.doubts
        led = self._holdings.led if doubts != self._doubts else self._holdings.led - before
        if known := led & self._loaded:
            self._registry.report_again(known)

    def _watch_registry(self) -> None:
        changes = self._store.changes(self._version)
        # A lower version than was seen: the store was emptied, and anything may have changed.
        self._stale |= self._loaded if changes.version < self._version else changes.shards.keys()
        self._version = changes.version
        self._stale |= self._holdings.held - self._loaded
        self._stale &= self._loaded | self._holdings.held
        for shard in sorted(self._stale)[:_SHARDS_A_ROUND]:
            self._registry.load(shard)
            self._loaded.add(shard)
            self._stale.discard(shard)
        if self._stale:
            self._wake.set()  # The next round, with its beat, comes at once.

    def _let_go(self) -> None:
        now = time.monotonic()
        gone = self._loaded - self._holdings.held
        self._going = {shard: self._going.get(shard, now) for shard in gone}
        for shard, since in list(self._going.items()):
            if now - since >= _LINGER:
                self._registry.unload(shard)
                self._loaded.discard(shard)
                del self._going[shard]

    def _say_away(self, exc: StoreError) -> None:
        self._ownership.doubt()
        if not self._store_away:
            logger.error("The store is away, sockets stay open: %s", exc, extra={"action": "store.away"})
        self._store_away = True
        if self._ownership.leaving and not self._ownership.is_valid:
            self.relieved.set()
