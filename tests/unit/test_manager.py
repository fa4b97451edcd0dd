"""`Manager`, slack-bot-manager's face: what it takes, what it gives, and its monitor."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import botfleet
from botfleet.errors import ConfigurationError
from botfleet.manager import Manager
from botfleet.model import Status
from botfleet.store import MemoryStore
from tests.fleets import NOW, SHARDS, FakeClock, MemoryDoor, World
from tests.waiting import eventually

from .deployments import Deployment, deployment

__all__ = ["deployment"]  # fixtures


@pytest.fixture
def world() -> World:
    clock = FakeClock()
    store = MemoryStore(SHARDS, clock)
    return World(store, MemoryDoor(store), clock, check_interval=0.01)


@pytest.fixture
def manager(world: World) -> Manager:
    return Manager(world.fleet)


def test_it_is_a_public_name() -> None:
    assert botfleet.Manager is Manager
    named = {name for name in dir(Manager) if not name.startswith("_")}
    gem = "add_token remove_token update_token check_token clear_tokens start stop restart status monitor"
    assert named == {*gem.split(), "leave"}


def test_adding_answers_once_per_token_in_order(manager: Manager, world: World) -> None:
    world.slack.errors["xoxb-T3-1"] = "account_inactive"
    assert manager.add_token("xoxb-T1-1", "junk", "xoxb-T3-1", "xoxb-T2-1", "xoxb-T1-1") == [
        {"ok": True, "team_id": "T1", "status": "connecting", "error": None},
        {
            "ok": False,
            "team_id": None,
            "status": None,
            "error": "invalid_token (it begins otherwise; a token begins with xoxb-)",
        },
        {"ok": False, "team_id": None, "status": None, "error": "account_inactive"},
        {"ok": True, "team_id": "T2", "status": "connecting", "error": None},
        {"ok": True, "team_id": "T1", "status": "connecting", "error": None},
    ]
    assert sorted(bot.key for bot in world.fleet.bots()) == ["T1", "T2"]
    assert manager.add_token() == []


def test_a_new_token_replaces_the_old(manager: Manager, world: World) -> None:
    manager.add_token("xoxb-T1-1")
    manager.add_token("xoxb-T1-2")
    [bot] = world.fleet.bots()
    assert bot.generation == 2
    assert world.seal.open(bot.sealed_token).reveal() == "xoxb-T1-2"


def test_a_second_removal_says_false(manager: Manager) -> None:
    manager.add_token("xoxb-T1-1", "xoxb-T2-1")
    assert [one["ok"] for one in manager.remove_token("T1", "xoxb-T2-1", "T1")] == [True, True, False]
    assert [one["ok"] for one in manager.remove_token("xoxb-T2-1", "T404")] == [False, False]


def test_errors_are_reported_and_not_raised(manager: Manager, world: World) -> None:
    assert isinstance(world.real_store, MemoryStore)
    manager.add_token("xoxb-T1-1")
    world.slack.errors[""] = "unreachable"
    for do in (manager.add_token, manager.update_token, manager.check_token):
        assert [one["error"] for one in do("xoxb-T1-1")] == ["unreachable"]
    world.real_store.down = True
    for do in (manager.add_token, manager.update_token, manager.check_token, manager.remove_token):
        assert not do("xoxb-T1-1")[0]["ok"]


def test_updating_and_checking(manager: Manager, world: World) -> None:
    manager.add_token("xoxb-T1-1")
    assert manager.update_token("T1", "T404") == [
        {"ok": True, "team_id": "T1", "status": "connecting", "error": None},
        {
            "ok": False,
            "team_id": None,
            "status": None,
            "error": "unknown_bot (no bot of team T404 is known)",
        },
    ]
    world.real_store.put_statuses({"T1": Status(state="connected", since=NOW, generation=2)})
    world.slack.errors["xoxb-T9-1"] = "invalid_auth"
    checked = manager.check_token("T1", "xoxb-T1-1", "xoxb-T9-1")
    assert [(one["ok"], one["status"]) for one in checked] == [
        (True, "connected"),
        (True, "connected"),
        (False, None),
    ]


def test_namespaces(manager: Manager, world: World) -> None:
    assert manager.add_token("xoxb-T1-1", namespace="beta")[0]["ok"]
    assert not manager.update_token("T1")[0]["ok"]
    assert manager.update_token("T1", namespace="beta")[0]["ok"]
    assert manager.check_token("T1", namespace="beta")[0]["ok"]
    assert [bot.key for bot in world.fleet.bots()] == ["beta-T1"]
    assert manager.stop("beta-T1")[0]["ok"]
    assert manager.remove_token("T1", namespace="beta")[0]["ok"]
    assert not manager.add_token("xoxb-T1-1", transport="carrier pigeon")[0]["ok"]


def test_start_stop_restart_and_clear(manager: Manager, world: World) -> None:
    manager.add_token("xoxb-T1-1", "xoxb-T2-1")
    assert [one["ok"] for one in manager.stop("T1", "T404")] == [True, False]
    assert {bot.key: bot.desired for bot in world.fleet.bots()} == {"T1": "stopped", "T2": "running"}
    assert len(manager.stop()) == 2
    assert [one["status"] for one in manager.start()] == ["connecting", "connecting"]
    assert [one["status"] for one in manager.restart("T1")] == ["connecting"]
    assert {bot.key: bot.generation for bot in world.fleet.bots()} == {"T1": 3, "T2": 2}
    assert manager.status()["statuses"] == {"connecting": 2}
    assert manager.status("T1")["bots"][0]["team_id"] == "T1"
    assert manager.clear_tokens() == 2
    assert manager.status()["total"] == manager.clear_tokens() == 0


def test_monitor_runs_as_many_rounds_as_wanted(manager: Manager, world: World) -> None:
    world.door.token("T1", "xoxb-T1-1")
    manager.monitor(rounds=0)
    assert not list(world.fleet.bots())
    manager.monitor(rounds=1)
    assert [bot.key for bot in world.fleet.bots()] == ["T1"]
    world.watched.calls.clear()
    manager.monitor(rounds=3)
    assert world.watched.calls["door"] == 3


def test_monitor_leaves_a_stopped_bot_stopped(manager: Manager, world: World) -> None:
    manager.add_token("xoxb-T1-1")
    manager.stop("T1")
    manager.monitor(rounds=2)
    [bot] = world.fleet.bots()
    assert (bot.desired, bot.generation) == ("stopped", 1)


def test_monitor_goes_on_when_the_store_was_away(
    manager: Manager, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    store = world.real_store
    assert isinstance(store, MemoryStore)
    store.down = True
    store.teams["T1"] = "xoxb-T1-1"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(manager.monitor)
        eventually(lambda: [record for record in caplog.records if record.levelno == logging.ERROR])
        assert not running.done()
        store.down = False
        eventually(lambda: list(world.fleet.bots()))
        manager.leave()
        running.result(5)


def test_leave_ends_monitor_at_once(world: World) -> None:
    manager = Manager(world.make_fleet(check_interval=3600.0))
    thread = threading.Thread(target=manager.monitor)
    thread.start()
    eventually(lambda: world.watched.calls["door"] == 1)
    manager.leave()
    thread.join(5)
    assert not thread.is_alive()


def test_an_interrupt_ends_monitor(manager: Manager, world: World) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    world.watched.after["door"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        manager.monitor()


def test_without_a_fleet_it_takes_the_deployments(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.write("celeryconfig.py", 'botfleet_store_url = "memory://"', "botfleet_shards = 7")
    manager = Manager()
    assert manager.status()["total"] == 0
    assert manager._fleet.store.shards == 7
    monkeypatch.setenv("BOTFLEET_SHARDS", "many")
    with pytest.raises(ConfigurationError, match="BOTFLEET_SHARDS"):
        Manager()
