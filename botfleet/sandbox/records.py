"""What happened, for tests and for the terminal: numbered, bounded, and awaitable."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]


class Log:
    """The last records, each with a growing ``seq``."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._records: list[Record] = []
        self._waiting: set[asyncio.Future[None]] = set()
        self.seq = 0

    def add(self, record: Record) -> int:
        """Keep a record and give its number."""
        self.seq += 1
        record["seq"] = self.seq
        self._records.append(record)
        if len(self._records) > 2 * self._size:
            del self._records[: -self._size]
        if self._waiting:
            self._wake()
        return self.seq

    def after(self, seq: int) -> Iterator[Record]:
        """Yield what came after `seq` and is still kept, oldest first."""
        first = self.seq - len(self._records)
        for index in range(max(0, seq - first), len(self._records)):
            yield self._records[index]

    async def changed(self, timeout: float) -> bool:
        """Wait for the next record. False when none came in time."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait_for(future, timeout)
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()
