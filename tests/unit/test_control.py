"""The control tasks, called here and now, and what their arguments look like on their way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from botfleet import control
from botfleet.celery import app
from botfleet.handlers import HandlerContext
from botfleet.handlers.directory import REFRESH_INTERVAL, ROTA
from botfleet.model import Schedule
from botfleet.publishing.ordered import OrderedLanes
from botfleet.secrets import Seal
from botfleet.store import MemoryStore
from botfleet.store.redis_client import client_of
from tests.fleets import NOW, SHARDS, FakeClock, MemoryDoor, World

TOKEN = "xoxb-T1-1"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """The fleet that the app takes for its own."""
    clock = FakeClock()
    store = MemoryStore(SHARDS, clock)
    made = World(store, MemoryDoor(store), clock)
    monkeypatch.setitem(vars(app), "fleet", made.fleet)
    return made


@pytest.mark.parametrize(
    "token", [TOKEN, f" {TOKEN}", f'"{TOKEN}"', f"Bearer {TOKEN}", f"{TOKEN} {TOKEN}", "xoxb-é", "xapp-1-T1"]
)
def test_no_token_travels_bare_and_a_bad_one_is_refused_by_the_task_only(world: World, token: str) -> None:
    sealed = control._sealed(token)
    assert sealed.startswith("sealed:")
    assert world.seal.open(sealed).reveal() == token
    [result] = control.add_token(sealed)
    assert result["ok"] == (token == TOKEN)


@pytest.mark.parametrize("argument", ["T1", "beta-T1", "sealed:abc", "plain:xoxb-1", "", 5, None, ["xoxb-1"]])
@pytest.mark.usefixtures("world")
def test_other_arguments_travel_as_they_are(argument: Any) -> None:
    assert control._sealed(argument) == argument


def test_without_keys_nothing_is_sealed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(app), "fleet", world.make_fleet(Seal()))
    assert control._sealed(TOKEN) == TOKEN


def test_one_result_per_argument_in_order(world: World) -> None:
    results = control.add_token(TOKEN, "junk", 5, "xoxb-T2-1", "sealed:é", TOKEN)  # type: ignore[arg-type]
    assert [one["ok"] for one in results] == [True, False, False, True, False, True]
    for task in (control.update_token, control.check_token, control.start, control.stop, control.restart):
        assert [one["ok"] for one in task("T404", "T1", "T\ud800", "T2")] == [False, True, False, True]
    assert [one["ok"] for one in control.remove_token("T1", "T1", "xoxb-T2-1")] == [True, False, True]
    for one in results:
        assert list(json.loads(json.dumps(one))) == ["ok", "team_id", "status", "error"]


def test_namespaces(world: World) -> None:
    assert control.add_token(TOKEN, namespace="beta")[0]["ok"]
    for task in (control.update_token, control.check_token, control.start, control.stop, control.restart):
        assert [one["ok"] for one in task("T1", namespace="beta")] == [True]
        assert [one["ok"] for one in task("T1", namespace="other")] == [False]
    assert control.status("T1", namespace="beta")["bots"][0]["namespace"] == "beta"
    assert control.status()["total"] == 1


@pytest.mark.usefixtures("world")
def test_a_message_to_nobody() -> None:
    for team_id, shown in (("T404", "T404"), (TOKEN, None)):
        result = control.message(team_id, "C1", "hi")
        assert (result["ok"], result["team_id"]) == (False, shown)
        assert result["error"].startswith("unknown_bot")


def test_a_sweep_is_left_out_while_the_lanes_are_away(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(vars(app), "lanes", OrderedLanes(client_of("redis://127.0.0.1:1/0")))
    control.sweep_lanes()
    assert "A sweep was left out" in caplog.text
    monkeypatch.setitem(vars(app), "lanes", None)
    caplog.clear()
    control.sweep_lanes()
    assert caplog.text == ""


def test_reconciling_leaves_a_round_out_while_the_store_is_away(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(world.real_store, MemoryStore)
    world.door.token("T1", TOKEN)
    world.real_store.down = True
    control.reconcile()
    assert "A round was left out" in caplog.text
    world.real_store.down = False
    control.reconcile()
    assert world.store.bot("T1") is not None


def test_directories_of_bots_that_are_gone_have_no_turn_any_more(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = world.real_store
    assert isinstance(store, MemoryStore)
    context = HandlerContext(store=store, seal=world.seal, settings=world.settings, api=world.slack)
    monkeypatch.setitem(vars(app), "handler_context", context)
    store.set_turn(ROTA, "T9", 0.0)
    store.down = True
    control.refresh_directory()
    assert "No directory was refreshed" in caplog.text
    store.down = False
    control.refresh_directory()
    world.clock.now += REFRESH_INTERVAL
    assert store.take_turns(ROTA, 1, 0.0) == []


class TestTicks:
    """`botfleet.tick`, with the broker's side watched."""

    MINUTELY = Schedule(task="tasks.minutely", seconds=60)
    SLOW = Schedule(task="tasks.slow", seconds=60, queue="slow")

    @pytest.fixture
    def sent(self, world: World, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
        """What was sent; both timers are due."""
        found: list[tuple[str, dict[str, Any]]] = []
        monkeypatch.setattr(app, "send_task", lambda name, **options: found.append((name, options)))
        world.real_store.put_timers("handler", [self.MINUTELY, self.SLOW], 1e9)
        control.tick()
        assert found == []
        world.clock.now += 61
        return found

    def test_what_is_due_is_sent_once_to_its_queue(
        self, world: World, sent: list[tuple[str, dict[str, Any]]]
    ) -> None:
        control.tick()
        control.tick()
        (first, options), (second, others) = sent
        assert (first, options["queue"]) == ("tasks.minutely", "events.other")
        assert (second, others["queue"]) == ("tasks.slow", "slow")
        assert options["args"] == [{"due_at": NOW + 60, "sent_at": NOW + 61, "last_run": None}]
        assert options["task_id"] == f"tasks.minutely:{NOW + 60:.3f}"
        assert 0 < options["expires"] < 60

    def test_what_the_broker_does_not_take_stays_due(
        self,
        world: World,
        sent: list[tuple[str, dict[str, Any]]],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def away(name: str, **options: Any) -> None:
            raise OperationalError("redis://:password@host is away")

        with monkeypatch.context() as patch:
            patch.setattr(app, "send_task", away)
            control.tick()
        assert caplog.text.count("could not be sent and stays due") == 2
        assert "password" not in caplog.text
        control.tick()
        assert sorted(name for name, _ in sent) == ["tasks.minutely", "tasks.slow"]

    def test_a_store_that_is_away_costs_a_tick(
        self, world: World, sent: list[tuple[str, dict[str, Any]]], caplog: pytest.LogCaptureFixture
    ) -> None:
        assert isinstance(world.real_store, MemoryStore)
        world.real_store.down = True
        control.tick()
        assert "A tick was left out" in caplog.text
        world.real_store.down = False
        control.tick()
        assert len(sent) == 2

    def test_what_was_taken_before_the_store_went_away_is_sent(
        self, world: World, sent: list[tuple[str, dict[str, Any]]]
    ) -> None:
        store = world.real_store
        assert isinstance(store, MemoryStore)
        world.watched.after["replace_timer"] = lambda: setattr(store, "down", True)
        control.tick()
        store.down = False
        control.tick()
        assert sorted(name for name, _ in sent) == ["tasks.minutely", "tasks.slow"]
