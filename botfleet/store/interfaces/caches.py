"""What Slack said, for a time, and whose turn it is to be looked up anew."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from ..values import CachedRow


class Caches(ABC):
    """What Slack said, for a time, and whose turn it is to be looked up anew."""

    # Caches: what Slack said, for a time; may be lost without harm

    @abstractmethod
    def cached(self, cache: str, ids: Sequence[str], ttl: float | None) -> dict[str, bytes]:
        """Those of the ids that a cache knows, with their values.

        The cache lives `ttl` seconds from now on; with None, as long as it would have.
        """

    @abstractmethod
    def cached_as(self, cache: str, name: str, ttl: float) -> dict[str, bytes]:
        """What a cache knows by a name, by id; the cache lives `ttl` seconds from now on."""

    @abstractmethod
    def cached_ids(self, cache: str) -> set[str]:
        """All ids that a cache knows."""

    @abstractmethod
    def put_cached(self, cache: str, rows: Mapping[str, CachedRow | None], ttl: float | None) -> bool:
        """Writes rows by id; None removes one. Names that a row had before lead to it no more.

        Args:
            ttl: seconds for which the cache lives from now on. With None it lives as long as it would have,
                and nothing is written where it is not there.

        Returns:
            Whether anything was written.
        """

    @abstractmethod
    def drop_cache(self, cache: str) -> None:
        """Forgets a cache."""

    # Rotas: who is looked after when

    @abstractmethod
    def set_turn(self, rota: str, member: str, wait: float | None) -> None:
        """Gives a member of a rota its turn in `wait` seconds; with None it has none any more."""

    @abstractmethod
    def take_turns(self, rota: str, limit: int, wait: float) -> list[str]:
        """Takes up to `limit` members whose turn it is, the longest overdue first.

        Each has its next turn in `wait` seconds, so that no other process takes it too.
        """
