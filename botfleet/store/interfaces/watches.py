"""Those who watch events come in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from ...model import Shown, Watch


class Viewer(ABC):
    """What one who watches is shown, from when it was made on; a context that ends it."""

    @abstractmethod
    def next(self, timeout: float) -> Shown | None:
        """Waits up to `timeout` seconds for what some holder shows next; None where there was nothing.

        Raises:
            StoreUnavailable: what was shown meanwhile is missed; it may be tried again.
        """

    @abstractmethod
    def close(self) -> None:
        """Ends it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Watches(ABC):
    """Those who watch events come in."""

    @abstractmethod
    def watch(self, watch: Watch, ttl: float) -> None:
        """Says for `ttl` seconds that somebody watches events come in."""

    @abstractmethod
    def watches(self, limit: int = 20) -> list[Watch]:
        """Up to so many of those who watch now."""

    @abstractmethod
    def show(self, watch_id: str, shown: Shown) -> None:
        """Shows something to one who watches; nobody keeps it for those who do not look just now."""

    @abstractmethod
    def viewer(self, watch_id: str) -> Viewer:
        """The place of one who watches; to be made before `watch` tells of it."""
