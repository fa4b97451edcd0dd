"""The keys that people and programs use the web role with."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ...model import AccessKey


class Keyring(ABC):
    """The keys that people and programs use the web role with."""

    @abstractmethod
    def access_keys(self) -> list[AccessKey]:
        """All keys, the oldest first. Rows that can't be read are left out and logged."""

    @abstractmethod
    def access_key(self, key_id: str) -> AccessKey | None:
        """One key; None where there is none."""

    @abstractmethod
    def put_access_key(self, key: AccessKey) -> None:
        """Keeps a key, in place of the one with its id."""

    @abstractmethod
    def remove_access_key(self, key_id: str) -> bool:
        """Forgets a key; returns whether there was one."""
