"""What blocks is done in threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Run(Protocol):
    """Does in a thread what blocks: `WebContext.run`."""

    def __call__(self, do: Callable[[], T], /) -> Awaitable[T]:
        """Does it; what it raises goes to whoever waits."""
