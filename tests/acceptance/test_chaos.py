"""The faults of `bench/chaos` in small: whatever must hold there must hold here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.chaos.run import Fleets
from bench.chaos.scenarios import SCENARIOS

#: Those that can share a fleet: every shard in two holders.
REPLICAS = ["kill-replicas", "cut-replicas"]
#: Those that need a larger one.
LARGE = ["slack-restart"]
SINGLE = [name for name in SCENARIOS if name not in (*REPLICAS, *LARGE)]


@pytest.fixture(scope="class")
def fleets() -> Iterator[Fleets]:
    """One fleet for the scenarios of a class, with what they left behind."""
    with Fleets() as lent:
        yield lent


class _Scenarios:
    def hold(self, name: str, fleets: Fleets) -> None:
        report = SCENARIOS[name].play(quick=True, fleets=fleets)
        assert report.met, f"\n{report.table()}"


class TestOneHolderPerShard(_Scenarios):
    @pytest.mark.parametrize("name", SINGLE)
    def test_holds(self, name: str, fleets: Fleets) -> None:
        self.hold(name, fleets)


class TestTwoHoldersPerShard(_Scenarios):
    @pytest.mark.parametrize("name", REPLICAS)
    def test_holds(self, name: str, fleets: Fleets) -> None:
        self.hold(name, fleets)


class TestManyBots(_Scenarios):
    @pytest.mark.parametrize("name", LARGE)
    def test_holds(self, name: str, fleets: Fleets) -> None:
        self.hold(name, fleets)
