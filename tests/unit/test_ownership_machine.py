"""Holders that join, leave, sleep, die and lose their store in any order: what must hold whatever happens."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .owners import SHARDS, TTL, Owner, World

_MOST = 5
_PICK = st.integers(0, _MOST - 1)


class OwnershipMachine(RuleBasedStateMachine):
    """Some holders, each ticking when chance has it; and a clock."""

    @initialize(replicas=st.integers(1, 3))
    def begin(self, replicas: int) -> None:
        self.world = World(replicas)
        #: Who led a shard under an epoch.
        self.led_by: dict[tuple[int, int], str] = {}
        #: Those that sleep or were killed: they tick no more, and may take themselves for leaders still.
        self.silent: list[Owner] = []
        self.forgot_at = float("-inf")
        self.joined = 0

    def _awake(self) -> list[Owner]:
        return [one for one in self.world.owners if one not in self.silent]

    def _one(self, number: int) -> Owner | None:
        awake = self._awake()
        return awake[number % len(awake)] if awake else None

    # What may happen

    @rule(again=st.booleans())
    def join(self, again: bool) -> None:
        if len(self._awake()) < _MOST:
            self.joined += 1
            # Some come back under the name of one that may still be there.
            self.world.join(f"h{self.joined % 4 if again else self.joined}").tick()

    @rule(numbers=st.lists(_PICK, max_size=8), step=st.floats(0.0, 2.0))
    def tick(self, numbers: list[int], step: float) -> None:
        for number in numbers:
            self.world.now += step
            if (one := self._one(number)) is not None:
                one.tick()
                self.at_most_one_leads()

    @rule(seconds=st.sampled_from([0.5, 3.0, TTL / 2, TTL, 2 * TTL]))
    def wait(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(number=_PICK)
    def fall_silent(self, number: int) -> None:
        if (one := self._one(number)) is not None:
            self.silent.append(one)

    @precondition(lambda self: self.silent)
    @rule(number=_PICK)
    def wake(self, number: int) -> None:
        self.silent.pop(number % len(self.silent))

    @rule(number=_PICK)
    def begin_to_leave(self, number: int) -> None:
        if (one := self._one(number)) is not None:
            one.ownership.leaving = True

    @rule(number=_PICK)
    def leave(self, number: int) -> None:
        if (one := self._one(number)) is not None and not one.way.cut:
            one.way.lose_after = None
            one.ownership.leave()
            self.world.owners.remove(one)

    @rule(number=_PICK, wanted=st.booleans())
    def drain(self, number: int, wanted: bool) -> None:
        if (one := self._one(number)) is not None:
            self.world.store.ask_to_drain(one.ownership.owner, wanted)

    @rule(number=_PICK, cut=st.booleans())
    def cut(self, number: int, cut: bool) -> None:
        if (one := self._one(number)) is not None:
            one.way.cut = cut

    @rule(number=_PICK, calls=st.integers(0, 8))
    def lose_an_answer(self, number: int, calls: int) -> None:
        if (one := self._one(number)) is not None:
            one.way.lose_after = calls

    @rule(down=st.booleans())
    def store(self, down: bool) -> None:
        for one in self.world.owners:
            one.way.cut = down

    @rule(number=_PICK, shards=st.sets(st.integers(0, SHARDS - 1)))
    def stick(self, number: int, shards: set[int]) -> None:
        if (one := self._one(number)) is not None:
            one.stuck = shards

    @rule()
    def forget(self) -> None:
        self.world.now += 0.01
        self.world.store.forget_owners()
        self.forgot_at = self.world.now

    # What must hold

    @invariant()
    def at_most_one_leads(self) -> None:
        for shard, names in self._leaders().items():
            # Who joins a store that was just emptied can't know of those who have not beaten since.
            assert len(names) <= 1 or self.world.now - self.forgot_at <= TTL, (shard, names)

    @invariant()
    def an_epoch_has_one_leader(self) -> None:
        for one in self.world.owners:
            for seat, epoch in one.ownership.epochs.items():
                if seat.slot == 0 and one.ownership.leads(seat.shard):
                    owner = one.ownership.owner
                    assert self.led_by.setdefault((seat.shard, epoch), owner) == owner

    def _leaders(self) -> dict[int, list[str]]:
        return self.world.leaders() if hasattr(self, "world") else {}

    def teardown(self) -> None:
        """Once the world is quiet, every shard is led by one, and in as many holders as it should be."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.owners = self._awake()
        for one in world.owners:
            one.way.cut, one.way.lose_after = False, None
            one.stuck, one.ownership.leaving = set(), False
            world.store.ask_to_drain(one.ownership.owner, False)
        names = {one.name for one in world.owners}
        # Of two with one name the later is the one that was started again; the other one is dead.
        world.owners = [
            one
            for n, one in enumerate(world.owners)
            if one.name not in {o.name for o in world.owners[n + 1 :]}
        ]
        world.run(50)
        if names:
            assert world.store.claims() == {}, (world.store.claims(), world.store.members(), world.seats())
            assert all(len(found) == 1 for found in world.leaders().values())
            assert len(world.seats()) == SHARDS * min(world.replicas, len(names)), (world.seats(), names)
            for one in world.owners:
                assert {seat.shard for seat in one.ownership.epochs} == one.holdings.held


TestOwnershipMachine = OwnershipMachine.TestCase
TestOwnershipMachine.settings = settings(max_examples=1000, stateful_step_count=25, deadline=None)
