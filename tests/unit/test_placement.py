"""Which holder should own which seat."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from botfleet.holder.placement import Placement, weights
from botfleet.model import Member

SHARDS = 64


def member(name: str, host: str = "", **fields: object) -> Member:
    made = Member(name=name, owner=f"{name}/1", host=host or name)
    return msgspec.structs.replace(made, **fields)


def crowd(count: int, hosts: int = 1000) -> list[Member]:
    return [member(f"holder{number}", f"host{number % hosts}") for number in range(count)]


def placed(members: Sequence[Member], shards: int = SHARDS, replicas: int = 1) -> Placement:
    placement = Placement(shards, replicas)
    placement.update(members)
    return placement


def all_owners(placement: Placement, shards: int = SHARDS) -> list[tuple[str, ...]]:
    return [placement.owners(shard) for shard in range(shards)]


def plainly(members: Sequence[Member], shards: int, replicas: int) -> list[tuple[str, ...]]:
    """The rule as it is written, one shard after the other."""
    heavy = {one.name: weights(one.name, shards) for one in members}
    owners = []
    for shard in range(shards):
        able = {one.name: one for one in members if not one.draining and shard not in one.declines}
        order = sorted(able, key=lambda name: (-heavy[name][shard], name))
        chosen: list[str] = []
        while order and len(chosen) < replicas:
            used = {able[name].host for name in chosen}
            chosen.append(next((name for name in order if able[name].host not in used), order[0]))
            order.remove(chosen[-1])
        owners.append(tuple(chosen))
    return owners


names = st.sampled_from([f"holder{number}" for number in range(8)])
some_members = st.lists(
    st.builds(
        member,
        name=names,
        host=st.sampled_from(["one", "two", "three"]),
        draining=st.sampled_from([False, False, False, True]),
        declines=st.sets(st.integers(0, 7), max_size=4).map(tuple),
    ),
    max_size=8,
    unique_by=lambda one: one.name,
)


def test_weights_are_the_bytes_of_shake_128() -> None:
    stream = hashlib.shake_128(b"a@b").digest(24)

    assert list(weights("a@b", 3)) == [int.from_bytes(stream[n : n + 8], "little") for n in (0, 8, 16)]


def test_weights_for_fewer_shards_begin_those_for_more() -> None:
    assert list(weights("a@b", 3)) == list(weights("a@b", 7))[:3]


def test_nobody_owns_anything_before_somebody_is_there() -> None:
    placement = Placement(SHARDS)

    assert all_owners(placement) == [()] * SHARDS
    assert placement.seats("holder0") == {}


def test_one_holder_owns_all() -> None:
    placement = placed([member("a")])

    assert placement.seats("a") == dict.fromkeys(range(SHARDS), 0)


@given(st.lists(some_members, min_size=1, max_size=5), st.integers(1, 3))
def test_seats_follow_the_rule_whatever_was_before(history: list[list[Member]], replicas: int) -> None:
    placement = Placement(8, replicas)
    for members in history:
        placement.update(members)

        assert all_owners(placement, 8) == plainly(members, 8, replicas)


@given(some_members, st.integers(1, 3))
def test_seats_and_owners_say_the_same(members: list[Member], replicas: int) -> None:
    placement = placed(members, 8, replicas)

    for one in members:
        assert placement.seats(one.name) == {
            shard: owners.index(one.name)
            for shard, owners in enumerate(all_owners(placement, 8))
            if one.name in owners
        }


@given(st.integers(1, 12), st.text(min_size=1).filter(lambda name: not name.startswith("holder")))
def test_a_newcomer_takes_its_share_and_moves_nothing_else(count: int, name: str) -> None:
    placement = placed(crowd(count), 1024)
    before = all_owners(placement, 1024)

    placement.update([*crowd(count), member(name)])

    moved = [now for was, now in zip(before, all_owners(placement, 1024), strict=True) if was != now]
    assert set(moved) == {(name,)}
    assert len(moved) == pytest.approx(1024 / (count + 1), abs=100)


@given(st.integers(2, 12), st.data())
def test_who_leaves_gives_up_its_share_and_moves_nothing_else(count: int, data: st.DataObject) -> None:
    members = crowd(count)
    placement = placed(members, 1024)
    before = all_owners(placement, 1024)
    left = members.pop(data.draw(st.integers(0, count - 1)))

    placement.update(members)

    moved = [was for was, now in zip(before, all_owners(placement, 1024), strict=True) if was != now]
    assert set(moved) == {(left.name,)}
    assert len(moved) == pytest.approx(1024 / count, abs=100)


def test_who_comes_back_gets_its_shards_back() -> None:
    placement = placed(crowd(5))
    before = all_owners(placement)

    placement.update(crowd(4))
    placement.update([*crowd(4), member("holder4", owner="holder4/2")])

    assert all_owners(placement) == before


def test_who_drains_owns_nothing() -> None:
    one, two = crowd(2)

    placement = placed([one, msgspec.structs.replace(two, draining=True)])

    assert set(all_owners(placement)) == {(one.name,)}


def test_a_restarted_holder_counts_once() -> None:
    one, two = crowd(2)
    again = msgspec.structs.replace(one, owner="holder0/2")

    assert all_owners(placed([one, again, two], replicas=2)) == all_owners(placed([one, two], replicas=2))


def test_a_holder_that_was_restarted_while_it_drained_takes_shards() -> None:
    one, two = crowd(2)
    draining = msgspec.structs.replace(one, owner="holder0/2", draining=True)

    assert all_owners(placed([one, draining, two])) == all_owners(placed([one, two]))


def test_declined_shards_go_to_the_next() -> None:
    one, two = crowd(2)
    placement = placed([one, two])
    first = min(placement.seats(one.name))

    placement.update([msgspec.structs.replace(one, declines=(first,)), two])

    assert placement.owners(first) == (two.name,)
    assert first not in placement.seats(one.name)


def test_a_shard_that_all_decline_is_owned_by_nobody() -> None:
    placement = placed([member("a", declines=(3,)), member("b", declines=(3,))])

    assert placement.owners(3) == ()


def test_a_shard_that_does_not_exist_can_be_declined() -> None:
    placement = placed([member("a", declines=(-1, SHARDS))])

    assert len(placement.seats("a")) == SHARDS


def test_the_second_seat_is_on_another_host() -> None:
    members = crowd(9, hosts=3)
    hosts = {one.name: one.host for one in members}

    for first, second in all_owners(placed(members, replicas=2)):
        assert hosts[first] != hosts[second]


def test_the_first_seat_does_not_mind_hosts() -> None:
    spread, together = placed(crowd(9), replicas=2), placed(crowd(9, hosts=2), replicas=2)

    assert [one[0] for one in all_owners(spread)] == [one[0] for one in all_owners(together)]


def test_on_one_host_both_seats_are_there() -> None:
    placement = placed(crowd(4, hosts=1), replicas=2)

    assert {len(set(owners)) for owners in all_owners(placement)} == {2}


def test_a_second_host_takes_a_seat_of_each_shard() -> None:
    placement = placed(crowd(4, hosts=1), replicas=2)

    placement.update([*crowd(4, hosts=1), member("apart")])

    assert len(placement.seats("apart")) == SHARDS


def test_with_too_few_holders_seats_stay_empty() -> None:
    placement = placed([member("a")], replicas=2)

    assert set(all_owners(placement)) == {("a",)}


def test_what_seats_returns_is_the_callers() -> None:
    placement = placed([member("a")])

    placement.seats("a").clear()

    assert len(placement.seats("a")) == SHARDS


def test_shards_are_spread_evenly() -> None:
    placement = placed(crowd(10), 4096)

    shares = [len(placement.seats(one.name)) for one in crowd(10)]
    assert max(shares) < 1.15 * 4096 / 10
