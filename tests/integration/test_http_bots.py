"""Bots whose events come by HTTP, which no holder connects, on each kind of store."""

from __future__ import annotations

import pytest

from botfleet.cli import add as add_command
from botfleet.errors import StoreUnavailable
from botfleet.fleet import SERVED, describe
from botfleet.model import Bot, Command, Status
from botfleet.sandbox import SandboxControl
from botfleet.store import MemoryStore
from tests.fleets import NOW, FakeClock, MemoryDoor, RedisDoor, World

from ..waiting import eventually
from .holders import MakeWorld, make_world, stays
from .sandbox_fixtures import Workspace, control, sandbox, team

__all__ = ["control", "make_world", "sandbox", "team"]  # fixtures

CONNECTED = Status(state="connected", since=NOW, generation=1)


@pytest.fixture(params=["memory", "valkey"])
def world(request: pytest.FixtureRequest) -> World:
    clock = FakeClock()
    if request.param == "memory":
        store = MemoryStore(16, clock)
        return World(store, MemoryDoor(store), clock)
    redis_store = request.getfixturevalue("redis_store")
    return World(redis_store, RedisDoor(redis_store, request.getfixturevalue("redis_client")), clock)


def bot(world: World, key: str = "T1") -> Bot:
    found = world.store.bot(key)
    assert found is not None
    return found


def add(world: World, number: int = 1, **options: str) -> str:
    result = world.fleet.add_token(f"xoxb-T1-{number}", **{"transport": "http", **options})
    assert result.ok, result
    return f"{result.status} {result.outcome}"


def install(world: World, number: int = 1) -> str:
    result = world.fleet.install(f"xoxb-T1-{number}", transport="http")
    assert result.ok, result
    return f"{result.status} {result.outcome}"


def told(world: World) -> list[str]:
    """What handlers are told of, once each, as publishing has it."""
    happened = [command.happening for command in world.sent() if command.happening is not None]
    return list(dict.fromkeys(one.type for one in happened))


def die(world: World, number: int = 1, error: str = "account_inactive") -> None:
    world.slack.errors[f"xoxb-T1-{number}"] = error


def test_it_is_connected_as_soon_as_it_is_added(world: World) -> None:
    assert add(world) == "connected created"
    assert (bot(world).transport, world.store.status("T1")) == ("http", CONNECTED)
    assert told(world) == ["bot_created"]
    report = world.fleet.status("T1")["bots"][0]
    assert (report["status"], report["transport"], report["since"], report["holder"]) == (
        "connected",
        "http",
        NOW,
        "",
    )
    assert add(world) == "connected already_active"
    assert (told(world), world.store.status("T1")) == ([], CONNECTED)


def test_the_command_line_takes_what_is_served() -> None:
    (option,) = [one for one in add_command.params if one.name == "transport"]
    assert tuple(option.type.choices) == SERVED  # type: ignore[attr-defined]


def test_a_new_token_replaces_that_of_a_live_bot_without_a_gap(world: World) -> None:
    add(world)
    world.clock.now += 60
    seen: list[str] = []
    world.watched.after["change_bot"] = lambda: seen.append(
        describe(bot(world), world.real_store.status("T1")).status
    )
    assert install(world, 2) == "connected already_active"
    # The newest token counts, and the bot was never away: not even between the two writes.
    assert world.seal.open(bot(world).sealed_token).reveal() == "xoxb-T1-2"
    assert seen == ["connected"]
    assert world.store.status("T1") == Status(state="connected", since=NOW, generation=2)
    assert told(world) == ["bot_created", "bot_restarted"]
    history = [(entry.at, entry.what) for entry in world.store.history("T1")]
    assert history == [(NOW + 60, "bot_restarted"), (NOW, "connected"), (NOW, "bot_created")]


@pytest.mark.parametrize("known", [True, False])
def test_an_installation_reactivates_a_dead_bot_in_the_same_record(world: World, known: bool) -> None:
    add(world)
    first = bot(world)
    die(world)
    if known:
        assert world.fleet.deactivate(first, "token_revoked")
    world.clock.now += 60
    # Else Slack is asked about the token that it had: nobody had seen it die.
    assert install(world, 2) == "connected reactivated"
    after = bot(world)
    assert (after.added_at, after.generation, len(list(world.fleet.bots()))) == (first.added_at, 2, 1)
    assert world.store.status("T1") == Status(state="connected", since=NOW + 60, generation=2)
    assert told(world) == ["bot_created", "bot_deactivated", "bot_reactivated"]


def test_the_same_token_reactivates_it_too(world: World) -> None:
    add(world)
    world.fleet.deactivate(bot(world), "token_revoked")
    assert install(world) == "connected reactivated"
    assert (bot(world).generation, world.slack.asked) == (2, ["xoxb-T1-1", "xoxb-T1-1"])


def test_an_installation_starts_a_bot_that_was_stopped_and_a_token_alone_does_not(world: World) -> None:
    add(world)
    world.fleet.stop("T1")
    assert add(world) == "stopped None"
    assert install(world) == "connected reactivated"
    assert bot(world).desired == "running"


def test_a_slack_that_is_away_makes_no_bot_dead(world: World) -> None:
    add(world)
    die(world, error="internal_error")
    assert install(world, 2) == "connected already_active"


def test_the_transport_stays_unless_another_is_asked_for(world: World) -> None:
    add(world)
    assert world.fleet.add_token("xoxb-T1-2").status == "connected"
    assert world.fleet.update_token("xoxb-T1-3").status == "connected"
    assert bot(world).transport == "http"
    assert world.fleet.add_token("xoxb-T1-3", transport="rtm").status == "connecting"
    assert add(world, 3) == "connected already_active"


