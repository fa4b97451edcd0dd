"""Ownerships over one store in memory, without sockets, threads or real time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from typing import Any

from botfleet.errors import StoreError, StoreUnavailable
from botfleet.holder.ownership import Holdings, Ownership
from botfleet.model import Bot, Member
from botfleet.store.memory import MemoryStore
from botfleet.store.values import Seat

SHARDS = 12
TTL = 10.0


class Way:
    """A holder's way to the store, which can be cut."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.cut = False

        #: Calls after which the next one is done, and its answer lost; None: never.
        self.lose_after: int | None = None

    def __getattr__(self, name: str) -> Any:
        if self.cut and name != "shards":
            raise StoreUnavailable("cut")
        value = getattr(self._store, name)
        return self._losing(value) if callable(value) else value

    def _losing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any) -> Any:
            answer = call(*args)
            if self.lose_after is not None:
                self.lose_after -= 1
                if self.lose_after < 0:
                    self.lose_after = None
                    raise StoreUnavailable("the answer was lost")
            return answer

        return made


class Owner:
    """One holder, as far as ownership goes: it connects what it holds by its next tick."""

    def __init__(self, world: World, name: str, **options: Any) -> None:
        self.name = name
        self.way = Way(world.store)
        self.ownership = Ownership(
            self.way,  # type: ignore[arg-type]  # by its shape
            name,
            replicas=world.replicas,
            ttl=TTL,
            since=world.now,
            clock=lambda: world.now,
            **options,
        )
        self._world = world
        self.holdings = Holdings()
        #: Shards whose bots never get connected here.
        self.stuck: set[int] = set()

    def tick(self) -> Holdings:
        """One round; what is wrong with the store is over with it."""
        loaded = {shard: self._world.store.counts([shard])[0] for shard in self.holdings.held}
        with contextlib.suppress(StoreError):
            self.holdings = self.ownership.tick(self._ready, loaded)
        return self.holdings

    def _ready(self, shards: Collection[int], pressing: Collection[int]) -> set[int]:
        return (set(shards) & self.holdings.held) - self.stuck

    @property
    def led(self) -> set[int]:
        """The shards that it takes itself to lead."""
        return {shard for shard in range(SHARDS) if self.ownership.leads(shard)}

    @property
    def member(self) -> Member:
        return next(one for one in self._world.store.members() if one.owner == self.ownership.owner)


class World:
    """The store, the time, and some owners."""

    def __init__(self, replicas: int = 1) -> None:
        self.now = 1000.0
        self.replicas = replicas
        self.store = MemoryStore(SHARDS, clock=lambda: self.now)
        self.owners: list[Owner] = []

    def join(self, name: str, **options: Any) -> Owner:
        owner = Owner(self, name, **options)
        self.owners.append(owner)
        return owner

    def run(self, rounds: int = 6, step: float = 1.0) -> None:
        """Lets everybody tick in turn, some times."""
        for _ in range(rounds):
            self.now += step
            for owner in self.owners:
                owner.tick()

    def add_bots(self, count: int) -> None:
        for number in range(count):
            bot = Bot(team_id=f"T{number}", sealed_token="plain:x", fingerprint=f"f{number}")
            self.store.change_bot(bot.key, lambda _, bot=bot: bot)  # type: ignore[misc]

    def leaders(self) -> dict[int, list[str]]:
        return {shard: [one.name for one in self.owners if shard in one.led] for shard in range(SHARDS)}

    def seats(self) -> dict[Seat, str]:
        """Who of the living has each seat, by the store."""
        living = {one.owner for one in self.store.members()}
        asked = [Seat(shard, slot) for shard in range(SHARDS) for slot in range(self.replicas)]
        leases = self.store.leases(asked)
        return {
            seat: lease.owner.partition("/")[0] for seat, lease in leases.items() if lease.owner in living
        }
