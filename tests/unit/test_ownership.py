"""Who holds and leads what, with every step of the store's and the clock's in the test's hand."""

from __future__ import annotations

import pytest

from botfleet.store.values import Seat

from .owners import SHARDS, TTL, World

ALL = set(range(SHARDS))


def test_the_first_holder_takes_everything_at_once() -> None:
    world = World()
    a = world.join("a")
    holdings = a.tick()
    assert holdings.held == holdings.led == ALL
    assert a.led == ALL


def test_a_second_one_connects_first_and_leads_then() -> None:
    world = World()
    a = world.join("a")
    world.run(2)
    b = world.join("b")
    wanted = b.tick().held
    assert 0 < len(wanted) < SHARDS
    assert b.led == set()
    a.tick()
    assert a.led == ALL, "nothing is given before it is claimed"
    b.tick()
    assert a.led == ALL
    a.tick()
    assert a.led == ALL - wanted
    assert b.led == set(), "it has not heard yet"
    b.tick()
    assert b.led == wanted
    assert a.tick().held == ALL - wanted
    assert world.store.claims() == {}


def test_a_shard_whose_bots_do_not_connect_stays_where_it_is() -> None:
    world = World()
    world.join("a")
    world.run(2)
    b = world.join("b")
    b.stuck = set(ALL)
    world.run(20)
    assert b.led == set()
    b.stuck = set()
    world.run()
    assert b.led


def test_what_is_killed_is_taken_over_when_its_time_is_over() -> None:
    world = World()
    for name in "abc":
        world.join(name)
    world.run(10)
    dead = world.owners.pop()
    had = dead.led
    died_at = world.now
    while set().union(*(one.led for one in world.owners)) != ALL:
        world.run(1)
        assert world.now - died_at <= TTL + 1.0
    assert had
    assert dead.led == set()


def test_one_that_was_asleep_leads_nothing_before_it_has_asked() -> None:
    world = World()
    for name in "ab":
        world.join(name)
    world.run(10)
    sleeper = world.owners.pop()
    had = sleeper.led
    world.run(12)
    assert sleeper.led == set(), "by its own clock"
    assert sleeper.tick().led == frozenset()
    world.owners.append(sleeper)
    world.run()
    assert sleeper.led == had, "it gets them back by a planned move"


def test_one_that_leaves_gives_everything_away_and_is_free_to_go() -> None:
    world = World()
    a, b = world.join("a"), world.join("b")
    world.run(10)
    a.ownership.leaving = True
    world.run()
    assert (a.holdings.held, b.led) == (frozenset(), ALL)
    assert not a.ownership.is_alone
    a.ownership.leave()
    world.owners.remove(a)
    world.run()
    assert [one.name for one in world.store.members()] == ["b"]
    assert b.ownership.is_alone


def test_one_that_is_to_drain_comes_back() -> None:
    world = World()
    a, b = world.join("a"), world.join("b")
    world.run(10)
    had = a.led
    world.store.ask_to_drain(a.ownership.owner, True)
    world.run()
    assert (a.led, b.led, a.ownership.draining) == (set(), ALL, True)
    world.store.ask_to_drain(a.ownership.owner, False)
    world.run()
    assert a.led == had


def test_alone_it_keeps_what_it_is_to_give_away() -> None:
    world = World()
    a = world.join("a")
    world.run(2)
    a.ownership.leaving = True
    world.run(2)
    assert a.led == ALL
    assert a.ownership.is_alone


def test_while_the_store_is_away_it_holds_on_but_leads_only_for_its_time() -> None:
    world = World()
    a = world.join("a")
    world.run(2)
    a.way.cut = True
    world.run(3)
    assert a.led == ALL
    world.run(10)
    assert a.led == set()
    assert a.holdings.held == ALL
    a.way.cut = False
    world.run(1)
    assert a.led == ALL


def test_after_a_store_that_was_away_the_others_have_time_to_come_back() -> None:
    world = World()
    for name in "abc":
        world.join(name)
    world.run(10)
    before = world.seats()
    for one in world.owners:
        one.way.cut = True
    world.run(15)
    a, b, c = world.owners
    a.way.cut = b.way.cut = False
    world.run(5)
    c.way.cut = False
    world.run(5)
    assert world.seats() == before


def test_one_that_does_not_come_back_after_that_is_given_up() -> None:
    world = World()
    for name in "ab":
        world.join(name)
    world.run(10)
    a, b = world.owners
    a.way.cut = b.way.cut = True
    world.run(15)
    a.way.cut = False
    world.run(int(TTL) + 2)
    assert a.led == ALL


def test_a_store_that_forgot_all_changes_no_owner() -> None:
    world = World(replicas=2)
    for name in "abc":
        world.join(name)
    world.run(15)
    before = world.seats()
    assert len(before) == 2 * SHARDS
    world.store.forget_owners()
    world.run(15)
    assert world.seats() == before


