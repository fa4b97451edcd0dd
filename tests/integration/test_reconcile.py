"""Reconciliation rule by rule, on each kind of store."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
import redis

from botfleet.errors import StoreUnavailable
from botfleet.model import Bot, Command, Status
from botfleet.reconcile import BOTS_PER_ROUND, DOOR_PER_ROUND, Round
from botfleet.secrets import Seal
from botfleet.store import MemoryStore
from botfleet.store.redis import RedisStore
from tests.fleets import NOW, SHARDS, FakeClock, MemoryDoor, RedisDoor, World


@pytest.fixture
def memory() -> World:
    clock = FakeClock()
    store = MemoryStore(SHARDS, clock)
    return World(store, MemoryDoor(store), clock)


@pytest.fixture(params=["memory", "valkey"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        return request.getfixturevalue("memory")
    store = request.getfixturevalue("redis_store")
    return World(store, RedisDoor(store, request.getfixturevalue("redis_client")), FakeClock())


def run(world: World, times: int = 1) -> Round:
    """Runs rounds; returns the last one's counts."""
    for _ in range(times):
        done = world.reconciler().run()
    return done


def run_in_two_threads(world: World) -> list[Round]:
    together = threading.Barrier(2)

    def one(_: int) -> Round:
        reconciler = world.reconciler()
        together.wait(10)
        return reconciler.run()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(2)))


def generation(world: World, key: str = "T1") -> int:
    bot = world.store.bot(key)
    assert bot is not None
    return bot.generation


# The door


def test_a_token_at_the_door_becomes_a_bot(world: World) -> None:
    world.door.token("T1", "xoxb-T1-1")
    assert run(world).admitted == 1
    bot = world.store.bot("T1")
    assert bot is not None
    assert world.seal.open(bot.sealed_token).reveal() == "xoxb-T1-1"
    assert (bot.generation, bot.desired, bot.added_at) == (1, "running", NOW)
    assert world.door.waiting() == {}
    assert world.nudged() == ["T1"]
    assert run(world).admitted == 0


def test_another_token_at_the_door_replaces_the_first(world: World) -> None:
    first = world.add("T1")
    world.door.token("T1", "xoxb-T1-2")
    assert run(world).admitted == 1
    bot = world.store.bot("T1")
    assert bot is not None
    assert (bot.generation, bot.added_at) == (2, first.added_at)
    assert world.seal.open(bot.sealed_token).reveal() == "xoxb-T1-2"
    assert world.store.key_of_token(first.fingerprint) is None
    assert world.nudged() == ["T1"]


def test_the_same_token_at_the_door_changes_nothing(world: World) -> None:
    bot = world.add("T1")
    versions = world.store.changes(0).shards
    world.door.token("T1", "xoxb-T1-1")
    assert run(world).admitted == 1
    assert world.store.bot("T1") == bot
    assert world.store.changes(0).shards == versions
    assert world.door.waiting() == {}
    assert world.nudged() == []


def test_destroy_removes_the_bot(world: World) -> None:
    world.add("T1")
    world.add("T2")
    world.say("T1")
    world.door.state("T1", "destroy")
    assert run(world).admitted == 1
    assert world.store.bot("T1") is world.store.status("T1") is None
    assert world.store.bot("T2") is not None
    assert world.door.waiting() == {}
    assert world.nudged() == ["T1"]


@pytest.mark.parametrize("state", ["restart", "connected", "something else", ""])
def test_restart_and_every_unknown_state_connect_anew(world: World, state: str) -> None:
    bot = world.add("T1", desired="stopped")
    world.door.state("T1", state)
    assert run(world).admitted == 1
    after = world.store.bot("T1")
    assert after is not None
    assert (after.generation, after.desired, after.sealed_token) == (2, "running", bot.sealed_token)
    assert world.door.waiting() == {}
    assert world.nudged() == ["T1"]
    assert world.slack.asked == []


def test_a_namespaced_field(world: World) -> None:
    world.add("T1")
    world.door.token("my-app-T1", "xoxb-T1-2")
    run(world)
    assert generation(world, "my-app-T1") == 1
    world.door.state("my-app-T1", "restart")
    run(world)
    assert generation(world, "my-app-T1") == 2
    world.door.state("my-app-T1", "destroy")
    run(world)
    assert world.store.bot("my-app-T1") is None
    assert generation(world) == 1


