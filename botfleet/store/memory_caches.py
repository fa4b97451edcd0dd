"""Caches and rotas, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..clock import Clock, wall_clock
from .memory_base import MemoryBase
from .values import CachedRow


class MemoryCaches(MemoryBase):
    """What is known of ids for a while, and whose turn it is."""

    def __init__(self, shards: int, clock: Clock = wall_clock) -> None:
        super().__init__(shards, clock)
        self._caches: dict[str, tuple[dict[str, CachedRow], float]] = {}
        self._rotas: dict[str, dict[str, float]] = {}

    def cached(self, cache: str, ids: Sequence[str], ttl: float | None) -> dict[str, bytes]:
        with self._held():
            rows = self._cache(cache, ttl)
            return {id_: rows[id_].value for id_ in ids if id_ in rows}

    def cached_as(self, cache: str, name: str, ttl: float) -> dict[str, bytes]:
        with self._held():
            return {id_: row.value for id_, row in self._cache(cache, ttl).items() if name in row.names}

    def cached_ids(self, cache: str) -> set[str]:
        with self._held():
            return set(self._cache(cache, None))

    def put_cached(self, cache: str, rows: Mapping[str, CachedRow | None], ttl: float | None) -> bool:
        with self._held():
            known = self._cache(cache, ttl)
            if not rows or (ttl is None and not known):
                return False
            until = self._clock() + ttl if ttl is not None else self._caches[cache][1]
            changed = {id_: row for id_, row in {**known, **rows}.items() if row is not None}
            self._caches[cache] = (changed, until)
            return True

    def drop_cache(self, cache: str) -> None:
        with self._held():
            self._caches.pop(cache, None)

    def _cache(self, cache: str, ttl: float | None) -> dict[str, CachedRow]:
        """The rows of a cache, whose life begins anew with a `ttl`; none where it has expired."""
        now = self._clock()
        self._caches = {name: held for name, held in self._caches.items() if held[1] > now}
        if cache not in self._caches:
            return {}
        rows, until = self._caches[cache]
        self._caches[cache] = (rows, until if ttl is None else now + ttl)
        return rows

    # Rotas

    def set_turn(self, rota: str, member: str, wait: float | None) -> None:
        with self._held():
            turns = self._rotas.setdefault(rota, {})
            if wait is None:
                turns.pop(member, None)
            else:
                turns[member] = self._clock() + wait

    def take_turns(self, rota: str, limit: int, wait: float) -> list[str]:
        with self._held():
            turns, now = self._rotas.get(rota, {}), self._clock()
            due = sorted((turn, member) for member, turn in turns.items() if turn <= now)
            taken = [member for _, member in due[:limit]]
            turns.update(dict.fromkeys(taken, now + wait))
            return taken
