"""The store in one process's memory: for tests, and for fleets of one process."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from ..clock import Clock, wall_clock
from ..errors import StoreUnavailable
from ..model import Bot, Command, HolderInfo
from .base import DoorEntry
from .rows import RowStore

#: Expired marks are swept away each time so many new ones were set.
_SWEEP_EVERY = 1000


class _Lease(NamedTuple):
    owner: str
    epoch: int
    until: float


class MemoryStore(RowStore):
    """Keeps everything in dictionaries, as JSON rows like the other stores.

    Args:
        shards: how many slices the bots are cut into.
        clock: decides when leases, holders and marks have expired.

    Attributes:
        down: while true, every call raises `StoreUnavailable`; for tests.
        teams, states: the door's maps by field, for tests to put entries into.
    """

    def __init__(self, shards: int, clock: Clock = wall_clock) -> None:
        super().__init__(shards)
        self.down = False
        self.teams: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self._clock = clock
        #: Guards everything below; also told when a shard's queue grows, or at close.
        self._changed = threading.Condition(threading.RLock())
        self._closed = False
        self._bots: list[dict[bytes, bytes]] = [{} for _ in range(shards)]
        self._statuses: list[dict[bytes, bytes]] = [{} for _ in range(shards)]
        self._versions: Counter[int] = Counter()
        self._keys: dict[str, str] = {}
        self._subscriptions: dict[bytes, bytes] = {}
        self._subscriptions_version = 0
        self._queues: dict[int, deque[bytes]] = {}
        self._leases: dict[str, _Lease] = {}
        self._epochs: Counter[str] = Counter()
        self._holders: dict[str, tuple[bytes, float]] = {}
        self._marks: dict[str, float] = {}
        self._cursors: Counter[str] = Counter()

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._changed:
            if self.down:
                raise StoreUnavailable("the store in memory was told to be down")
            yield

    def ping(self) -> None:
        with self._held():
            pass

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # Bots

    def _bot_row(self, key: str) -> bytes | None:
        with self._held():
            return self._bots[self.shard(key)].get(key.encode())

    def _bot_rows(self, shard: int) -> Mapping[bytes, bytes]:
        with self._held():
            return dict(self._bots[shard])

    def _swap_bot(self, key: str, row: bytes | None, before: Bot | None, after: Bot | None) -> bool:
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
            self._versions[shard] += 1
            return True

    def key_of_token(self, fingerprint: str) -> str | None:
        with self._held():
            return self._keys.get(fingerprint)

    def counts(self) -> list[int]:
        with self._held():
            return [len(rows) for rows in self._bots]

    # Statuses

    def _status_row(self, key: str) -> bytes | None:
        with self._held():
            return self._statuses[self.shard(key)].get(key.encode())

    def _status_rows(self, shard: int) -> Mapping[bytes, bytes]:
        with self._held():
            return dict(self._statuses[shard])

    def _put_status_rows(self, rows: Mapping[int, Sequence[tuple[str, bytes]]]) -> None:
        with self._held():
            for shard, shard_rows in rows.items():
                for key, row in shard_rows:
                    if key.encode() in self._bots[shard]:
                        self._statuses[shard][key.encode()] = row

    def _swap_status(self, key: str, row: bytes, new: bytes | None) -> bool:
        shard = self.shard(key)
        with self._held():
            if self._statuses[shard].get(key.encode()) != row:
                return False
            if new is None:
                del self._statuses[shard][key.encode()]
            else:
                self._statuses[shard][key.encode()] = new
            return True

    def versions(self) -> dict[int, int]:
        with self._held():
            return dict(self._versions)

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

    # Shard queues

    def send(self, commands: Sequence[Command]) -> None:
        with self._held():
            for shard, rows in self._command_rows(commands).items():
                self._queues.setdefault(shard, deque()).extend(rows)
            self._changed.notify_all()

    def receive(self, shards: Sequence[int], timeout: float, limit: int = 1000) -> list[Command]:
        with self._held():
            self._changed.wait_for(lambda: self._closed or any(map(self._queues.get, shards)), timeout)
            rows: list[bytes] = []
            for queue in filter(None, map(self._queues.get, shards)):
                rows.extend(queue.popleft() for _ in range(min(len(queue), limit - len(rows))))
            return self._read_commands(rows)

    # Leases and holders

    def acquire(self, lease: str, owner: str, ttl: float) -> int | None:
        with self._held():
            held = self._live_lease(lease)
            if held is not None and held.owner != owner:
                return None
            if held is None:
                self._epochs[lease] += 1
            epoch = self._epochs[lease]
            self._leases[lease] = _Lease(owner, epoch, self._clock() + ttl)
            return epoch

    def renew(self, lease: str, owner: str, epoch: int, ttl: float) -> bool:
        with self._held():
            held = self._live_lease(lease)
            if held is None or (held.owner, held.epoch) != (owner, epoch):
                return False
            self._leases[lease] = held._replace(until=self._clock() + ttl)
            return True

    def release(self, lease: str, owner: str, epoch: int) -> None:
        with self._held():
            held = self._live_lease(lease)
            if held is not None and (held.owner, held.epoch) == (owner, epoch):
                del self._leases[lease]

    def _live_lease(self, name: str) -> _Lease | None:
        held = self._leases.get(name)
        return held if held is not None and held.until > self._clock() else None

    def announce(self, holder: HolderInfo, ttl: float) -> None:
        with self._held():
            self._holders[holder.name] = (self._row(holder), self._clock() + ttl)

    def withdraw(self, name: str) -> None:
        with self._held():
            self._holders.pop(name, None)

    def holders(self) -> list[HolderInfo]:
        with self._held():
            now = self._clock()
            self._holders = {name: held for name, held in self._holders.items() if held[1] > now}
            return self._read_holders(row for row, _ in self._holders.values())

    # Small things

    def once(self, mark: str, ttl: float) -> bool:
        with self._held():
            now = self._clock()
            if self._marks.get(mark, 0.0) > now:
                return False
            self._marks[mark] = now + ttl
            if len(self._marks) % _SWEEP_EVERY == 0:
                self._marks = {mark: until for mark, until in self._marks.items() if until > now}
            return True

    def advance(self, cursor: str, step: int) -> int:
        with self._held():
            before = self._cursors[cursor]
            self._cursors[cursor] = before + step
            return before


def _pairs(entries: Mapping[str, str], limit: int) -> list[tuple[bytes, bytes]]:
    return [(field.encode(), value.encode()) for field, value in islice(entries.items(), limit)]
