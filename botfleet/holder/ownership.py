"""Which shards a holder owns.

`SoleOwner` is the ownership of a small fleet: whoever has the one lease owns every shard, and any further
holder stands by until the lease is free. Sharing shards between holders is another `Ownership`.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod

from ..store.base import Store

_LEASE = "holder"


class Ownership(ABC):
    """Says which shards are this holder's; driven by the keeper's thread."""

    @property
    @abstractmethod
    def shards(self) -> frozenset[int]:
        """The shards that are owned now."""

    @abstractmethod
    def tick(self) -> frozenset[int]:
        """Takes, prolongs or loses leases; returns the shards that are owned now.

        Raises:
            StoreUnavailable: nothing is known; what was owned stays so until somebody else takes it.
        """

    @abstractmethod
    def release(self) -> None:
        """Gives everything back, at the end."""


class SoleOwner(Ownership):
    """Owns all shards or none.

    Args:
        store: where the lease is.
        name: the holder's name.
        ttl: seconds for which a lease is good without being prolonged.
    """

    def __init__(self, store: Store, name: str, ttl: float) -> None:
        self._store = store
        # A holder that was killed and started again has the same name and yet is another owner.
        self._owner = f"{name}/{uuid.uuid4().hex[:12]}"
        self._ttl = ttl
        self._epoch: int | None = None

    @property
    def shards(self) -> frozenset[int]:
        return frozenset(range(self._store.shards)) if self._epoch is not None else frozenset()

    def tick(self) -> frozenset[int]:
        epoch = self._epoch
        if epoch is None or not self._store.renew(_LEASE, self._owner, epoch, self._ttl):
            self._epoch = self._store.acquire(_LEASE, self._owner, self._ttl)
        return self.shards

    def release(self) -> None:
        if self._epoch is not None:
            self._store.release(_LEASE, self._owner, self._epoch)
            self._epoch = None