def test_it_is_stopped_started_and_restarted(world: World) -> None:
    add(world)
    (stopped,) = world.fleet.stop("T1")
    assert (stopped.status, world.store.status("T1")) == (
        "stopped",
        Status(state="stopped", since=NOW, generation=1),
    )
    world.clock.now += 5
    (started,) = world.fleet.start()
    assert started.status == "connected"
    assert world.store.status("T1") == Status(state="connected", since=NOW + 5, generation=2)
    (restarted,) = world.fleet.restart("T1")
    assert (restarted.status, bot(world).generation) == ("connected", 3)
    assert world.fleet.remove_token("T1").ok
    assert world.store.status("T1") is None
    assert told(world) == ["bot_created", "bot_stopped", "bot_started", "bot_restarted", "bot_removed"]


def test_a_dead_token_is_told_once_whoever_sees_it(world: World) -> None:
    add(world)
    seen = bot(world)
    world.sent()
    assert world.fleet.deactivate(seen, "account_inactive")
    assert not world.fleet.deactivate(seen, "token_revoked")
    assert world.store.status("T1") == Status(
        state="token_revoked", since=NOW, error="account_inactive", generation=1
    )
    (command,) = world.sent()
    assert command.happening is not None
    assert (command.op, command.happening.type, command.happening.error) == (
        "event",
        "bot_deactivated",
        "account_inactive",
    )
    assert command.happening.bot.sealed_token == ""


def test_what_is_said_late_of_an_old_token_does_not_touch_the_new_one(world: World) -> None:
    add(world)
    old = bot(world)
    install(world, 2)
    world.sent()
    assert not world.fleet.deactivate(old, "token_revoked")
    assert (world.fleet.status("T1")["bots"][0]["status"], told(world)) == ("connected", [])
    world.fleet.remove_token("T1")
    assert not world.fleet.deactivate(old, "token_revoked")


def test_a_dead_bot_is_started_again_only_when_slack_takes_its_token(world: World) -> None:
    add(world)
    die(world)
    checked = world.fleet.check_token("T1")
    assert (checked.ok, checked.status) == (False, "token_revoked")
    assert world.store.status("T1") == Status(
        state="token_revoked", since=NOW, error="account_inactive", generation=1
    )
    for again in (world.fleet.restart("T1")[0], world.fleet.restart()[0], world.fleet.update_token("T1")):
        assert (again.ok, again.team_id, again.status) == (False, "T1", "token_revoked")
        assert again.error == "account_inactive"
    # As with sockets, a start does nothing to a bot that is not stopped.
    assert world.fleet.start()[0].ok
    world.fleet.stop("T1")
    assert world.fleet.status("T1")["bots"][0]["status"] == "token_revoked"
    assert not world.fleet.start("T1")[0].ok
    world.slack.errors.clear()
    assert world.fleet.start("T1")[0].status == "connected"
    assert bot(world).generation == 2


def test_of_a_bot_with_a_socket_the_holder_hears_for_itself(world: World) -> None:
    known = world.add("T1")
    assert not world.fleet.deactivate(known, "token_revoked")
    assert world.sent() == [Command(op="disconnect", key="T1")]


@pytest.mark.parametrize("said", [None, "stopped", "other"])
def test_reconciliation_writes_what_was_cut_short(world: World, said: str | None) -> None:
    world.add("T1", transport="http", generation=2, desired="stopped" if said == "other" else "running")
    if said is not None:
        world.say("T1", "connected" if said == "other" else said)
    done = world.reconciler().run()
    assert (done.corrected, done.nudged, world.sent()) == (1, 0, [])
    status = world.store.status("T1")
    assert status is not None
    assert (status.state, status.holder) == ("stopped" if said == "other" else "connected", "")
    assert world.reconciler().run().corrected == 0


def test_a_store_that_goes_away_in_between_is_made_good(world: World) -> None:
    def cut() -> None:
        raise StoreUnavailable("the line was cut")

    world.watched.after["change_bot"] = cut
    result = world.fleet.add_token("xoxb-T1-1", transport="http")
    assert (result.ok, result.passing) == (False, True)
    assert world.fleet.status("T1")["bots"][0]["status"] == "connected"
    assert world.reconciler().run().corrected == 1
    assert world.store.status("T1") == CONNECTED


def test_two_who_write_at_the_same_time_agree(world: World) -> None:
    add(world)
    other = world.make_fleet()
    # While the one starts it, another stops it.
    world.fleet.stop("T1")
    world.watched.after["bot_and_status"] = lambda: other.stop("T1")
    world.fleet.start("T1")
    status = world.store.status("T1")
    assert (bot(world).desired, status and status.state) == ("stopped", "stopped")


def test_a_holder_leaves_them_alone_and_publishes_what_became_of_them(
    make_world: MakeWorld, team: Workspace, control: SandboxControl
) -> None:
    world = make_world()
    holder = world.hold()
    key = world.connect(team.token)
    # Another app's installation takes the place of the classic one.
    second = control.install(team.id)
    assert world.fleet.install(second, transport="http").outcome == "already_active"
    control.wait_for_connections(0, team=team.id)
    eventually(lambda: world.events(key, "bot_restarted"))
    world.fleet.stop(key)
    world.fleet.start(key)
    (started,) = eventually(lambda: world.events(key, "bot_started"))
    assert b'"transport":"http"' in started.envelope
    known = world.store.bot(key)
    assert known is not None
    world.fleet.deactivate(known, "account_inactive")
    world.fleet.deactivate(known, "account_inactive")
    eventually(lambda: world.events(key, "bot_deactivated"))
    stays(lambda: len(world.events(key, "bot_deactivated")) == 1, 0.1)
    assert len(world.asked(key)) == 1
    assert (world.state(key), holder.info().bots) == ("token_revoked", 0)
