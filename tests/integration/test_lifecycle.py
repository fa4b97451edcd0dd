"""What handlers are told of their bots' lives, by holders against a sandbox."""

from __future__ import annotations

import json

from botfleet.lifecycle import LIFECYCLE
from botfleet.model import Subscription
from botfleet.sandbox import SandboxControl

from ..waiting import eventually
from .holders import MakeWorld, World, make_world, payload, stays, world
from .sandbox_fixtures import Workspace, control, sandbox, team

__all__ = ["control", "make_world", "sandbox", "team", "world"]


def told(world: World, key: str) -> list[str]:
    """The types of the lifecycle events that were published for a bot, in order."""
    found = [json.loads(event.envelope) for event in list(world.sink.events)]
    return [one["type"] for one in found if one["team_id"] == key and one["type"] in LIFECYCLE]


def test_each_is_published_in_order_also_when_the_bot_is_gone(world: World, team: Workspace) -> None:
    key = world.connect(team.token)
    world.fleet.stop(key)
    world.wait_for(key, "stopped")
    world.fleet.start(key)
    world.wait_for(key, "connected")
    world.fleet.restart(key)
    world.wait_for(key, "connected")
    world.fleet.remove_token(key)
    lives = ["bot_created", "bot_stopped", "bot_started", "bot_restarted", "bot_removed"]
    assert eventually(lambda: told(world, key) == lives)
    (event,) = world.events(key, "bot_removed")
    envelope = json.loads(event.envelope)
    assert (envelope["bot_user_id"], envelope["transport"]) == (team.bot, "rtm")
    assert envelope["payload"] == {
        "type": "bot_removed",
        "reason": "asked",
        "team_name": envelope["payload"]["team_name"],
    }
    assert event.queue == "events.other"
    assert "xoxb" not in event.envelope.decode()


def test_it_is_told_before_the_connection_is_there(world: World, team: Workspace) -> None:
    key = world.connect(team.token)
    eventually(lambda: world.events(key, "hello"))
    kinds = [json.loads(event.envelope)["type"] for event in world.sink.events]
    assert kinds.index("bot_created") < kinds.index("hello")


def test_what_happened_without_a_holder_is_told_by_the_next(make_world: MakeWorld, team: Workspace) -> None:
    world = make_world()
    key = world.add(team.token)
    world.fleet.stop(key)
    world.hold()
    assert eventually(lambda: told(world, key) == ["bot_created", "bot_stopped"])


def test_nothing_is_published_that_nobody_wants(make_world: MakeWorld, team: Workspace) -> None:
    world = make_world()
    world.store.put_subscriptions("handler", [Subscription(task="tasks.removed", types=("bot_removed",))])
    world.hold()
    key = world.connect(team.token)
    world.fleet.remove_token(key)
    eventually(lambda: world.events(key, "bot_removed"))
    assert world.kinds() == ["bot_removed"]


def test_a_dead_token_deactivates_and_a_new_one_reactivates(
    world: World, control: SandboxControl, team: Workspace
) -> None:
    key = world.connect(team.token)
    control.fault("revoke", team=team.id)
    world.wait_for(key, "token_revoked")
    (event,) = eventually(lambda: world.events(key, "bot_deactivated"))
    assert payload(event)["error"] == "token_revoked"
    world.connect(control.install(team.id))
    eventually(lambda: "bot_reactivated" in told(world, key))
    stays(lambda: len(world.events(key, "bot_deactivated")) == 1, 0.3)


def test_trouble_is_told_once_until_it_is_over(
    world: World, control: SandboxControl, team: Workspace
) -> None:
    key = world.connect(team.token)
    for troubles in (1, 2):
        control.fault("fail", team=team.id, method="rtm.connect", error="fatal_error", count=3)
        control.fault("drop", team=team.id)
        eventually(lambda troubles=troubles: len(world.asked(key)) == 1 + 4 * troubles)  # type: ignore[misc]
        world.wait_for(key, "connected")
        events = world.events(key, "bot_error")
        assert len(events) == troubles
        assert payload(events[-1])["status"] == "disconnected"
        assert payload(events[-1])["error"]


def test_a_bot_that_moves_has_no_lifecycle(world: World, team: Workspace) -> None:
    key = world.connect(team.token)
    eventually(lambda: told(world, key) == ["bot_created"])
    second = world.hold()
    eventually(lambda: not second.info().standby)
    world.holders[0].stop()
    eventually(lambda: second.info().connected == 1)
    stays(lambda: told(world, key) == ["bot_created"], 0.3)


def test_with_replicas_each_is_told_once(
    make_world: MakeWorld, control: SandboxControl, team: Workspace
) -> None:
    world = make_world(replicas=2)
    world.hold()
    world.hold()
    key = world.connect(team.token)
    control.wait_for_connections(2, team=team.id)
    control.fault("revoke", team=team.id)
    eventually(lambda: world.events(key, "bot_deactivated"))
    world.fleet.remove_token(key)
    eventually(lambda: "bot_removed" in told(world, key))
    assert sorted(set(told(world, key)) - {"bot_error"}) == ["bot_created", "bot_deactivated", "bot_removed"]
    assert len(world.events(key, "bot_deactivated")) == 1
