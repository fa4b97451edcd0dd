"""Caches and rotas in Redis."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from .redis_base import RedisBase, milliseconds, pairs, parts
from .values import CachedRow

#: Rows of a cache per script call, so that one call takes less than a millisecond.
_CACHED_PER_CALL = 200


class RedisCaches(RedisBase):
    """What Slack said, for a time, and when who is looked after."""

    def cached(self, cache: str, ids: Sequence[str], ttl: float | None) -> dict[str, bytes]:
        key = self._own("cache", cache)
        life = [] if ttl is None else [("PEXPIRE", key, milliseconds(ttl))]
        calls = list(parts(ids, _CACHED_PER_CALL))
        found = self._together([*(("HMGET", key, *part) for part in calls), *life], again=True)
        values = itertools.chain.from_iterable(found[: len(calls)])
        return {id_: _row_of(value) for id_, value in zip(ids, values, strict=True) if value is not None}

    def cached_as(self, cache: str, name: str, ttl: float) -> dict[str, bytes]:
        args = [milliseconds(ttl), name]
        found = self._script("cache_find", [self._own("cache", cache)], args, again=True)
        return {id_.decode(): _row_of(value) for id_, value in pairs(found)}

    def cached_ids(self, cache: str) -> set[str]:
        fields = self._do("HKEYS", self._own("cache", cache), again=True)
        return {field.decode() for field in fields if not field.startswith(b"=")}

    def put_cached(self, cache: str, rows: Mapping[str, CachedRow | None], ttl: float | None) -> bool:
        life = 0 if ttl is None else milliseconds(ttl)
        triples = [
            (id_, "\n".join(row.names), row.value) if row else (id_, "", b"") for id_, row in rows.items()
        ]
        written = [
            self._script(
                "cache_put", [self._own("cache", cache)], [life, *itertools.chain(*part)], again=True
            )
            for part in parts(triples, _CACHED_PER_CALL)
        ]
        return any(written)

    def drop_cache(self, cache: str) -> None:
        self._do("UNLINK", self._own("cache", cache), again=True)

    # Rotas

    def set_turn(self, rota: str, member: str, wait: float | None) -> None:
        args = [member, "" if wait is None else milliseconds(wait)]
        self._script("set_turn", [self._own("rota", rota)], args, again=True)

    def take_turns(self, rota: str, limit: int, wait: float) -> list[str]:
        # Not again: those that were taken would be passed over until their next turn.
        args = [limit, milliseconds(wait)]
        found = self._script("take_turns", [self._own("rota", rota)], args, again=False)
        return [member.decode() for member in found]


def _row_of(value: bytes) -> bytes:
    """A cache's row without its names."""
    return value.partition(b"\0")[2]
