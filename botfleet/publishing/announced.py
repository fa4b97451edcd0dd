"""Follows what handlers want, as they announce it in the store."""

from __future__ import annotations

from ..store.base import Store
from .router import Router, wanted_by


class Announced:
    """Reads what handlers want, where that has changed. For one thread.

    Args:
        store: where they announce it.

    Attributes:
        version: of the subscriptions that were read last; -1 before the first.
    """

    def __init__(self, store: Store) -> None:
        self.version = -1
        self._store = store
        self._emptied = False

    def look(self) -> Router | None:
        """A router for what they want; None where the last one still holds.

        Raises:
            StoreUnavailable: the last one holds.
        """
        version = self._store.subscriptions_version()
        if version == 0 and self.version > 0:
            # The store was emptied: until the handlers speak again, what they said last holds.
            self._emptied = True
            return None
        if version == self.version and not self._emptied:
            return None
        router = Router(wanted_by(self._store.subscriptions()))
        self.version, self._emptied = version, False
        return router
