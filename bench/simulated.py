"""A fleet in one process and in a time of its own: the ownership's own code, without sockets."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence

from botfleet.holder.keeper import interval_of, life_of
from botfleet.holder.ownership import Holdings, Ownership
from botfleet.holder.placement import Placement
from botfleet.model import Member, shard_of
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore
from botfleet.store.redis_holders import SEATS_PER_CALL
from botfleet.store.values import Beat, Handover, Lease, Seat

from . import frames
from .processes import BenchError

#: Unix seconds at which a simulation begins.
_BEGIN = 1_700_000_000.0
#: Rounds after which a fleet that is not settled never will be.
_PATIENCE = 100


def bots_by_shard(bots: int, shards: int) -> array[int]:
    """How many bots each shard has, as teams' ids give it."""
    counts = array("L", bytes(array("L").itemsize * shards))
    for number in range(1, bots + 1):
        counts[shard_of(frames.team_id(number), shards)] += 1
    return counts


class CountedStore(MemoryStore):
    """A store in memory that counts what `RedisStore` would send.

    A script is one command, whatever it does. A pipeline counts as the commands in it.

    Args:
        bots: how many each shard has.
        clock: the simulation's.
    """

    def __init__(self, bots: Sequence[int], clock: SimulatedClock) -> None:
        super().__init__(len(bots), clock)
        self.commands = 0
        self._numbers = bots

    def counts(self, shards: Sequence[int] | None = None) -> list[int]:
        asked = range(self.shards) if shards is None else shards
        self.commands += len(asked)
        return [self._numbers[shard] for shard in asked]

    def beat(self, member: Member, ttl: float) -> Beat:
        self.commands += 1
        return super().beat(member, ttl)

    def leave(self, owner: str) -> None:
        self.commands += 1
        super().leave(owner)

    def members(self) -> list[Member]:
        self.commands += 1
        return super().members()

    def take(self, owner: str, seats: Sequence[Seat]) -> dict[Seat, int]:
        self._count_calls(seats)
        return super().take(owner, seats)

    def hand_over(self, owner: str, seats: Mapping[Seat, Handover]) -> set[Seat]:
        self._count_calls(seats)
        return super().hand_over(owner, seats)

    def leases(self, seats: Sequence[Seat]) -> dict[Seat, Lease]:
        self._count_calls(seats)
        return super().leases(seats)

    def claim(self, owner: str, seats: Sequence[Seat]) -> None:
        self._count_calls(seats)
        super().claim(owner, seats)

    def unclaim(self, owner: str, seats: Sequence[Seat]) -> None:
        self._count_calls(seats)
        super().unclaim(owner, seats)

    def claims(self) -> dict[Seat, str]:
        self.commands += 1
        return super().claims()

    def _count_calls(self, seats: Collection[Seat]) -> None:
        self.commands += math.ceil(len(seats) / SEATS_PER_CALL)


class SimulatedClock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = _BEGIN

    def __call__(self) -> float:
        return self.now


class SimulatedHolder:
    """A holder whose bots are connected as soon as it holds their shard.

    Attributes:
        cpu: seconds of CPU of each of its rounds.
    """

    def __init__(self, ownership: Ownership, bots: Sequence[int]) -> None:
        self.ownership = ownership
        self.cpu: list[float] = []
        self._bots = bots
        self._held: frozenset[int] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing."""
        return not self._held

    def tick(self) -> None:
        """One round."""
        loaded = {shard: self._bots[shard] for shard in self._held}
        began = time.thread_time()
        holdings: Holdings = self.ownership.tick(self._ready, loaded)
        self.cpu.append(time.thread_time() - began)
        self._held = holdings.held

    def _ready(self, shards: Collection[int], pressing: Collection[int]) -> Collection[int]:
        return self._held.intersection(shards)


class SimulatedFleet:
    """Holders that share shards.

    Each has its turn once in a round, one after the other. All but the first share one `Placement`: what all
    would reckon alike is reckoned once.

    Args:
        names: of the holders that start; each is its own host.
        bots: how many each shard has.
        settings: decide how often a holder beats, and how long it lives without.
    """

    def __init__(self, names: Iterable[str], bots: Sequence[int], settings: Settings) -> None:
        self.clock = SimulatedClock()
        self.store = CountedStore(bots, self.clock)
        self.interval = interval_of(settings)
        self._life = life_of(settings)
        self._room = settings.max_connections
        self._bots = bots
        self._placement = Placement(len(bots))
        # Knows who is there and nothing else.
        self._judge = Placement(len(bots))
        self.holders: dict[str, SimulatedHolder] = {}
        for name in names:
            self.add(name)
        # All are known before any has its turn: who were alone then would take everything.
        for holder in self.holders.values():
            holder.ownership._beat()

    @property
    def first(self) -> SimulatedHolder:
        """The holder that reckons for itself."""
        return next(iter(self.holders.values()))

    def add(self, name: str) -> None:
        """Starts a holder."""
        made = Ownership(self.store, name, host=name, room=self._room, ttl=self._life, clock=self.clock)
        if self.holders:
            made._placement = self._placement
        self.holders[name] = SimulatedHolder(made, self._bots)

    def drain(self, name: str) -> None:
        """Has a holder give away what it has, and end."""
        self.holders[name].ownership.leaving = True

    def kill(self, name: str) -> None:
        """Ends a holder without a word."""
        del self.holders[name]

    def run(self, rounds: int = 1) -> None:
        """Gives each holder its turn, so many times."""
        for _ in range(rounds):
            self.clock.now += self.interval
            for name, holder in list(self.holders.items()):
                holder.tick()
                if holder.ownership.leaving and holder.is_empty:
                    holder.ownership.leave()
                    del self.holders[name]

    def settle(self) -> float:
        """Runs until each shard is owned by whom it should be; returns how many seconds that took.

        Raises:
            BenchError: it never came to that.
        """
        began = self.clock.now
        for _ in range(_PATIENCE):
            self.run()
            if self.owners() == self._aims():
                return self.clock.now - began
        raise BenchError(f"the fleet is not settled after {_PATIENCE} rounds")

    def owners(self) -> list[str]:
        """Who owns each shard, by name; empty where nobody who is there does."""
        names = {holder.ownership.owner: name for name, holder in self.holders.items()}
        leases = MemoryStore.leases(self.store, [Seat(shard) for shard in range(self.store.shards)])
        return [names.get(leases[Seat(shard)].owner, "") for shard in range(self.store.shards)]

    def shares(self) -> dict[str, int]:
        """How many bots each holder has."""
        found = dict.fromkeys(self.holders, 0)
        for name, bots in zip(self.owners(), self._bots, strict=True):
            found[name] += bots
        return found

    def _aims(self) -> list[str]:
        """Who should own each shard, by name."""
        staying = [name for name, holder in self.holders.items() if not holder.ownership.leaving]
        members = [Member(name=name, owner=name, host=name) for name in staying]
        self._judge.update(members)
        return [self._judge.owners(shard)[0] for shard in range(self.store.shards)]
