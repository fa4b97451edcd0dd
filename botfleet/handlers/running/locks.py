"""A lock over all processes that its holder's death frees."""

from __future__ import annotations

import logging
import threading
import uuid

from ...errors import StoreError
from ...store.base import Store

logger = logging.getLogger(__name__)


class Lock:
    """A lock in the store, renewed by a thread for as long as it is held.

    Args:
        store: keeps it.
        name: what is locked.
        ttl: seconds after which it is free when its holder died, or can't reach the store.
    """

    def __init__(self, store: Store, name: str, ttl: float) -> None:
        self._store = store
        self._name = name
        self._ttl = ttl
        self._owner = uuid.uuid4().hex
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"botfleet-lock-{name}", daemon=True)

    def acquire(self) -> bool:
        """Takes the lock, if it is free.

        Raises:
            StoreUnavailable: nobody knows; the lock expires if it was taken.
        """
        if not self._store.hold(self._name, self._owner, self._ttl):
            return False
        self._thread.start()
        return True

    def release(self) -> None:
        """Gives the lock back."""
        self._released.set()
        self._thread.join()
        try:
            self._store.let_go(self._name, self._owner)
        except StoreError as exc:
            logger.warning("the lock %s is free in %g s only: %s", self._name, self._ttl, exc)

    def _renew(self) -> None:
        while not self._released.wait(self._ttl / 3):
            try:
                self._store.hold(self._name, self._owner, self._ttl)
            except StoreError as exc:
                logger.warning("the lock %s is not renewed: %s", self._name, exc)
