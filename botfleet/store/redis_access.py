"""Who may use the web role, in Redis: keys, and notes that expire."""

from __future__ import annotations

from ..model import AccessKey
from .redis_base import RedisBase, milliseconds


class RedisAccess(RedisBase):
    """Access keys and notes."""

    # Notes

    def put_note(self, name: str, value: bytes, ttl: float) -> None:
        self._do("SET", self._own("note", name), value, "PX", milliseconds(ttl), again=True)

    def read_note(self, name: str) -> bytes | None:
        found: bytes | None = self._do("GET", self._own("note", name), again=True)
        return found

    def take_note(self, name: str) -> bytes | None:
        # Not again: the first try may have taken it.
        found: bytes | None = self._do("GETDEL", self._own("note", name), again=False)
        return found

    def drop_note(self, name: str) -> None:
        self._do("DEL", self._own("note", name), again=True)

    # Keys

    def _access_key_rows(self) -> dict[bytes, bytes]:
        rows: dict[bytes, bytes] = self._do("HGETALL", self._own("keys"), again=True)
        return rows

    def _access_key_row(self, key_id: str) -> bytes | None:
        row: bytes | None = self._do("HGET", self._own("keys"), key_id, again=True)
        return row

    def put_access_key(self, key: AccessKey) -> None:
        self._do("HSET", self._own("keys"), key.id, self._row(key), again=True)

    def remove_access_key(self, key_id: str) -> bool:
        return bool(self._do("HDEL", self._own("keys"), key_id, again=False))
