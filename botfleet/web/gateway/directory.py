"""Which bots there are: what the store said lately, so that not each event asks it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from ...clock import MonotonicClock, monotonic_clock
from ...errors import StoreUnavailable
from ...model import Bot
from ...slack.envelope import Origin
from ...store.base import Store
from ..blocking import Run

#: Seconds for which an answer holds where no change is seen.
_KNOWN_FOR = 60.0
_UNKNOWN_FOR = 10.0
#: Seconds that one waits for the store: Slack waits for three.
_PATIENCE = 2.0
#: Answers that are kept, of each kind; the oldest go first.
_MOST = 10_000


class Known(NamedTuple):
    """A bot, and what its events begin with."""

    bot: Bot
    origin: Origin


class Entry(NamedTuple):
    """What the store said of a key.

    Attributes:
        known: None where there is no such bot.
        until: monotonic seconds.
    """

    known: Known | None
    until: float


class Directory:
    """Finds bots by their keys. `find` is for coroutines, `look` for a thread beside them.

    Args:
        store: the registry.
        run: does what blocks.
        clock: for how long answers hold.
        patience: seconds that one waits for the store.
    """

    def __init__(
        self,
        store: Store,
        run: Run,
        clock: MonotonicClock = monotonic_clock,
        patience: float = _PATIENCE,
    ) -> None:
        self._store = store
        self._run = run
        self._clock = clock
        self._patience = patience
        self._known: dict[str, Entry] = {}
        self._unknown: dict[str, Entry] = {}
        # Who asks for the same key meanwhile waits for the same answer.
        self._asking: dict[str, asyncio.Task[Entry]] = {}
        # The registry's version that the answers are in line with.
        self._version = 0
        # Grows with each change that was seen: an answer from before it is not kept.
        self._seen = 0
        # Guards these two and what is thrown away by them; held for no longer than a walk over the answers.
        self._lock = threading.Lock()

    def recall(self, keys: Sequence[str]) -> Known | None:
        """The first of these bots, if that was said lately; None also where it was not."""
        entry = self._known.get(keys[0]) if keys else None
        return entry.known if entry is not None and entry.until > self._clock() else None

    async def find(self, keys: Sequence[str]) -> Known | None:
        """The first of these bots that there is.

        Raises:
            StoreError: it is not known, and the store is away.
        """
        for key in keys:
            entry = self._known.get(key) or self._unknown.get(key)
            if entry is None or entry.until <= self._clock():
                entry = await self._ask(key)
            if entry.known is not None:
                return entry.known
        return None

    def look(self) -> None:
        """Forgets what has changed in the registry; to be called again and again by one thread.

        Raises:
            StoreUnavailable: what was known holds for as long as it would.
        """
        changes = self._store.changes(self._version)
        with self._lock:
            emptied = changes.version < self._version
            self._version = changes.version
            if emptied or changes.shards:
                self._seen += 1
                for entries in (self._known, self._unknown):
                    for key in list(entries):
                        if emptied or self._store.shard(key) in changes.shards:
                            entries.pop(key, None)

    async def _ask(self, key: str) -> Entry:
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.ensure_future(self._load(key))
            task.add_done_callback(lambda done: self._asked(key, done))
        # One that gives up does not take the answer from the others.
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._patience)
        except TimeoutError:
            raise StoreUnavailable(f"the store does not answer within {self._patience:g} s") from None

    def _asked(self, key: str, done: asyncio.Task[Entry]) -> None:
        del self._asking[key]
        if not done.cancelled():
            done.exception()  # Perhaps nobody waits any more whom it would reach.

    async def _load(self, key: str) -> Entry:
        seen = self._seen
        entry = await self._run(lambda: self._read(key))
        with self._lock:
            self._known.pop(key, None)
            self._unknown.pop(key, None)
            if seen == self._seen:
                entries = self._unknown if entry.known is None else self._known
                entries[key] = entry
                if len(entries) > _MOST:
                    del entries[next(iter(entries))]
        return entry

    def _read(self, key: str) -> Entry:
        bot = self._store.bot(key)
        if bot is None:
            return Entry(None, self._clock() + _UNKNOWN_FOR)
        # What comes here came by HTTP: also what people do with a bot that hears its events over a socket.
        origin = Origin.of(msgspec.structs.replace(bot, transport="http"))
        return Entry(Known(bot, origin), self._clock() + _KNOWN_FOR)
