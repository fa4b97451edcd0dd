"""The fleet that the benchmark `simulate` runs: it settles as a real one does, and counts what it should."""

from __future__ import annotations

import pytest

from bench.simulated import SimulatedFleet, bots_by_shard
from botfleet.model import Member
from botfleet.settings import Settings
from botfleet.store.values import Seat

SHARDS = 64


@pytest.fixture
def fleet() -> SimulatedFleet:
    """Four holders that have settled."""
    made = SimulatedFleet(["a", "b", "c", "d"], bots_by_shard(1000, SHARDS), Settings())
    made.settle()
    return made


def test_every_bot_has_a_shard() -> None:
    assert sum(bots_by_shard(1000, SHARDS)) == 1000


def test_all_shards_are_shared(fleet: SimulatedFleet) -> None:
    assert set(fleet.owners()) == {"a", "b", "c", "d"}
    assert sum(fleet.shares().values()) == 1000


def test_a_holder_that_joins_gets_its_part(fleet: SimulatedFleet) -> None:
    before = fleet.owners()
    fleet.add("e")
    fleet.settle()
    assert {now for was, now in zip(before, fleet.owners(), strict=True) if was != now} == {"e"}


def test_a_holder_that_leaves_ends_when_it_has_nothing(fleet: SimulatedFleet) -> None:
    fleet.drain("b")
    fleet.settle()
    assert "b" not in fleet.holders
    assert set(fleet.owners()) == {"a", "c", "d"}


def test_a_killed_holders_shards_go_when_its_time_is_over(fleet: SimulatedFleet) -> None:
    fleet.kill("b")
    fleet.run()
    assert "" in fleet.owners()
    assert Settings().lease_ttl / 2 < fleet.settle() <= Settings().lease_ttl
    assert set(fleet.owners()) == {"a", "c", "d"}


def test_at_rest_each_holder_sends_one_command_a_round(fleet: SimulatedFleet) -> None:
    fleet.run(2)
    before = fleet.store.commands
    fleet.run(10)
    assert fleet.store.commands - before == 10 * len(fleet.holders)


def test_a_call_for_many_seats_counts_as_several_commands(fleet: SimulatedFleet) -> None:
    before = fleet.store.commands
    fleet.store.leases([Seat(shard) for shard in range(501)])
    fleet.store.counts([1, 2, 3])
    fleet.store.beat(Member(name="x", owner="x/1"), 10.0)
    assert fleet.store.commands - before == 2 + 3 + 1
