"""Who may use the web role, in memory: keys, and notes that expire."""

from __future__ import annotations

from collections.abc import Mapping

from ..clock import Clock, wall_clock
from ..model import AccessKey
from .memory_base import Expiring, MemoryBase


class MemoryAccess(MemoryBase):
    """Access keys and notes."""

    def __init__(self, shards: int, clock: Clock = wall_clock) -> None:
        super().__init__(shards, clock)
        self._notes = Expiring[bytes](clock)
        self._keyring: dict[bytes, bytes] = {}

    # Notes

    def put_note(self, name: str, value: bytes, ttl: float) -> None:
        with self._held():
            self._notes.put(name, value, ttl)

    def read_note(self, name: str) -> bytes | None:
        with self._held():
            return self._notes.get(name)

    def take_note(self, name: str) -> bytes | None:
        with self._held():
            found = self._notes.get(name)
            self._notes.drop(name)
            return found

    def drop_note(self, name: str) -> None:
        with self._held():
            self._notes.drop(name)

    # Keys

    def _access_key_rows(self) -> Mapping[bytes, bytes]:
        with self._held():
            return dict(self._keyring)

    def _access_key_row(self, key_id: str) -> bytes | None:
        with self._held():
            return self._keyring.get(key_id.encode())

    def put_access_key(self, key: AccessKey) -> None:
        with self._held():
            self._keyring[key.id.encode()] = self._row(key)

    def remove_access_key(self, key_id: str) -> bool:
        with self._held():
            return self._keyring.pop(key_id.encode(), None) is not None
