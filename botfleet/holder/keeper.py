"""The keeper: a holder's place in the fleet."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from ..errors import StoreUnavailable
from ..settings import Settings
from ..store.base import Store
from .courier import Courier
from .ownership import Ownership
from .registry import Registry

if TYPE_CHECKING:
    from .holder import Holder

logger = logging.getLogger(__name__)


class Keeper:
    """Keeps leases and heartbeat, and sees what changed in the registry and in the subscriptions."""

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
        self._interval = min(settings.lease_ttl / 3, settings.check_interval, 1.0)
        self._ownership = ownership
        self._registry = registry
        self._courier = courier
        self._closing = threading.Event()
        self._owned: frozenset[int] = frozenset()
        # Versions of the owned shards as they were when last loaded.
        self._versions: dict[int, int] = {}
        #: The version of the subscriptions that events are published by; -1 before the first.
        self.subscriptions = -1
        self._store_away = False

    def run(self) -> None:
        """Works until `close`; the body of the keeper's thread."""
        while not self._closing.is_set():
            try:
                self.tick()
                self._store_away = False
            except StoreUnavailable as exc:
                self._say_away(exc)
            self._closing.wait(self._interval)

    def tick(self) -> None:
        """One round."""
        self._watch_subscriptions()
        self._change_shards(self._ownership.tick())
        # Before the first bot is connected: reconciliation takes an unknown holder for a dead one.
        self._store.announce(self._holder.info(), self._lease_ttl)
        self._watch_registry()
        self._courier.shards = sorted(self._owned)

    def close(self) -> None:
        """Ends `run`."""
        self._closing.set()

    def _watch_subscriptions(self) -> None:
        version = self._store.subscriptions_version()
        if version != self.subscriptions:
            self._holder.route()
            self.subscriptions = version

    def _change_shards(self, owned: frozenset[int]) -> None:
        if owned == self._owned:
            return
        logger.info(
            "Owns %s of %s shards now", len(owned), self._store.shards, extra={"action": "shards.changed"}
        )
        for shard in self._owned - owned:
            self._registry.unload(shard)
            self._versions.pop(shard, None)
        self._owned = owned

    def _watch_registry(self) -> None:
        versions = self._store.versions()
        for shard in sorted(self._owned):
            version = versions.get(shard, 0)
            if self._versions.get(shard) != version:
                self._registry.load(shard)
                self._versions[shard] = version

    def _say_away(self, exc: StoreUnavailable) -> None:
        if not self._store_away:
            logger.error("The store is away, sockets stay open: %s", exc, extra={"action": "store.away"})
        self._store_away = True
