"""What is kept for a time under a name that its owner alone knows: sessions, and what is used once."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Notes(ABC):
    """What is kept for a time under a name that its owner alone knows: sessions, and what is used once."""

    @abstractmethod
    def put_note(self, name: str, value: bytes, ttl: float) -> None:
        """Keeps a value for `ttl` seconds, in place of what was there."""

    @abstractmethod
    def read_note(self, name: str) -> bytes | None:
        """What is kept under a name; None where there is nothing (any more)."""

    @abstractmethod
    def take_note(self, name: str) -> bytes | None:
        """Gives what is kept under a name, and forgets it: of several callers one gets it.

        After `StoreUnavailable` it may be gone.
        """

    @abstractmethod
    def drop_note(self, name: str) -> None:
        """Forgets what is kept under a name."""
