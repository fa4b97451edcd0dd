"""Several holder processes: they share the bots, people see it, and each may come and go."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from botfleet import tables

from ..waiting import eventually
from .fleet import Process, RunningFleet

TEAMS = 12
LEASE_TTL = 3


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    path = tmp_path_factory.mktemp("holders") / "fleet"
    with RunningFleet(path, TEAMS, lease_ttl=LEASE_TTL, shards=32) as running:
        running.copy("tasks")
        running.handler("--concurrency", "1")
        running.beat()
        running.add(*(one["bot_token"] for one in running.control.teams()))
        yield running


def start(fleet: RunningFleet, name: str) -> Process:
    return fleet.worker("holder", "-n", f"{name}@%h", name=name)


def spread(fleet: RunningFleet) -> Counter[str]:
    """How many bots each holder has connected."""
    found = [bot for bot in fleet.report().values() if bot.status == "connected"]
    return Counter(bot.holder.split("@")[0] for bot in found)


def wait_until_shared(fleet: RunningFleet, *names: str) -> None:
    """Waits until these holders have all bots, and each bot one socket."""

    def shared() -> bool:
        found = spread(fleet)
        assert found.keys() == set(names), found
        return found.total() == TEAMS and fleet.control.connections() == TEAMS

    eventually(shared, 30.0, 0.2)
    fleet.botfleet("rebalance")


def test_holders_share_the_bots_and_show_it(fleet: RunningFleet) -> None:
    one, two = start(fleet, "one"), start(fleet, "two")
    wait_until_shared(fleet, "one", "two")
    fleet.botfleet("rebalance")
    head, *rows = fleet.botfleet("holders").splitlines()
    assert head.split() == tables.HOLDER_COLUMNS
    assert [row.split()[0].split("@")[0] for row in rows] == ["one", "two"]
    shown = json.loads(fleet.botfleet("holders", "--json"))
    assert {one["pid"] for one in shown} == {one.pid, two.pid}
    assert sum(one["shards"] for one in shown) == sum(one["led"] for one in shown) == 32
    assert sum(one["connected"] for one in shown) == TEAMS
    assert "Every shard is where it should be" in fleet.botfleet("rebalance", "--dry-run")
    told = json.loads(fleet.run("celery", "-A", "botfleet", "inspect", "--json", "connections").stdout)
    found = [
        bot
        for name, answer in told.items()
        if "one@" in name or "two@" in name
        for bot in answer["connections"]
    ]
    assert Counter(bot["phase"] for bot in found) == {"connected": TEAMS}
    assert {bot["bot"] for bot in found} == set(fleet.report())
    wrong = fleet.run("celery", "-A", "botfleet", "inspect", "connections", "abc")
    assert "'abc' is no number of bots" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    for stopped in (one, two):
        stopped.stop(signal.SIGTERM, 20.0)


def test_a_holder_is_drained_and_comes_back(fleet: RunningFleet) -> None:
    one, two = start(fleet, "one"), start(fleet, "two")
    wait_until_shared(fleet, "one", "two")
    assert "no living holder is called 'three'" in fleet.botfleet("drain", "three", expect=1)
    assert "has no bots left" in fleet.botfleet("drain", "one", "--wait")
    wait_until_shared(fleet, "two")
    assert "drained" in fleet.botfleet("holders")
    plan = fleet.botfleet("rebalance", "--dry-run")
    assert "Every shard" in plan
    fleet.botfleet("drain", "one", "--undo")
    wait_until_shared(fleet, "one", "two")
    # It ends, and gives what it has to the other one before it does.
    opened = fleet.control.counts()["connections_opened"]
    had = spread(fleet)["one"]
    assert one.stop(signal.SIGTERM, 20.0) == 0
    wait_until_shared(fleet, "two")
    assert fleet.control.counts()["connections_opened"] == opened + had
    assert "there is no other holder" in fleet.botfleet("drain", "two", "--wait", expect=1)
    fleet.botfleet("drain", "two", "--undo")
    # The last one has nobody to wait for.
    began = time.monotonic()
    assert two.stop(signal.SIGTERM, 20.0) == 0
    assert time.monotonic() - began < 8.0
    for command in (("rebalance", "--dry-run"), ("drain", "two")):
        assert "holder is" in fleet.botfleet(*command, expect=1)


def test_a_holder_is_killed(fleet: RunningFleet) -> None:
    one, two = start(fleet, "one"), start(fleet, "two")
    wait_until_shared(fleet, "one", "two")
    stayed = {team for team, bot in fleet.report().items() if bot.holder.startswith("two@")}
    before = {team: bot.since for team, bot in fleet.report().items()}
    one.send(signal.SIGKILL)
    assert one.wait() == -signal.SIGKILL
    killed = time.monotonic()
    eventually(lambda: spread(fleet) == {"two": TEAMS}, 30.0, 0.1)
    assert time.monotonic() - killed < LEASE_TTL + 5.0
    assert {team: fleet.report()[team].since for team in stayed} == {team: before[team] for team in stayed}
    # It comes back under its name, and takes its bots again.
    again = start(fleet, "one")
    wait_until_shared(fleet, "one", "two")
    assert {team for team, bot in fleet.report().items() if bot.holder.startswith("two@")} == stayed
    for stopped in (again, two):
        stopped.stop(signal.SIGTERM, 20.0)


def test_a_second_signal_hurries_a_holder_that_waits_for_others(fleet: RunningFleet) -> None:
    one, two = start(fleet, "one"), start(fleet, "two")
    wait_until_shared(fleet, "one", "two")
    fleet.control.fault("fail", method="rtm.connect", error="internal_error", count=1000)
    one.send(signal.SIGTERM)
    time.sleep(5.0)
    assert one.running, "nobody could take its bots over"
    assert fleet.control.connections() == TEAMS
    began = time.monotonic()
    assert one.stop(signal.SIGTERM, 20.0) == 0
    assert time.monotonic() - began < 8.0
    fleet.control.fault("clear")
    wait_until_shared(fleet, "two")
    two.stop(signal.SIGTERM, 20.0)
