"""The store in one process's memory: for tests, and for fleets of one process."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import islice

from ..clock import Clock, wall_clock
from ..model import Bot
from .memory_access import MemoryAccess
from .memory_base import SWEEP_EVERY
from .memory_caches import MemoryCaches
from .memory_holders import MemoryHolders
from .memory_records import MemoryRecords
from .memory_sending import MemorySending
from .memory_timers import MemoryTimers
from .memory_watches import MemoryWatches
from .rows import StatusRow
from .values import Changes, DoorEntry


class MemoryStore(
    MemoryAccess, MemoryHolders, MemorySending, MemoryCaches, MemoryRecords, MemoryWatches, MemoryTimers
):
    """Keeps everything in dictionaries, as JSON rows like the other stores.

    Args:
        shards: how many slices the bots are cut into.
        clock: decides when leases, holders and marks have expired.

    Attributes:
        teams, states: the door's maps by field, for tests to put entries into.
    """

    def __init__(self, shards: int, clock: Clock = wall_clock) -> None:
        super().__init__(shards, clock)
        self.teams: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self._bots: list[dict[bytes, bytes]] = [{} for _ in range(shards)]
        self._statuses: list[dict[bytes, bytes]] = [{} for _ in range(shards)]
        self._version = 0
        self._versions: dict[int, int] = {}
        self._keys: dict[str, str] = {}
        self._subscriptions: dict[bytes, bytes] = {}
        self._subscriptions_version = 0
        self._marks: dict[str, float] = {}
        self._cursors: Counter[str] = Counter()
        self._locks: dict[str, tuple[str, float]] = {}
        self._hits: dict[str, tuple[int, float]] = {}

    # Bots

    def _bot_row(self, key: str) -> bytes | None:
        with self._held():
            return self._bots[self.shard(key)].get(key.encode())

    def _bot_and_status_rows(self, key: str) -> tuple[bytes | None, bytes | None]:
        with self._held():
            return self._bot_row(key), self._status_row(key)

    def _bot_rows(self, shard: int) -> Mapping[bytes, bytes]:
        with self._held():
            return dict(self._bots[shard])

    def _swap_bot(
        self,
        key: str,
        row: bytes | None,
        before: Bot | None,
        after: Bot | None,
        commands: Sequence[bytes],
        entry: bytes,
    ) -> bool:
        shard = self.shard(key)
        with self._held():
            if self._bots[shard].get(key.encode()) != row:
                return False
            if before is not None and self._keys.get(before.fingerprint) == key:
                del self._keys[before.fingerprint]
            if after is None:
                del self._bots[shard][key.encode()]
                self._statuses[shard].pop(key.encode(), None)
            else:
                self._bots[shard][key.encode()] = self._row(after)
                self._keys[after.fingerprint] = key
            self._version += 1
            self._versions[shard] = self._version
            self._note_change(key, entry)
            self._queues.setdefault(shard, deque()).extend(commands)
            self._changed.notify_all()
            return True

    def key_of_token(self, fingerprint: str) -> str | None:
        with self._held():
            return self._keys.get(fingerprint)

    def counts(self, shards: Sequence[int] | None = None) -> list[int]:
        with self._held():
            return [len(self._bots[shard]) for shard in (range(self.shards) if shards is None else shards)]

    # Statuses

    def _status_row(self, key: str) -> bytes | None:
        with self._held():
            return self._statuses[self.shard(key)].get(key.encode())

    def _status_rows(self, shard: int) -> Mapping[bytes, bytes]:
        with self._held():
            return dict(self._statuses[shard])

    def _put_status_rows(self, rows: Mapping[int, Sequence[StatusRow]]) -> None:
        with self._held():
            for shard, shard_rows in rows.items():
                for key, row, entry in shard_rows:
                    if key.encode() in self._bots[shard]:
                        self._statuses[shard][key.encode()] = row
                        self._note_change(key, entry)

    def _swap_status(self, key: str, row: bytes, new: bytes | None, entry: bytes) -> bool:
        shard = self.shard(key)
        with self._held():
            if self._statuses[shard].get(key.encode()) != row:
                return False
            if new is None:
                del self._statuses[shard][key.encode()]
            else:
                self._statuses[shard][key.encode()] = new
                self._note_change(key, entry)
            return True

    def changes(self, since: int) -> Changes:
        with self._held():
            known = since if since <= self._version else -1
            newer = {shard: version for shard, version in self._versions.items() if version > known}
            return Changes(self._version, newer)

    # The door

    def door(self, limit: int) -> list[DoorEntry]:
        with self._held():
            tokens, states = (_pairs(entries, limit) for entries in (self.teams, self.states))
            return self._door_entries(tokens, states, limit)

    def take_from_door(self, entry: DoorEntry) -> bool:
        with self._held():
            entries = self.teams if entry.kind == "token" else self.states
            if entries.get(entry.field) != entry.value:
                return False
            del entries[entry.field]
            return True

    # Subscriptions

    def _put_subscription_row(self, group: str, row: bytes | None) -> None:
        with self._held():
            if self._subscriptions.get(group.encode()) == row:
                return
            if row is None:
                del self._subscriptions[group.encode()]
            else:
                self._subscriptions[group.encode()] = row
            self._subscriptions_version += 1

    def _subscription_rows(self) -> Mapping[bytes, bytes]:
        with self._held():
            return dict(self._subscriptions)

    def subscriptions_version(self) -> int:
        with self._held():
            return self._subscriptions_version

    def forget_subscriptions(self) -> None:
        """Loses what the handlers want; for tests."""
        with self._held():
            self._subscriptions, self._subscriptions_version = {}, 0

    # Small things

    def hold(self, lock: str, owner: str, ttl: float) -> bool:
        with self._held():
            holds, until = self._locks.get(lock, ("", 0.0))
            if holds != owner and until > self._clock():
                return False
            self._locks[lock] = (owner, self._clock() + ttl)
            return True

    def let_go(self, lock: str, owner: str) -> None:
        with self._held():
            if self._locks.get(lock, ("", 0.0))[0] == owner:
                del self._locks[lock]

    def once(self, mark: str, ttl: float) -> bool:
        with self._held():
            now = self._clock()
            if self._marks.get(mark, 0.0) > now:
                return False
            self._marks[mark] = now + ttl
            if len(self._marks) % SWEEP_EVERY == 0:
                self._marks = {mark: until for mark, until in self._marks.items() if until > now}
            return True

    def advance(self, cursor: str, step: int) -> int:
        with self._held():
            before = self._cursors[cursor]
            self._cursors[cursor] = before + step
            return before

    def positions(self, cursors: Sequence[str]) -> list[int]:
        with self._held():
            return [self._cursors[cursor] for cursor in cursors]

    def hits(self, name: str, window: float) -> int:
        with self._held():
            now = self._clock()
            count, until = self._hits.get(name, (0, 0.0))
            if until <= now:
                count, until = 0, now + window
            self._hits[name] = (count + 1, until)
            return count + 1

    def reserve(self, pace: str, rate: float) -> float:
        with self._held():
            now = self._clock()
            turn = max(now, self._paces.get(pace, 0.0))
            self._paces[pace] = turn + 1.0 / rate
            return turn - now


def _pairs(entries: Mapping[str, str], limit: int) -> list[tuple[bytes, bytes]]:
    return [(field.encode(), value.encode()) for field, value in islice(entries.items(), limit)]
