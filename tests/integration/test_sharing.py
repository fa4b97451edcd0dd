"""Several holders over one store: who has which bots, and what happens when one comes or goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from botfleet.holder.holder import Holder
from botfleet.holder.placement import Placement
from botfleet.sandbox import SandboxControl, SandboxProcess
from botfleet.store.values import Seat

from ..waiting import eventually
from .holders import World, stays, threads

MakeWorld = Callable[..., World]
#: Enough that each of three holders has some of them.
TEAMS = 24


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(["--teams", str(TEAMS)]) as process:
        yield process


@pytest.fixture
def control(sandbox: SandboxProcess) -> Iterator[SandboxControl]:
    yield sandbox.control
    sandbox.control.wait_for_connections(0)


@pytest.fixture
def make_world(sandbox: SandboxProcess, control: SandboxControl) -> Iterator[MakeWorld]:
    made: list[World] = []

    def make(**settings: Any) -> World:
        world = World(control, sandbox.api_url, **settings)
        made.append(world)
        for one in sandbox.teams:
            world.add_unasked(one["team_id"], one["bot_token"])
        return world

    yield make
    for world in made:
        world.close()
        assert world.deaths == []
    assert threads() == []


def spread(world: World) -> dict[str, int]:
    """How many bots each holder leads and has connected, by the statuses."""
    found: dict[str, int] = {}
    for shard in range(world.settings.shards):
        for status in world.store.statuses(shard).values():
            if status.state == "connected":
                found[status.holder] = found.get(status.holder, 0) + 1
    return found


def settled(world: World, *names: str) -> bool:
    """Whether these holders share all bots, and each is connected once."""
    found = spread(world)
    alive = [one for one in world.holders if one.name in names]
    seats = [Seat(*seat) for seat in product(range(world.settings.shards), range(world.settings.replicas))]
    leases = world.store.leases(seats)
    placement = Placement(world.settings.shards, world.settings.replicas)
    placement.update([one for one in world.store.members() if not one.draining])
    return (
        leases.keys() == set(seats)
        and all(
            placement.owners(seat.shard)[seat.slot : seat.slot + 1] == (lease.owner.partition("/")[0],)
            for seat, lease in leases.items()
        )
        and found.keys() == set(names)
        and sum(found.values()) == TEAMS
        and sum(one.info().connected for one in alive) == TEAMS * world.settings.replicas
        and sum(one.info().bots for one in alive) == TEAMS * world.settings.replicas
        # Who was given a seat has heard of it.
        and sum(one.info().led for one in alive) == world.settings.shards
    )


def wait_until_shared(world: World, *names: str) -> None:
    eventually(lambda: settled(world, *names), 20.0, 0.1)


def flood(control: SandboxControl, total: int = 2000, rate: float = 1000.0) -> Any:
    return control.flood(total, rate=rate, text="{n}")


def all_came_once(world: World, total: int) -> None:
    """Every message of a flood was published, and none twice."""
    eventually(lambda: world.kinds().count("message") >= total, 20.0)
    stays(lambda: world.kinds().count("message") == total, 0.3)


def test_two_holders_share_the_bots_and_each_is_connected_once(
    make_world: MakeWorld, control: SandboxControl
) -> None:
    world = make_world()
    world.hold("h1")
    wait_until_shared(world, "h1")
    load = flood(control)
    world.hold("h2")
    wait_until_shared(world, "h1", "h2")
    control.wait_for_flood(load)
    assert control.connections() == TEAMS
    all_came_once(world, 2000)


def test_a_third_holder_takes_bots_from_both_and_the_others_stay(make_world: MakeWorld) -> None:
    world = make_world()
    world.hold("h1")
    world.hold("h2")
    wait_until_shared(world, "h1", "h2")
    before = holders_of(world)
    world.hold("h3")
    wait_until_shared(world, "h1", "h2", "h3")
    after = holders_of(world)
    assert {after[key] for key in after if after[key] != before[key]} == {"h3"}


def holders_of(world: World) -> dict[str, str]:
    return {
        key: status.holder
        for shard in range(world.settings.shards)
        for key, status in world.store.statuses(shard).items()
    }


def test_one_that_stops_hands_over_before_it_closes(make_world: MakeWorld, control: SandboxControl) -> None:
    world = make_world()
    first = world.hold("h1")
    world.hold("h2")
    wait_until_shared(world, "h1", "h2")
    load = flood(control, 4000)
    started = time.monotonic()
    first.stop()
    assert time.monotonic() - started < 10.0
    wait_until_shared(world, "h2")
    control.wait_for_flood(load)
    all_came_once(world, 4000)
    assert [one.name for one in world.store.holders()] == ["h2"]


def test_one_that_is_hurried_waits_for_nobody(make_world: MakeWorld, control: SandboxControl) -> None:
    world = make_world()
    first = world.hold("h1")
    world.hold("h2")
    wait_until_shared(world, "h1", "h2")
    control.fault("slow", seconds=3.0)
    first.hurry()
    started = time.monotonic()
    first.stop()
    assert time.monotonic() - started < 5.0
    wait_until_shared(world, "h2")


def test_one_that_is_cut_off_loses_its_bots_and_nothing_is_lost_or_doubled(
    make_world: MakeWorld, control: SandboxControl
) -> None:
    world = make_world()
    first = world.hold("h1")
    world.hold("h2")
    wait_until_shared(world, "h1", "h2")
    load = flood(control, 4000)
    world.lines[0].cut = True
    eventually(lambda: spread(world).keys() == {"h2"}, 10.0)
    assert not any(first._ownership.leads(shard) for shard in range(world.settings.shards))
    world.lines[0].cut = False
    wait_until_shared(world, "h1", "h2")
    control.wait_for_flood(load)
    all_came_once(world, 4000)


def test_a_store_that_was_away_changes_no_owner(make_world: MakeWorld) -> None:
    world = make_world()
    for name in ("h1", "h2", "h3"):
        world.hold(name)
    wait_until_shared(world, "h1", "h2", "h3")
    before = holders_of(world)
    world.store.down = True
    time.sleep(world.settings.lease_ttl * 2)
    world.store.down = False
    stays(lambda: holders_of(world) == before, world.settings.lease_ttl)
    wait_until_shared(world, "h1", "h2", "h3")


def test_a_store_that_forgot_all_owners_changes_none(make_world: MakeWorld) -> None:
    world = make_world()
    for name in ("h1", "h2", "h3"):
        world.hold(name)
    wait_until_shared(world, "h1", "h2", "h3")
    before = holders_of(world)
    world.store.forget_owners()
    stays(lambda: holders_of(world) == before, world.settings.lease_ttl)
    eventually(lambda: len(world.store.members()) == 3)


def test_replicas_hold_every_bot_twice_and_lose_nothing_when_one_is_gone(
    make_world: MakeWorld, control: SandboxControl
) -> None:
    world = make_world(replicas=2)
    first = world.hold("h1")
    world.hold("h2")
    world.hold("h3")
    wait_until_shared(world, "h1", "h2", "h3")
    assert control.connections() == 2 * TEAMS
    load = flood(control, 3000)
    vanish(first)
    control.wait_for_flood(load)
    wait_until_shared(world, "h2", "h3")
    all_came_once(world, 3000)


def vanish(holder: Holder) -> None:
    """As if the process were killed: sockets close, the store hears nothing."""
    holder._keeper.close()
    holder._courier.close()
    holder.reactor.stop()


def test_what_has_no_time_of_its_own_is_published_by_the_leader_only(
    make_world: MakeWorld, control: SandboxControl, sandbox: SandboxProcess
) -> None:
    world = make_world(replicas=2)
    world.hold("h1")
    world.hold("h2")
    wait_until_shared(world, "h1", "h2")
    for one in sandbox.teams:
        control.frame('{"type":"user_typing","channel":"C1","user":"U1"}', team=one["team_id"])
    eventually(lambda: world.kinds().count("user_typing") >= TEAMS)
    stays(lambda: world.kinds().count("user_typing") == TEAMS, 0.3)


def test_what_is_sent_during_a_move_arrives_once(
    make_world: MakeWorld, control: SandboxControl, sandbox: SandboxProcess
) -> None:
    world = make_world()
    world.hold("h1")
    world.hold("h2")
    wait_until_shared(world, "h1", "h2")
    channels = {one["team_id"]: general_of(control, one["team_id"]) for one in sandbox.teams}
    _, after = control.messages()
    stopping = threading.Thread(target=world.holders[0].stop)
    for number in range(12):
        # Slower than a socket's burst allows, so that some wait in the holder.
        for key, channel in channels.items():
            world.send(key, f"{key} {number}", channel=channel)
        if number == 6:
            stopping.start()
        time.sleep(0.15)
    stopping.join()
    expected = sorted(f"{key} {number}" for key in channels for number in range(12))
    eventually(lambda: len(said(control, after)) >= len(expected), 30.0, 0.2)
    assert sorted(said(control, after)) == expected


def general_of(control: SandboxControl, team: str) -> str:
    return str(next(one["id"] for one in control.team(team)["channels"] if one["name"] == "general"))


def said(control: SandboxControl, after: int) -> list[str]:
    return [one["text"] for one in control.messages(after, by="bot")[0]]


def test_shards_without_room_go_to_others(make_world: MakeWorld) -> None:
    world = make_world(max_connections=14)
    world.hold("h1")
    eventually(lambda: world.holders[0].info().connected == 14, 10.0)
    assert world.holders[0].info().left_out == TEAMS - 14
    world.hold("h2")
    wait_until_shared(world, "h1", "h2")
    assert max(spread(world).values()) <= 14


def test_one_that_people_drain_gives_everything_away_until_they_change_their_mind(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    first = world.hold("h1")
    world.hold("h2")
    wait_until_shared(world, "h1", "h2")
    world.store.ask_to_drain(first._ownership.owner, True)
    wait_until_shared(world, "h2")
    assert first.info().draining
    assert first.info().standby
    world.store.ask_to_drain(first._ownership.owner, False)
    wait_until_shared(world, "h1", "h2")
