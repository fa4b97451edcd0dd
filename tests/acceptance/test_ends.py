"""SIGTERM and SIGQUIT of each role: an end in time, sockets closed, statuses true, no orphan."""

from __future__ import annotations

import signal

import pytest

from ..waiting import eventually
from .conftest import MakeFleet
from .fleet import RunningFleet, free_port

SECONDS_TO_END = 10.0
BOTH_SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT], ids=["TERM", "QUIT"])


@pytest.fixture
def fleet(make_fleet: MakeFleet) -> RunningFleet:
    made = make_fleet()
    made.copy("tasks")
    return made


def closed(fleet: RunningFleet, team_id: str) -> None:
    """The sockets are closed at Slack's side, and everybody can see why."""
    fleet.control.wait_for_connections(0, timeout=2.0)
    report = fleet.json("status")
    assert report["holders"] == []
    [bot] = report["bots"]
    assert (bot["team_id"], bot["status"], bot["error"]) == (team_id, "disconnected", "holder stopped")


@BOTH_SIGNALS
def test_holder(fleet: RunningFleet, number: signal.Signals) -> None:
    handler, holder = fleet.handler("--concurrency", "1"), fleet.holder()
    fleet.wait_until_ready(holder)
    team = fleet.add_workspace()
    holder.stop(number, SECONDS_TO_END)
    closed(fleet, team.id)
    assert handler.running


@BOTH_SIGNALS
def test_both_in_one(fleet: RunningFleet, number: signal.Signals) -> None:
    worker = fleet.worker()
    fleet.wait_until_ready(worker)
    team = fleet.add_workspace()
    fleet.answers(team)
    worker.stop(number, SECONDS_TO_END)
    closed(fleet, team.id)


def test_handler(fleet: RunningFleet) -> None:
    handler, holder = fleet.handler(), fleet.holder()
    fleet.wait_until_ready(holder)
    team = fleet.add_workspace()
    fleet.answers(team)
    handler.stop(signal.SIGQUIT, SECONDS_TO_END)
    # No socket knows of it, and what comes meanwhile is handled by the next one.
    assert fleet.control.connections(team.id) == 1
    fleet.control.say("general", f"<@{team.bot}> ping", team=team.id)
    fleet.handler()
    fleet.control.wait_for_message("pong", team=team.id)


def test_beat_and_flower(fleet: RunningFleet) -> None:
    beat, flower = fleet.beat(), fleet.flower(free_port())
    beat.says("is starting")
    flower.says("Connected to")
    beat.stop(signal.SIGQUIT, SECONDS_TO_END)
    flower.stop(signal.SIGQUIT, SECONDS_TO_END)


def test_exit_codes_of_a_warm_stop(fleet: RunningFleet) -> None:
    holder, handler, beat, flower = (
        fleet.holder(),
        fleet.handler(),
        fleet.beat(),
        fleet.flower(free_port()),
    )
    fleet.wait_until_ready(holder)
    flower.says("Connected to")
    handler.says("ready.")
    for process in (holder, handler, beat, flower):
        process.send(signal.SIGTERM)
    assert [process.wait(SECONDS_TO_END) for process in (holder, handler, beat, flower)] == [0, 0, 0, 0]


def test_an_end_while_everything_is_away(fleet: RunningFleet) -> None:
    handler, holder = fleet.handler("--concurrency", "1"), fleet.holder()
    fleet.wait_until_ready(holder)
    fleet.add_workspace()
    fleet.kill_server()
    for process in (holder, handler):
        process.says("Trying again in")
    for process in (holder, handler):
        process.send(signal.SIGTERM)
    for process in (holder, handler):
        process.wait(SECONDS_TO_END + 10.0)
    assert fleet.control.connections() == 0


def test_a_holder_whose_thread_died_ends_as_a_failure(fleet: RunningFleet) -> None:
    """So that whoever looks after it starts it again."""
    broken = "from botfleet.holder.keeper import Keeper\n\n\ndef fail(keeper):\n    raise RuntimeError\n\n\n"
    fleet.write("celeryconfig.py", broken + "Keeper.tick = fail\n")
    holder = fleet.holder()
    assert holder.wait(SECONDS_TO_END) == 1
    assert "botfleet-keeper died" in holder.output


def test_two_holders_of_one_name(fleet: RunningFleet) -> None:
    first = fleet.holder()
    eventually(lambda: [one.pid for one in fleet.fleet.store.holders()] == [first.pid])
    second = fleet.worker("holder", name="second")
    assert second.wait() == 1
    assert "Traceback" not in second.output
    assert f"runs already (pid {first.pid}); give this one a name: -n holder2@%h" in second.output
    named = fleet.worker("holder", "-n", "second@%h", name="named")
    eventually(lambda: len(fleet.fleet.store.holders()) == 2)
    for worker in (named, first):
        worker.stop(signal.SIGTERM, SECONDS_TO_END)