class TestRoom:
    def test_what_does_not_fit_goes_to_others(self) -> None:
        world = World()
        world.add_bots(120)
        sizes = world.store.counts()
        a = world.join("a", room=70)
        world.run()
        assert a.led == ALL, "there is nobody else"
        b = world.join("b", room=70)
        world.run(12)
        assert a.led | b.led == ALL
        assert not a.led & b.led
        assert max(sum(sizes[shard] for shard in one.led) for one in (a, b)) <= 70

    def test_in_a_full_fleet_nothing_is_left_without_an_owner_or_moves_for_ever(self) -> None:
        world = World()
        world.add_bots(120)
        for name in "ab":
            world.join(name, room=30)
        world.run(15)
        before = world.leaders()
        assert all(len(names) == 1 for names in before.values())
        for _ in range(10):
            world.run(1)
            assert world.leaders() == before

    def test_room_is_used_again(self) -> None:
        world = World()
        world.add_bots(120)
        a = world.join("a", room=50)
        world.join("b", room=200)
        world.run(12)
        assert a.member.declines
        for number in range(120):
            world.store.change_bot(f"T{number}", lambda _: None)
        world.run(25)
        assert a.member.declines == ()


class TestReplicas:
    def test_each_shard_is_in_two_and_led_by_one(self) -> None:
        world = World(replicas=2)
        for name in "abc":
            world.join(name)
        world.run(15)
        assert all(len(names) == 1 for names in world.leaders().values())
        held = [one for owner in world.owners for one in owner.holdings.held]
        assert sorted(held) == sorted([*ALL, *ALL])

    def test_the_one_beside_leads_when_the_leader_is_gone(self) -> None:
        world = World(replicas=2)
        for name in "abc":
            world.join(name)
        world.run(15)
        dead = world.owners.pop()
        beside = {shard: world.seats()[Seat(shard, 1)] for shard in dead.led}
        world.run(20)
        assert {shard: world.seats()[Seat(shard)] for shard in beside} == beside
        assert len(world.seats()) == 2 * SHARDS

    def test_a_single_holder_leads_and_nobody_is_beside_it(self) -> None:
        world = World(replicas=3)
        world.join("a")
        b = world.join("b")
        world.run(15)
        assert set(world.seats()) == {Seat(shard, slot) for shard in ALL for slot in (0, 1)}
        b.ownership.leaving = True
        world.run(10)
        assert b.holdings.held == frozenset(), "also those that nobody could take"

    def test_hosts_differ_where_they_can(self) -> None:
        world = World(replicas=2)
        for name, host in (("a", "one"), ("b", "one"), ("c", "two")):
            world.join(name, host=host)
        world.run(25)
        for shard in ALL:
            assert "c" in {world.seats()[Seat(shard, slot)] for slot in (0, 1)}


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_claim_of_one_that_died_is_forgotten(replicas: int) -> None:
    world = World(replicas=replicas)
    world.join("a")
    world.run(2)
    b = world.join("b")
    world.now += 1
    b.tick()
    b.tick()
    assert world.store.claims()
    world.owners.remove(b)
    world.run(15)
    assert world.store.claims() == {}


def test_the_younger_of_two_with_one_name_takes_nothing_while_the_other_lives() -> None:
    world = World()
    first = world.join("a")
    world.run(3)
    second = world.join("a")
    world.run(10)
    assert (first.led, second.led, second.holdings.held) == (ALL, set(), frozenset())
    assert second.ownership.rival is not None
    assert second.ownership.rival.owner == first.ownership.owner
    world.owners.remove(first)
    world.run(12)
    assert second.led == ALL
    assert second.ownership.rival is None


def test_one_that_leaves_gives_way_to_a_younger_one_of_its_name() -> None:
    world = World()
    first = world.join("a")
    world.run(3)
    first.ownership.leaving = True
    second = world.join("a")
    world.run(10)
    assert (first.led, second.led) == (set(), ALL)


def test_whose_an_event_is_that_waited_long() -> None:
    world = World()
    a, b = world.join("a"), world.join("b")
    world.run(10)
    shard = min(a.led)
    assert (a.ownership.is_ours(shard), b.ownership.is_ours(shard)) == (True, False)
    a.way.cut = True
    world.run(12)
    assert a.ownership.is_ours(shard) is None
    a.way.cut = False
    world.run(1)
    assert a.ownership.is_ours(shard) is False


def test_statuses_are_said_again_after_a_pause_that_nobody_else_noticed() -> None:
    world = World()
    a = world.join("a")
    world.run(2)
    doubts = a.ownership.doubts
    world.run(2)
    assert a.ownership.doubts == doubts
    # A beat took its time: when the next one comes it lives by the store's clock, and not by its own.
    a.ownership._valid_until = world.now
    world.run(1)
    assert a.ownership.doubts > doubts