def test_a_bare_field_means_the_fleets_own_namespace(world: World) -> None:
    world.fleet = world.make_fleet(namespace="beta")
    world.door.token("T1", "xoxb-T1-1")
    run(world)
    assert (world.store.bot("T1"), generation(world, "beta-T1")) == (None, 1)
    world.door.state("T1", "destroy")
    run(world)
    assert world.store.bot("beta-T1") is None


@pytest.mark.parametrize(
    ("field", "written", "key"),
    [
        ("T1", {"team_id": "T1", "token": "xoxb-T1-1"}, "T1"),
        ("beta-T1", {"team_id": "T1", "token": "xoxb-T1-1", "namespace": "beta"}, "beta-T1"),
        ("beta-T1", {"team_id": "T1", "token": "xoxb-T1-1"}, "beta-T1"),
        ("T1", {"token": "xoxb-T1-1", "namespace": "beta"}, "beta-T1"),
        ("T1", {"token": "xoxb-T1-1", "namespace": ""}, "T1"),
        ("T1", {"token": "xoxb-T1-1", "namespace": None, "further": [1]}, "T1"),
    ],
)
def test_relaxs_json(world: World, field: str, written: dict[str, Any], key: str) -> None:
    world.door.token(field, json.dumps(written))
    assert run(world).admitted == 1
    assert [bot.key for bot in world.fleet.bots()] == [key]
    assert world.slack.asked == ["xoxb-T1-1"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("   ", id="spaces"),
        pytest.param("secret-1", id="no token"),
        pytest.param("xoxb-secret 1", id="space inside"),
        pytest.param("xoxb-sécret", id="not ASCII"),
        pytest.param("x" * 100_000 + "secret", id="long"),
        pytest.param("sealed:sécret", id="sealed, not ASCII"),
        pytest.param("sealed:secret", id="sealed by nobody"),
        pytest.param("[]", id="list"),
        pytest.param("null", id="null"),
        pytest.param("{", id="broken JSON"),
        pytest.param('{"token": "xoxb-T1-secret"', id="half of JSON"),
        pytest.param("{}", id="empty JSON"),
        pytest.param('{"token": null}', id="no token in JSON"),
        pytest.param('{"token": {"secret": 1}}', id="object as token"),
        pytest.param('{"token": "xoxb-T1-secret", "namespace": ["a"]}', id="list as namespace"),
        pytest.param('{"token": "xoxb-T1-secret", "namespace": "a b"}', id="bad namespace"),
        pytest.param('{"token": "\\ud800secret"}', id="half a character"),
        pytest.param('{"a":' * 200_000, id="deep JSON"),
        pytest.param('{"token": ' + "9" * 10_000 + "}", id="long number"),
    ],
)
def test_junk_at_the_door_is_told_and_hinders_nobody(
    world: World, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.door.token("T1", value)
    world.door.token("T2", "xoxb-T2-1")
    caplog.set_level(logging.DEBUG)
    assert run(world).admitted == 2
    assert [bot.key for bot in world.fleet.bots()] == ["T2"]
    assert world.door.waiting() == {}
    [error] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "token of T1" in error.getMessage()
    assert "secret" not in caplog.text
    assert len(error.getMessage()) < 300


@pytest.mark.parametrize("field", ["", " ", "T 1", "Té", "-", "T1\nT2", "x" * 10_000, "beta--T1", "xoxb-"])
@pytest.mark.parametrize("state", ["destroy", "restart"])
def test_a_field_that_names_no_bot(
    world: World, field: str, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    bot = world.add("T1")
    world.door.state(field, state)
    assert run(world).admitted == 1
    assert world.store.bot("T1") == bot
    assert world.door.waiting() == {}
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(record.getMessage().splitlines()) == 1
    assert len(record.getMessage()) < 300


def test_a_state_may_be_kept_by_token_which_no_log_shows(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.add("T1")
    caplog.set_level(logging.DEBUG)
    world.door.state("xoxb-T1-1", "destroy")
    world.door.state("xoxb-T2-1", "destroy")
    world.door.token("xoxb-T3-1", "xoxb-T3-1")
    assert run(world).admitted == 3
    assert [bot.key for bot in world.fleet.bots()] == ["T3"]
    assert "xoxb" not in caplog.text


def test_two_programs_at_the_door_at_once(world: World) -> None:
    world.add("T1")
    world.add("T2")
    world.door.token("T1", "xoxb-T1-2")
    world.door.token("beta-T1", "xoxb-T1-3")
    world.door.state("T1", "restart")
    world.door.state("T2", "destroy")
    world.door.token("T3", "xoxb-T3-1")
    assert run(world).admitted == 5
    assert sorted(bot.key for bot in world.fleet.bots()) == ["T1", "T3", "beta-T1"]
    bot = world.store.bot("T1")
    assert bot is not None
    assert world.seal.open(bot.sealed_token).reveal() == "xoxb-T1-2"
    assert bot.generation == 3


def test_an_entry_changed_while_it_was_admitted_is_not_lost(world: World) -> None:
    def change(token: str) -> None:
        if token == "xoxb-T1-1":
            world.door.token("T1", "xoxb-T1-2")

    world.slack.before = change
    world.door.token("T1", "xoxb-T1-1")
    assert run(world).admitted == 0
    assert world.door.waiting() == {"T1": "xoxb-T1-2"}
    assert run(world).admitted == 1
    assert world.slack.asked == ["xoxb-T1-1", "xoxb-T1-2"]
    assert world.door.waiting() == {}
    assert generation(world) == 2


@pytest.mark.parametrize("error", ["unreachable", "timeout", "ratelimited", "internal_error"])
def test_while_slack_is_away_tokens_wait_and_the_rest_is_done(
    world: World, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.add("T2")
    world.add("T3")
    world.slack.errors[""] = error
    world.door.token("T1", "xoxb-T1-1")
    world.door.state("T2", "destroy")
    world.door.state("T3", "restart")
    assert run(world).admitted == 2
    assert world.door.waiting() == {"T1": "xoxb-T1-1"}
    assert [bot.key for bot in world.fleet.bots()] == ["T3"]
    assert error in caplog.text
    assert "xoxb" not in caplog.text
    world.slack.errors.clear()
    assert run(world).admitted == 1
    assert generation(world) == 1


@pytest.mark.parametrize("error", ["invalid_auth", "account_inactive", "missing_scope"])
def test_a_refused_token_is_taken_away(world: World, error: str, caplog: pytest.LogCaptureFixture) -> None:
    world.slack.errors["xoxb-T1-1"] = error
    world.door.token("T1", "xoxb-T1-1")
    world.door.token("T2", "xoxb-T2-1")
    assert run(world).admitted == 2
    assert world.door.waiting() == {}
    assert [bot.key for bot in world.fleet.bots()] == ["T2"]
    assert f"token of T1: {error}" in caplog.text


def test_a_dead_token_at_the_door_is_tried_once_more(world: World) -> None:
    world.add("T1")
    world.say("T1", "token_revoked", holder="", error="account_inactive")
    world.door.token("T1", "xoxb-T1-1")
    run(world)
    assert generation(world) == 2
    assert world.nudged() == ["T1"]


def test_a_crash_between_doing_and_taking_away_does_it_twice_which_is_once(world: World) -> None:
    def die() -> None:
        raise StoreUnavailable("away")

    world.door.token("T1", "xoxb-T1-1")
    world.watched.after["change_bot"] = die
    assert run(world).admitted == 0
    assert world.door.waiting() == {"T1": "xoxb-T1-1"}
    assert run(world).admitted == 1
    assert generation(world) == 1


def test_a_crowd_at_the_door_is_let_in_round_by_round(world: World) -> None:
    teams = {f"T{number}" for number in range(DOOR_PER_ROUND + 20)}
    for team in teams:
        world.door.token(team, f"xoxb-{team}-1")
    assert run(world).admitted == DOOR_PER_ROUND
    assert run(world).admitted == 20
    assert {bot.key for bot in world.fleet.bots()} == teams


def test_a_slow_slack_does_not_make_a_round_long(world: World) -> None:
    def take_time(token: str) -> None:
        world.elapsed.now += 2.0

    world.slack.before = take_time
    for number in range(10):
        world.door.token(f"T{number}", f"xoxb-T{number}-1")
    world.add("T99")
    world.door.state("T99", "destroy")
    assert run(world).admitted == 4  # three tokens in 5 s, and what Slack is not asked about
    assert world.store.bot("T99") is None
    assert len(world.door.waiting()) == 7
    assert run(world, 3).admitted == 1
    assert len(list(world.fleet.bots())) == 10


def test_a_door_of_another_type_is_told_and_the_round_goes_on(
    redis_store: RedisStore, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(redis_store, RedisDoor(redis_store, redis_client), FakeClock())
    redis_client.set("tokens:teams", "T1")
    world.add("T1")
    world.say("T1")
    assert run(world).corrected == 1
    assert "The door can't be read" in caplog.text


# Dead holders


@pytest.mark.parametrize(
    ("state", "retry_at"),
    [
        ("connected", 0.0),
        ("connecting", 0.0),
        ("rate_limited", NOW - 1),
        ("rate_limited", 0.0),
        ("disconnected", NOW + 5),
    ],
)
def test_a_dead_holders_bots_are_disconnected(world: World, state: str, retry_at: float) -> None:
    world.add("T1", generation=3)
    world.say("T1", state, retry_at=retry_at, generation=3)
    done = run(world)
    assert done.corrected == 1
    expected = Status(state="disconnected", since=NOW, error="holder gone", generation=3)
    assert world.store.status("T1") == expected
    assert run(world).corrected == 0


def test_what_slack_asked_for_outlives_the_holder(world: World) -> None:
    world.add("T1")
    status = world.say("T1", "rate_limited", retry_at=NOW + 30)
    assert run(world).corrected == 0
    assert world.store.status("T1") == status
    world.clock.now += 30
    assert run(world).corrected == 1


@pytest.mark.parametrize(
    ("state", "fields"),
    [
        ("connected", {"holder": "h2"}),
        ("connecting", {"holder": "h2"}),
        ("connected", {"holder": ""}),
        ("disconnected", {"error": "holder full: 1 connections"}),
        ("token_revoked", {"error": "account_inactive"}),
        ("stopped", {}),
    ],
)
def test_what_needs_no_holder_or_has_one_is_left_alone(
    world: World, state: str, fields: dict[str, Any]
) -> None:
    world.holder("h2")
    world.add("T1", desired="stopped" if state == "stopped" else "running")
    status = world.say("T1", state, **fields)
    assert run(world).corrected == 0
    assert world.store.status("T1") == status
    assert world.nudged() == []


def test_a_holder_that_stands_by_holds_nothing(world: World) -> None:
    world.holder("h1", standby=True)
    world.add("T1")
    world.say("T1")
    assert run(world).corrected == 1


def test_a_holder_that_begins_during_the_round_is_alive(world: World) -> None:
    """What it says may be read before its name is known."""
    world.add("T1")

    def begin() -> None:
        world.holder("h1")
        world.say("T1")

    world.watched.after["counts"] = begin
    assert run(world).corrected == 0


def test_what_a_holder_says_meanwhile_is_not_overwritten(world: World) -> None:
    world.add("T1")
    world.say("T1")
    newer = Status(state="connected", since=NOW, holder="h2", generation=1)

    def speak() -> None:
        world.real_store.put_statuses({"T1": newer})

    # The holders are read once more when a row of a dead one has been read.
    world.watched.after["counts"] = lambda: world.watched.after.update(holders=speak)
    assert run(world).corrected == 0
    assert world.store.status("T1") == newer


def test_another_holder_is_told_of_a_dead_ones_bots(world: World) -> None:
    world.holder("h2")
    world.add("T1")
    world.say("T1", holder="h1")
    done = run(world)
    assert (done.corrected, done.nudged) == (1, 1)
    assert world.nudged() == ["T1"]


# Bots without what they should have


@pytest.mark.parametrize(
    ("bot", "status"),
    [
        pytest.param({}, None, id="nothing was said"),
        pytest.param({"generation": 2}, {"state": "connected"}, id="restarted or changed"),
        pytest.param({"generation": 2}, {"state": "token_revoked", "holder": ""}, id="new token after death"),
        pytest.param({"desired": "stopped"}, {"state": "connected"}, id="not yet stopped"),
        pytest.param({"desired": "stopped"}, {"state": "disconnected"}, id="neither held nor stopped"),
        pytest.param({}, {"state": "stopped"}, id="not yet started"),
        pytest.param({}, {"state": "disconnected", "retry_at": NOW - 10}, id="overdue"),
        pytest.param({}, {"state": "disconnected", "holder": "", "error": "holder gone"}, id="holder gone"),
        pytest.param({}, {"state": "disconnected", "error": "holder stopped"}, id="holder stopped"),
    ],
)
def test_a_bot_that_is_not_as_it_should_be_is_shown_to_its_holder(
    world: World, bot: dict[str, Any], status: dict[str, Any] | None
) -> None:
    made = world.add("T1", **bot)
    if status is not None:
        world.say("T1", **status)
    assert run(world).nudged == 0  # there is nobody to tell
    assert world.nudged() == []
    world.holder()
    assert run(world).nudged == 1
    assert world.nudged() == ["T1"]
    assert world.store.bot("T1") == made


@pytest.mark.parametrize(
    ("bot", "status"),
    [
        pytest.param({}, {"state": "connected"}, id="connected"),
        pytest.param({}, {"state": "connecting"}, id="connecting"),
        pytest.param({}, {"state": "token_revoked", "holder": ""}, id="dead"),
        pytest.param({"desired": "stopped"}, {"state": "token_revoked", "holder": ""}, id="dead and stopped"),
        pytest.param({"desired": "stopped"}, {"state": "stopped"}, id="stopped"),
        pytest.param({}, {"state": "disconnected", "retry_at": NOW + 10}, id="waits"),
        pytest.param({}, {"state": "disconnected", "retry_at": NOW - 2}, id="just due"),
        pytest.param({}, {"state": "rate_limited", "retry_at": NOW + 10}, id="rate limited"),
        pytest.param({"transport": "socket"}, None, id="needs no socket of its own"),
        pytest.param({"updated_at": NOW - 1}, None, id="just added"),
        pytest.param(
            {"updated_at": NOW - 1, "desired": "stopped"}, {"state": "connected"}, id="just stopped"
        ),
    ],
)
def test_a_bot_that_is_as_it_should_be_is_left_alone(
    world: World, bot: dict[str, Any], status: dict[str, Any] | None
) -> None:
    world.holder()
    world.add("T1", **bot)
    if status is not None:
        world.say("T1", **status)
    done = run(world)
    assert (done.looked_at, done.corrected, done.nudged) == (1, 0, 0)
    assert world.nudged() == []


# Other programs in the registry itself


def test_a_bot_that_was_deleted_by_hand_is_forgotten(world: World) -> None:
    world.holder()
    world.add("T1")
    world.add("T2")
    world.say("T1")
    world.say("T2")
    world.door.bot_row("T1", None)
    assert run(world).nudged == 1
    assert world.store.status("T1") is None
    assert world.store.status("T2") is not None
    assert world.nudged() == ["T1"]
    assert run(world).nudged == 0


def test_a_bot_that_was_written_by_hand_is_seen_within_a_round(world: World) -> None:
    world.holder()
    token = world.seal.seal(world.fleet.open("xoxb-T1-1"))
    world.door.bot_row(
        "T1", msgspec.json.encode({"team_id": "T1", "sealed_token": token, "fingerprint": "f"})
    )
    done = run(world)
    assert (done.looked_at, done.nudged) == (1, 1)
    assert world.nudged() == ["T1"]


def test_a_bot_that_was_changed_by_hand_is_seen_within_a_round(world: World) -> None:
    world.holder()
    bot = world.add("T1")
    world.say("T1")
    assert run(world).nudged == 0
    world.door.bot_row("T1", msgspec.json.encode(msgspec.structs.replace(bot, generation=2)))
    assert run(world).nudged == 1
    assert world.nudged() == ["T1"]
    world.door.bot_row("T1", msgspec.json.encode(msgspec.structs.replace(bot, desired="stopped")))
    assert run(world).nudged == 1


@pytest.mark.parametrize("row", [None, b"{broken", b'{"state": "unheard of", "since": 1}'])
def test_a_status_that_was_changed_by_hand_is_said_anew(world: World, row: bytes | None) -> None:
    world.holder()
    world.add("T1")
    world.say("T1")
    world.door.status_row("T1", row)
    assert run(world).nudged == 1
    assert world.nudged() == ["T1"]


def test_a_whole_small_fleet_is_seen_in_one_round(world: World) -> None:
    world.holder()
    keys = [f"T{number}" for number in range(200)]
    for key in keys:
        world.add(key)
        world.say(key)
    for key in keys[::2]:
        world.door.bot_row(key, None)
    done = run(world)
    assert (done.looked_at, done.nudged) == (100, 100)
    assert world.nudged() == sorted(keys[::2])


@pytest.mark.parametrize("row", [b"{broken", b"", b'{"team_id": "T1"}', b"\xff\xfe", b"null"])
def test_an_unreadable_row_hinders_nobody_and_stays(
    world: World, row: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    world.fleet = world.make_fleet(check_tokens=10)
    world.holder("h2")
    for key in ("T1", "T2"):
        world.add(key)
        world.say(key)
    world.door.bot_row("T1", row)
    status = world.store.status("T1")
    done = run(world)
    assert (done.looked_at, done.corrected, done.checked) == (1, 1, 1)
    assert world.nudged() == ["T2"]
    # Its holder keeps the connection, and the row is as it was.
    assert world.store.status("T1") == status
    assert sum(world.store.counts()) == 2
    assert "T1" in caplog.text
    assert "xoxb" not in caplog.text


# Twice, and at the same time


def test_a_second_round_has_nothing_left_to_do(world: World) -> None:
    world.holder("h2")
    for number in range(10):
        world.add(f"T{number}")
        world.say(f"T{number}", holder="h2" if number % 2 else "h1")
    world.door.token("T20", "xoxb-T20-1")
    world.door.state("T0", "destroy")
    first = run(world)
    assert (first.admitted, first.corrected) == (2, 4)
    bots = {bot.key: bot for bot in world.fleet.bots()}
    second = run(world)
    assert (second.admitted, second.corrected, second.dead) == (0, 0, 0)
    assert {bot.key: bot for bot in world.fleet.bots()} == bots


def test_rounds_in_two_threads(world: World) -> None:
    world.fleet = world.make_fleet(check_tokens=5)
    world.holder("h2")
    for number in range(40):
        world.add(f"T{number}")
        world.say(f"T{number}", holder="h2" if number % 2 else "h1")
    for number in range(40, 60):
        world.door.token(f"T{number}", f"xoxb-T{number}-1")
        world.door.state(f"T{number - 40}", "destroy")
    rounds = run_in_two_threads(world)
    assert sum(done.admitted for done in rounds) == 40
    assert sum(done.corrected for done in rounds) == 10
    bots = {bot.key: bot for bot in world.fleet.bots()}
    assert sorted(bots) == sorted(f"T{number}" for number in range(20, 60))
    assert {bot.generation for bot in bots.values()} == {1}
    assert world.door.waiting() == {}
    states = Counter(one.status for one in world.fleet.report())
    assert states == {"connected": 10, "disconnected": 10, "connecting": 20}


def test_the_store_away_ends_a_round_and_the_next_one_does(memory: World) -> None:
    assert isinstance(memory.real_store, MemoryStore)
    memory.door.token("T1", "xoxb-T1-1")
    memory.real_store.down = True
    with pytest.raises(StoreUnavailable):
        run(memory)
    memory.real_store.down = False
    assert run(memory).admitted == 1


# The rotations


def shards_read(world: World) -> list[int]:
    return [args[0] for name, args in world.watched.arguments if name == "statuses"]


def world_of(shards: int) -> World:
    clock = FakeClock()
    store = MemoryStore(shards, clock)
    return World(store, MemoryDoor(store), clock)


def test_a_large_fleet_is_looked_at_in_rotation() -> None:
    world = world_of(1200)
    for round_ in range(1, 4):
        run(world)
        assert len(shards_read(world)) == len(set(shards_read(world))) or round_ == 3
    assert set(shards_read(world)) == set(range(1200))
    assert len(shards_read(world)) == 1500


def test_every_shard_is_looked_at_even_if_all_bots_are_in_one() -> None:
    world = world_of(4)
    bots = [f"T{number}" for number in range(4 * BOTS_PER_ROUND // 3)]
    in_one = [key for key in bots if world.store.shard(key) == 2]
    for key in in_one:
        world.add(key)
    done = run(world)
    assert done.looked_at == len(in_one)
    assert sorted(shards_read(world)) == [0, 1, 2, 3]


def test_a_shard_above_the_budget_is_looked_at_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botfleet.reconcile.BOTS_PER_ROUND", 15)
    world = world_of(8)
    for number in range(160):
        world.add(f"T{number}")
    counts = world.store.counts()
    assert min(counts) > 10
    looked_at = [run(world).looked_at for _ in range(8)]
    assert max(looked_at) <= 15 + max(counts)
    assert set(shards_read(world)) == set(range(8))


def test_rounds_at_the_same_time_share_the_rotation() -> None:
    world = world_of(1000)

    def another_round() -> None:
        world.watched.after["advance"] = lambda: None
        run(world)

    world.watched.after["advance"] = another_round
    run(world)
    assert sorted(shards_read(world)) == list(range(1000))


def test_a_fleet_without_shards_full_of_bots_is_no_error(world: World) -> None:
    world.fleet = world.make_fleet(check_tokens=5)
    assert run(world) == Round()


# Tokens


def test_slack_is_asked_about_all_bots_in_turn(world: World) -> None:
    world.fleet = world.make_fleet(check_tokens=3)
    tokens = {f"xoxb-T{number}-1" for number in range(7)}
    for number in range(7):
        world.add(f"T{number}")
    for _ in range(7):
        assert run(world).checked == 3
    first_turn, times = world.slack.asked[:7], Counter(world.slack.asked)
    assert set(first_turn) == tokens
    assert set(times.values()) == {3}


def test_a_small_fleet_is_asked_about_once_a_round(world: World) -> None:
    world.fleet = world.make_fleet(check_tokens=5)
    world.add("T1")
    world.add("T2")
    assert run(world).checked == 2
    assert sorted(world.slack.asked) == ["xoxb-T1-1", "xoxb-T2-1"]


def test_the_turn_goes_on_while_bots_come_and_go(world: World) -> None:
    world.fleet = world.make_fleet(check_tokens=3)
    for number in range(10):
        world.add(f"T{number}")
    run(world)
    for number in range(10, 13):
        world.add(f"T{number}")
    world.fleet.remove_token("T0")
    run(world, 8)
    assert set(world.slack.asked) >= {f"xoxb-T{number}-1" for number in range(1, 13)}


def test_nobody_is_asked_where_no_checks_are_wanted(world: World) -> None:
    world.add("T1")
    assert run(world).checked == 0
    assert world.slack.asked == []


@pytest.mark.parametrize("error", ["account_inactive", "token_revoked", "invalid_auth"])
def test_a_dead_token_dies_by_its_holder(world: World, error: str, caplog: pytest.LogCaptureFixture) -> None:
    world.fleet = world.make_fleet(check_tokens=5)
    world.holder()
    for key in ("T1", "T2"):
        world.add(key)
        world.say(key)
    world.slack.errors["xoxb-T1-1"] = error
    done = run(world)
    assert (done.checked, done.dead) == (2, 1)
    # The holder's next connect hears the same and tells the handlers.
    assert world.sent() == [Command(op="disconnect", key="T1")]
    assert world.store.status("T1") == Status(state="connected", since=NOW - 500, holder="h1", generation=1)
    assert error in caplog.text
    assert "xoxb" not in caplog.text
    # Then it is asked about no more.
    world.say("T1", "token_revoked", error=error)
    world.slack.asked.clear()
    assert run(world).dead == 0
    assert world.slack.asked == ["xoxb-T2-1"]


def test_without_a_holder_a_dead_token_waits_for_one(world: World) -> None:
    world.fleet = world.make_fleet(check_tokens=5)
    world.add("T1")
    world.slack.errors["xoxb-T1-1"] = "account_inactive"
    run(world, 3)
    assert world.sent() == []
    assert world.store.status("T1") is None


def test_a_dead_token_of_a_bot_without_socket_is_marked(world: World) -> None:
    world.fleet = world.make_fleet(check_tokens=5)
    world.add("T1", transport="http", generation=2)
    world.slack.errors["xoxb-T1-1"] = "account_inactive"
    assert run(world).dead == 1
    expected = Status(state="token_revoked", since=NOW, error="account_inactive", generation=2)
    assert world.store.status("T1") == expected
    assert run(world).checked == 0


def test_stopped_and_dead_bots_are_not_asked_about(world: World) -> None:
    world.fleet = world.make_fleet(check_tokens=5)
    world.add("T1", desired="stopped")
    world.add("T2")
    world.say("T2", "token_revoked", holder="", error="account_inactive")
    world.add("T3")
    assert run(world).checked == 1
    assert world.slack.asked == ["xoxb-T3-1"]


@pytest.mark.parametrize("error", ["internal_error", "ratelimited", "missing_scope", "never_heard_of"])
def test_other_refusals_change_nothing_and_hinder_nobody(world: World, error: str) -> None:
    world.fleet = world.make_fleet(check_tokens=5)
    world.holder()
    statuses = {}
    for key in ("T1", "T2", "T3"):
        world.add(key)
        statuses[key] = world.say(key)
        world.slack.errors[f"xoxb-{key}-1"] = error
    done = run(world)
    assert (done.checked, done.dead) == (3, 0)
    assert {key: world.store.status(key) for key in statuses} == statuses
    assert world.sent() == []


@pytest.mark.parametrize("error", ["unreachable", "timeout"])
def test_a_slack_that_is_away_is_asked_once_a_round(world: World, error: str) -> None:
    world.fleet = world.make_fleet(check_tokens=5)
    world.holder()
    for key in ("T1", "T2", "T3"):
        world.add(key)
        world.say(key)
    world.slack.errors[""] = error
    assert run(world).checked == 1
    assert world.sent() == []
    world.slack.errors.clear()
    assert run(world).checked == 3


def test_a_slow_slack_is_not_asked_for_longer_than_an_interval(world: World) -> None:
    def take_time(token: str) -> None:
        world.elapsed.now += 4.0

    world.slack.before = take_time
    world.fleet = world.make_fleet(check_tokens=10)
    for number in range(10):
        world.add(f"T{number}")
    assert run(world).checked == 2


def test_a_token_sealed_with_another_key_is_told_by_bot_and_kept(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    bot = world.add("T1")
    world.add("T2", sealed_token="plain:xoxb-T2-1")
    world.fleet = world.make_fleet(Seal([Seal.new_key()]), check_tokens=5)
    assert run(world).checked == 2
    assert world.slack.asked == ["xoxb-T2-1"]
    assert world.store.bot("T1") == bot
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage().startswith("T1: the token was sealed with a key")
    assert "BOTFLEET_SECRET_KEYS" in record.getMessage()


# What a round costs


def calls_of_a_round(world: World, bots: int) -> Counter[str]:
    world.holder()
    for number in range(bots):
        world.add(f"T{number}")
        world.say(f"T{number}")
    run(world)
    world.watched.calls.clear()
    done = run(world)
    assert (done.looked_at, done.corrected, done.nudged) == (bots, 0, 0)
    return Counter(world.watched.calls)


def test_rounds_count_bots_by_state(world: World) -> None:
    for team_id, state in (("T1", "connected"), ("T2", "connected"), ("T3", "token_revoked")):
        world.add(team_id, token=team_id)
        status = Status(state=state, since=NOW, generation=1)  # type: ignore[arg-type]
        world.store.put_statuses({team_id: status})
    world.add("T4", token="T4", desired="stopped")
    run(world)
    assert world.store.state_counts() == {"connected": 2, "token_revoked": 1, "stopped": 1}
    world.store.change_bot("T1", lambda old: None)
    run(world)
    assert world.store.state_counts() == {"connected": 1, "token_revoked": 1, "stopped": 1}


def test_a_quiet_round_costs_the_same_with_few_bots_and_with_many() -> None:
    few, many = (calls_of_a_round(world_of(16), bots) for bots in (3, 1000))
    assert few == many
    assert few["statuses"] == few["bots"] == 16
    assert few.total() <= 2 * 16 + 8


def test_a_quiet_rounds_cost_does_not_grow_with_the_shards() -> None:
    most = BOTS_PER_ROUND // 10
    small, large = (calls_of_a_round(world_of(shards), 0) for shards in (most, 8 * most))
    assert small == large
    assert large.total() <= 2 * most + 8


def test_checks_cost_the_same_with_few_bots_and_with_many() -> None:
    worlds = [world_of(16), world_of(16)]
    costs = []
    for world, bots in zip(worlds, (50, 1000), strict=True):
        world.fleet = world.make_fleet(check_tokens=5)
        costs.append(calls_of_a_round(world, bots))
    # The tokens' turn may cross the border of a shard.
    assert max(cost.total() for cost in costs) <= 2 * 16 + 8 + 2 + 5 + 3


def test_a_quiet_round_in_redis_is_a_bounded_number_of_commands(
    redis_store: RedisStore, redis_client: redis.Redis
) -> None:
    world = World(redis_store, RedisDoor(redis_store, redis_client), FakeClock())
    calls_of_a_round(world, 300)

    def commands() -> int:
        stats: Any = redis_client.info("stats")
        return int(stats["total_commands_processed"])

    before = commands()
    run(world)
    # Five a shard: two counts, its bots, its statuses, and how many of them were in which state.
    assert commands() - before <= 5 * SHARDS + 14


def test_a_bots_row_is_never_written_by_a_round(world: World) -> None:
    """Rounds say what is; what should be is for people to say."""
    world.fleet = world.make_fleet(check_tokens=5)
    world.holder("h2")
    bots: dict[str, Bot] = {}
    for number, state in enumerate(("connected", "stopped", "token_revoked", "disconnected")):
        key = f"T{number}"
        bots[key] = world.add(key)
        world.say(key, state)
    versions = world.store.changes(0).shards
    run(world, 3)
    assert {bot.key: bot for bot in world.fleet.bots()} == bots
    assert world.store.changes(0).shards == versions
