"""What a change of the registry means for a bot, and that it is told with the nudge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from botfleet.lifecycle import frame_of, happening, what_happened
from botfleet.model import Bot, Happening
from botfleet.store import MemoryStore
from tests.fleets import SHARDS, FakeClock, MemoryDoor, World


def bot(**fields: Any) -> Bot:
    return Bot(**{"team_id": "T1", "sealed_token": "plain:xoxb-1", "fingerprint": "f1", **fields})


@pytest.mark.parametrize(
    ("before", "after", "token_given", "was_dead", "kind"),
    [
        (None, bot(), True, False, "bot_created"),
        (bot(), None, False, False, "bot_removed"),
        (bot(desired="stopped"), None, False, False, "bot_removed"),
        (bot(), bot(desired="stopped"), False, False, "bot_stopped"),
        (bot(desired="stopped"), bot(generation=2), False, False, "bot_started"),
        (bot(), bot(generation=2), False, False, "bot_restarted"),
        (bot(), bot(generation=2), False, True, "bot_restarted"),
        (bot(), bot(generation=2), True, False, "bot_restarted"),
        (bot(), bot(generation=2), True, True, "bot_reactivated"),
        (bot(desired="stopped"), bot(generation=2), True, False, "bot_reactivated"),
        (bot(), bot(), True, True, None),
        (bot(), bot(team_name="Acme"), False, False, None),
        (bot(desired="stopped"), bot(desired="stopped", team_name="Acme"), False, False, None),
        (None, None, False, False, None),
    ],
)
def test_what_a_change_means(
    before: Bot | None, after: Bot | None, token_given: bool, was_dead: bool, kind: str | None
) -> None:
    told = what_happened(before, after, token_given, was_dead)
    assert (told.type if told else None) == kind


def test_no_token_goes_with_it() -> None:
    told = what_happened(None, bot(), token_given=True)
    assert told is not None
    assert b"xoxb" not in msgspec.json.encode(told)
    assert (told.bot.sealed_token, told.bot.fingerprint) == ("", "")


def test_the_payload_says_what_is_known_and_no_more() -> None:
    frame, raw = frame_of(
        happening("bot_error", bot(team_name="Acmé"), error="silent"), status="disconnected"
    )
    assert frame.type == "bot_error"
    assert msgspec.json.decode(raw) == {
        "type": "bot_error",
        "error": "silent",
        "team_name": "Acmé",
        "status": "disconnected",
    }


# By the fleet


@pytest.fixture
def world() -> World:
    clock = FakeClock()
    store = MemoryStore(SHARDS, clock)
    return World(store, MemoryDoor(store), clock)


def told(world: World) -> list[tuple[str, str]]:
    """Takes the commands; what the holder is to tell the handlers, and why."""
    return [(one.type, one.reason) for one in happenings(world)]


def happenings(world: World) -> list[Happening]:
    return [one.happening for one in world.sent() if one.happening is not None]


def dead(world: World) -> None:
    world.say("T1", "token_revoked", generation=1)


def test_the_life_of_a_bot(world: World) -> None:
    fleet = world.fleet
    fleet.add_token("xoxb-T1-1")
    assert told(world) == [("bot_created", "token")]
    fleet.stop("T1")
    assert told(world) == [("bot_stopped", "asked")]
    fleet.start("T1")
    assert told(world) == [("bot_started", "asked")]
    fleet.restart("T1")
    assert told(world) == [("bot_restarted", "asked")]
    fleet.update_token("xoxb-T1-2")
    assert told(world) == [("bot_restarted", "token")]
    fleet.remove_token("T1")
    assert told(world) == [("bot_removed", "asked")]


def test_what_is_so_already_is_not_told(world: World) -> None:
    world.add("T1")
    for do in (
        lambda: world.fleet.start("T1"),
        lambda: world.fleet.add_token("xoxb-T1-1"),
        lambda: world.fleet.add_token("nonsense"),
        lambda: world.fleet.stop("T2"),
        lambda: world.fleet.remove_token("T2"),
    ):
        do()
        assert told(world) == []


@pytest.mark.parametrize(
    "revive",
    [
        pytest.param(lambda fleet: fleet.add_token("xoxb-T1-1"), id="the same token"),
        pytest.param(lambda fleet: fleet.add_token("xoxb-T1-2"), id="another token"),
        pytest.param(lambda fleet: fleet.update_token("xoxb-T1-2"), id="update"),
    ],
)
@pytest.mark.parametrize("keys", [True, False])
def test_a_dead_bot_that_gets_a_token_is_reactivated(
    world: World, revive: Callable[[Any], object], keys: bool
) -> None:
    fleet = world.fleet if keys else world.make_fleet(type(world.seal)())
    fleet.add_token("xoxb-T1-1")
    dead(world)
    told(world)
    revive(fleet)
    assert told(world) == [("bot_reactivated", "token")]


def test_each_is_told_under_an_id_of_its_own(world: World) -> None:
    ids = []
    for do in ("add_token", "stop", "start", "restart", "restart", "stop", "start", "remove_token"):
        getattr(world.fleet, do)("xoxb-T1-1" if do == "add_token" else "T1")
        world.clock.now += 1
        ids += [one.id for one in happenings(world)]
    assert len(set(ids)) == len(ids) == 8


def test_a_bot_that_another_program_took_out_was_removed(world: World) -> None:
    world.holder()
    world.add("T1", namespace="beta")
    world.say("beta-T1")
    world.door.bot_row("beta-T1", None)
    world.reconciler().run()
    (one,) = happenings(world)
    assert (one.type, one.reason, one.bot.team_id, one.bot.namespace) == (
        "bot_removed",
        "registry",
        "T1",
        "beta",
    )
