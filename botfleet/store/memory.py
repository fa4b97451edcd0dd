"""The store in one process's memory: for tests, and for fleets of one process."""

from __future__ import annotations

import queue
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Generic, TypeVar

from ..clock import Clock, wall_clock
from ..errors import StoreError, StoreUnavailable
from ..model import AccessKey, Answer, Bot, Command, HolderInfo, Member, Shown, Watch
from .interfaces.watches import Viewer
from .rows import RowStore
from .values import UNPACED, Admission, Beat, CachedRow, Changes, DoorEntry, Handover, Lease, Pacing, Seat

T = TypeVar("T")

#: Expired marks are swept away each time so many new ones were set.
_SWEEP_EVERY = 1000


class _Expiring(Generic[T]):
    """Values by name, each for a time; swept now and then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[str, tuple[T, float]] = {}

    def get(self, name: str) -> T | None:
        value, until = self._found.get(name, (None, 0.0))
        return value if until > self._clock() else None

    def put(self, name: str, value: T, ttl: float) -> None:
        now = self._clock()
        self._found[name] = value, now + ttl
        if len(self._found) % _SWEEP_EVERY == 0:
            self._found = {name: found for name, found in self._found.items() if found[1] > now}

    def drop(self, name: str) -> None:
        self._found.pop(name, None)


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
        self._version = 0
        self._versions: dict[int, int] = {}
        self._keys: dict[str, str] = {}
        self._subscriptions: dict[bytes, bytes] = {}
        self._subscriptions_version = 0
        self._queues: dict[int, deque[bytes]] = {}
        self._members: dict[str, tuple[bytes, float]] = {}
        self._members_version = 0
        self._term = 0
        self._drains: set[str] = set()
        self._leases: dict[Seat, Lease] = {}
        self._claims: dict[Seat, str] = {}
        self._holders: dict[str, tuple[bytes, float]] = {}
        self._caches: dict[str, tuple[dict[str, CachedRow], float]] = {}
        self._rotas: dict[str, dict[str, float]] = {}
        self._marks: dict[str, float] = {}
        self._cursors: Counter[str] = Counter()
        self._paces: dict[str, float] = {}
        self._noted = _Expiring[str](clock)
        self._answers = _Expiring[bytes](clock)
        self._halts: dict[str, float] = {}
        self._watches: dict[bytes, float] = {}
        self._viewers: list[MemoryViewer] = []
        self._timers: dict[str, tuple[bytes, float]] = {}
        self._timer_states: dict[str, tuple[bytes, float]] = {}
        self._memories: dict[str, dict[str, bytes]] = {}
        self._locks: dict[str, tuple[str, float]] = {}
        self._hits: dict[str, tuple[int, float]] = {}
        self._notes = _Expiring[bytes](clock)
        self._keyring: dict[bytes, bytes] = {}

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

    def _bot_and_status_rows(self, key: str) -> tuple[bytes | None, bytes | None]:
        with self._held():
            return self._bot_row(key), self._status_row(key)

    def _bot_rows(self, shard: int) -> Mapping[bytes, bytes]:
        with self._held():
            return dict(self._bots[shard])

    def _swap_bot(
        self, key: str, row: bytes | None, before: Bot | None, after: Bot | None, commands: Sequence[bytes]
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

    # What goes out to Slack

    def send_once(self, command: Command, mark: str, ttl: float) -> str | None:
        with self._held():
            noted = self._noted.get(mark)
            self._noted.put(mark, command.ticket if noted is None else noted, ttl)
            if noted is None:
                self.send([command])
            return noted

    def put_answers(self, answers: Mapping[str, Answer], ttl: float) -> None:
        with self._held():
            for ticket, answer in answers.items():
                self._answers.put(ticket, self._row(answer), ttl)
            self._changed.notify_all()

    def wait_for_answer(self, ticket: str, timeout: float) -> Answer | None:
        with self._held():
            self._changed.wait_for(lambda: self._closed or self._answers.get(ticket), timeout)
            return self._read_answer(self._answers.get(ticket))

    def admit(
        self, mark: str, halt: str, pacing: Pacing = UNPACED, patience: float = 0.0, ttl: float = 60.0
    ) -> Admission:
        with self._held():
            noted = self._noted.get(mark) if mark else None
            if noted is not None:
                self._noted.put(mark, noted, ttl)
                return Admission(noted, 0.0, False)
            now = self._clock()
            halted = self._halts.get(halt, 0.0) - now
            return Admission(None, halted, False) if halted > 0 else self._take_turn(now, pacing, patience)

    def _take_turn(self, now: float, pacing: Pacing, patience: float) -> Admission:
        if not pacing.name:
            return Admission(None, 0.0, True)
        turn = max(now, self._paces.get(pacing.name, 0.0))
        wait = max(0.0, turn - (pacing.burst - 1) / pacing.rate - now)
        if wait > patience:
            return Admission(None, wait, False)
        self._paces[pacing.name] = turn + 1.0 / pacing.rate
        return Admission(None, wait, True)

    def note(self, mark: str, value: str, ttl: float) -> None:
        with self._held():
            self._noted.put(mark, value, ttl)

    def forget(self, mark: str) -> None:
        with self._held():
            self._noted.drop(mark)

    def halt(self, name: str, seconds: float) -> None:
        with self._held():
            now = self._clock()
            self._halts = {halted: until for halted, until in self._halts.items() if until > now}
            self._halts[name] = max(self._halts.get(name, 0.0), now + seconds)

    # Holders, and who owns what

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

    def beat(self, member: Member, ttl: float) -> Beat:
        row = self._row(member)
        with self._held():
            renewed = self._lives(member.owner)
            gone = [one for one in self._members if one != member.owner and not self._lives(one)]
            for one in gone:
                del self._members[one]
                self._drains.discard(one)
            if gone or self._members.get(member.owner, (b"", 0.0))[0] != row:
                self._members_version += 1
            self._members[member.owner] = (row, self._clock() + ttl)
            drain = member.owner in self._drains
            return Beat(renewed, self._members_version, self._term, len(self._claims), drain)

    def leave(self, owner: str) -> None:
        with self._held():
            if self._members.pop(owner, None) is not None:
                self._drains.discard(owner)
                self._members_version += 1

    def members(self) -> list[Member]:
        with self._held():
            return self._read_members(row for owner, (row, _) in self._members.items() if self._lives(owner))

    def ask_to_drain(self, owner: str, wanted: bool) -> None:
        with self._held():
            (self._drains.add if wanted else self._drains.discard)(owner)

    def take(self, owner: str, seats: Sequence[Seat]) -> dict[Seat, int]:
        with self._held():
            if not self._lives(owner):
                raise StoreError(f"NOTALIVE {owner}")
            return {seat: epoch for seat in seats if (epoch := self._take(owner, seat))}

    def _take(self, owner: str, seat: Seat) -> int:
        held = self._leases.get(seat, Lease("", 0))
        if held.owner == owner:
            return held.epoch
        if self._lives(held.owner):
            return 0
        self._leases[seat] = Lease(owner, max(held.epoch + 1, int(self._clock() * 1000)))
        return self._leases[seat].epoch

    def hand_over(self, owner: str, seats: Mapping[Seat, Handover]) -> set[Seat]:
        with self._held():
            return {seat for seat, handover in seats.items() if self._hand_over(owner, seat, handover)}

    def _hand_over(self, owner: str, seat: Seat, handover: Handover) -> bool:
        epoch, to = handover
        if self._leases.get(seat) != Lease(owner, epoch):
            return False
        if to and not (self._claims.get(seat) == to and self._claims.pop(seat) and self._lives(to)):
            return False
        self._leases[seat] = Lease(to, epoch + 1 if to else epoch)
        return True

    def leases(self, seats: Sequence[Seat]) -> dict[Seat, Lease]:
        with self._held():
            return {seat: self._leases[seat] for seat in seats if seat in self._leases}

    def claim(self, owner: str, seats: Sequence[Seat]) -> None:
        with self._held():
            self._claims.update(dict.fromkeys(seats, owner))

    def unclaim(self, owner: str, seats: Sequence[Seat]) -> None:
        with self._held():
            for seat in seats:
                if self._claims.get(seat) == owner:
                    del self._claims[seat]

    def claims(self) -> dict[Seat, str]:
        with self._held():
            return dict(self._claims)

    def forget_owners(self) -> None:
        """Loses members, leases and claims, as a server that was emptied; for tests."""
        with self._held():
            self._members, self._leases, self._claims = {}, {}, {}
            self._term += 1
            self._members_version += 1

    def forget_subscriptions(self) -> None:
        """Loses what the handlers want; for tests."""
        with self._held():
            self._subscriptions, self._subscriptions_version = {}, 0

    def _lives(self, owner: str) -> bool:
        return owner in self._members and self._members[owner][1] > self._clock()

    # Caches

    def cached(self, cache: str, ids: Sequence[str], ttl: float | None) -> dict[str, bytes]:
        with self._held():
            rows = self._cache(cache, ttl)
            return {id_: rows[id_].value for id_ in ids if id_ in rows}

    def cached_as(self, cache: str, name: str, ttl: float) -> dict[str, bytes]:
        with self._held():
            return {id_: row.value for id_, row in self._cache(cache, ttl).items() if name in row.names}

    def cached_ids(self, cache: str) -> set[str]:
        with self._held():
            return set(self._cache(cache, None))

    def put_cached(self, cache: str, rows: Mapping[str, CachedRow | None], ttl: float | None) -> bool:
        with self._held():
            known = self._cache(cache, ttl)
            if not rows or (ttl is None and not known):
                return False
            until = self._clock() + ttl if ttl is not None else self._caches[cache][1]
            changed = {id_: row for id_, row in {**known, **rows}.items() if row is not None}
            self._caches[cache] = (changed, until)
            return True

    def drop_cache(self, cache: str) -> None:
        with self._held():
            self._caches.pop(cache, None)

    def _cache(self, cache: str, ttl: float | None) -> dict[str, CachedRow]:
        """The rows of a cache, whose life begins anew with a `ttl`; none where it has expired."""
        now = self._clock()
        self._caches = {name: held for name, held in self._caches.items() if held[1] > now}
        if cache not in self._caches:
            return {}
        rows, until = self._caches[cache]
        self._caches[cache] = (rows, until if ttl is None else now + ttl)
        return rows

    # Rotas

    def set_turn(self, rota: str, member: str, wait: float | None) -> None:
        with self._held():
            turns = self._rotas.setdefault(rota, {})
            if wait is None:
                turns.pop(member, None)
            else:
                turns[member] = self._clock() + wait

    def take_turns(self, rota: str, limit: int, wait: float) -> list[str]:
        with self._held():
            turns, now = self._rotas.get(rota, {}), self._clock()
            due = sorted((turn, member) for member, turn in turns.items() if turn <= now)
            taken = [member for _, member in due[:limit]]
            turns.update(dict.fromkeys(taken, now + wait))
            return taken

    # Those who watch

    def watch(self, watch: Watch, ttl: float) -> None:
        with self._held():
            self._watches[self._row(watch)] = self._clock() + ttl

    def watches(self, limit: int = 20) -> list[Watch]:
        with self._held():
            now = self._clock()
            self._watches = {row: until for row, until in self._watches.items() if until > now}
            return self._read_watches(islice(self._watches, limit))

    def show(self, watch_id: str, shown: Shown) -> None:
        with self._held():
            for viewer in self._viewers:
                if viewer.watch_id == watch_id:
                    viewer.rows.put(self._row(shown))

    def viewer(self, watch_id: str) -> Viewer:
        with self._held():
            self._viewers.append(MemoryViewer(self, watch_id))
            return self._viewers[-1]

    # Timers

    def _put_timer_row(self, group: str, row: bytes | None, ttl: float) -> None:
        with self._held():
            if row is None:
                self._timers.pop(group, None)
            else:
                self._timers[group] = (row, self._clock() + ttl)

    def keep_timers(self, group: str, ttl: float) -> bool:
        with self._held():
            row, until = self._timers.get(group, (b"", 0.0))
            if until <= self._clock():
                return False
            self._timers[group] = (row, self._clock() + ttl)
            return True

    def _timer_rows(self) -> tuple[float, Mapping[bytes, bytes]]:
        with self._held():
            now = self._clock()
            self._timers = {group: held for group, held in self._timers.items() if held[1] > now}
            return now, {group.encode(): row for group, (row, _) in self._timers.items()}

    def _state_rows(self, names: Sequence[str]) -> Sequence[bytes | None]:
        with self._held():
            self._forget_timers()
            return [self._timer_states.get(name, (None, 0.0))[0] for name in names]

    def _swap_timer(self, name: str, row: bytes | None, new: bytes, keep: float) -> bool:
        with self._held():
            if self._timer_states.get(name, (None, 0.0))[0] != row:
                return False
            self._timer_states[name] = (new, self._clock() + keep)
            return True

    def memory(self, name: str) -> dict[str, bytes]:
        with self._held():
            self._forget_timers()
            return dict(self._memories.get(name, {}))

    def remember(self, name: str, field: str, value: bytes | None) -> None:
        with self._held():
            memory = self._memories.setdefault(name, {})
            if value is None:
                memory.pop(field, None)
            else:
                memory[field] = value

    def _forget_timers(self) -> None:
        now = self._clock()
        for name in [name for name, (_, until) in self._timer_states.items() if until <= now]:
            del self._timer_states[name]
            self._memories.pop(name, None)

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
            if len(self._marks) % _SWEEP_EVERY == 0:
                self._marks = {mark: until for mark, until in self._marks.items() if until > now}
            return True

    def advance(self, cursor: str, step: int) -> int:
        with self._held():
            before = self._cursors[cursor]
            self._cursors[cursor] = before + step
            return before

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

    # Notes and keys

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


class MemoryViewer(Viewer):
    """One who watches, in the process of the holder."""

    def __init__(self, store: MemoryStore, watch_id: str) -> None:
        self.watch_id = watch_id
        self.rows = queue.SimpleQueue[bytes]()
        self._store = store

    def next(self, timeout: float) -> Shown | None:
        self._store.ping()
        try:
            return self._store._read_shown(self.rows.get(timeout=timeout))
        except queue.Empty:
            return None

    def close(self) -> None:
        with self._store._changed:
            self._store._viewers.remove(self)


def _pairs(entries: Mapping[str, str], limit: int) -> list[tuple[bytes, bytes]]:
    return [(field.encode(), value.encode()) for field, value in islice(entries.items(), limit)]
