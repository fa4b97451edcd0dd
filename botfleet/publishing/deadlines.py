"""Deadlines of many short waits, for a fraction of what a timer of its own costs each of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

F = TypeVar("F", bound="asyncio.Future[Any]")


class Deadlines(Generic[F]):
    """Futures (or tasks) that all have equally long, so that one timer is enough. For coroutines of one loop.

    Args:
        seconds: that each has, from its beginning; up to a quarter more.
        expire: called in the loop with one that is not done in time.
    """

    def __init__(self, seconds: float, expire: Callable[[F], object]) -> None:
        self._seconds = seconds
        self._expire = expire
        self._loop: asyncio.AbstractEventLoop | None = None
        # With the time by which it is to be done, the oldest first.
        self._waits: deque[tuple[float, F]] = deque()

    def begin(self, loop: asyncio.AbstractEventLoop, future: F) -> None:
        """Gives a future its time.

        Args:
            loop: the running one. Where it is another than the last time, that one has ended.
            future: not done yet.
        """
        if loop is not self._loop:
            self._loop, self._waits = loop, deque()
            loop.call_later(self._seconds / 4, self._look, loop)
        waits = self._waits
        # So that no more are kept than there are between the oldest that is not done and the youngest.
        while waits and waits[0][1].done():
            waits.popleft()
        waits.append((loop.time() + self._seconds, future))

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            return
        waits, now = self._waits, loop.time()
        while waits and (waits[0][1].done() or waits[0][0] <= now):
            _, future = waits.popleft()
            if not future.done():
                self._expire(future)
        loop.call_later(self._seconds / 4, self._look, loop)
