"""The contract of every store, and at the end what only the one in memory has."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import msgspec
import pytest
import redis

from botfleet.embedded import EmbeddedServer
from botfleet.errors import StoreError, StoreUnavailable, UsageError
from botfleet.model import (
    AccessKey,
    Answer,
    Bot,
    Command,
    HolderInfo,
    Member,
    Shown,
    Sighting,
    Subscription,
    Watch,
    shard_of,
)
from botfleet.store import DoorEntry, MemoryStore, Store
from botfleet.store.redis import RedisStore
from botfleet.store.redis_client import client_of
from botfleet.store.values import Admission, Beat, CachedRow, Handover, Lease, Pacing, Seat
from tests.conftest import flush
from tests.integration.store_values import SHARDS, add, bot, connected, key_in, remove, run_threads
from tests.waiting import eventually


class Hand(Protocol):
    """Writes into a store from outside, as another program would."""

    def bot(self, key: str, row: bytes) -> None: ...
    def status(self, key: str, row: bytes) -> None: ...
    def command(self, shard: int, row: bytes) -> None: ...
    def door(self, kind: str, field: str, value: str) -> None: ...


class MemoryHand:
    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def bot(self, key: str, row: bytes) -> None:
        self.store._bots[self.store.shard(key)][key.encode()] = row

    def status(self, key: str, row: bytes) -> None:
        self.store._statuses[self.store.shard(key)][key.encode()] = row

    def command(self, shard: int, row: bytes) -> None:
        self.store.send([Command(op="sync", key=key_in(shard))])
        self.store._queues[shard][-1] = row

    def door(self, kind: str, field: str, value: str) -> None:
        (self.store.teams if kind == "token" else self.store.states)[field] = value


class RedisHand:
    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def bot(self, key: str, row: bytes) -> None:
        self.client.hset(f"tokens:teams:{shard_of(key, SHARDS)}", key, row)

    def status(self, key: str, row: bytes) -> None:
        self.client.hset(f"tokens:statuses:{shard_of(key, SHARDS)}", key, row)

    def command(self, shard: int, row: bytes) -> None:
        self.client.rpush(f"botfleet:shard:{shard}", row)

    def door(self, kind: str, field: str, value: str) -> None:
        self.client.hset("tokens:teams" if kind == "token" else "tokens:statuses", field, value)


class World:
    """A store, another process's view of it where there can be one, and a hand from outside."""

    def __init__(self, store: Store, hand: Hand, other: Store) -> None:
        self.store = store
        self.hand = hand
        self.other = other


@pytest.fixture(params=["memory", "valkey", "redis-server"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        memory = MemoryStore(SHARDS)
        yield World(memory, MemoryHand(memory), memory)
        return
    server: EmbeddedServer = request.getfixturevalue(
        "valkey" if request.param == "valkey" else "debian_redis"
    )
    flush(server.url)
    stores = [RedisStore.from_url(server.url, SHARDS) for _ in range(2)]
    client = client_of(server.url)
    yield World(stores[0], RedisHand(client), stores[1])
    for opened in (*stores, client):
        opened.close()


@pytest.fixture
def store(world: World) -> Store:
    return world.store


def test_answers_a_ping(store: Store) -> None:
    store.ping()


# Bots


def test_a_bot_that_is_not_there(store: Store) -> None:
    assert store.bot("T1") is None
    assert store.status("T1") is None
    assert store.key_of_token("print-1") is None
    assert store.counts() == [0] * SHARDS


def test_an_added_bot_is_found_by_key_shard_and_token(world: World) -> None:
    one = bot(namespace="beta", transport="socket", bot_name="Bött", added_at=1.5)
    assert world.store.change_bot("beta-T1", lambda before: one) == (None, one)
    shard = world.store.shard("beta-T1")
    assert world.other.bot("beta-T1") == one
    assert world.other.bots(shard) == {"beta-T1": one}
    assert world.other.key_of_token("print-1") == "beta-T1"
    assert world.other.counts()[shard] == 1


def test_bots_lie_in_their_shards_only(store: Store) -> None:
    add(store, *(bot(key_in(shard, n), f"{shard}-{n}") for shard in range(SHARDS) for n in range(3)))
    for shard in range(SHARDS):
        assert set(store.bots(shard)) == {key_in(shard, n) for n in range(3)}
    assert store.counts() == [3] * SHARDS


def test_a_change_sees_the_bot_as_it_is(store: Store) -> None:
    add(store, bot())
    before, after = store.change_bot("T1", lambda old: msgspec.structs.replace(old, desired="stopped"))
    assert before == bot()
    assert after == store.bot("T1") == bot(desired="stopped")


def test_a_new_token_replaces_the_old_one_in_the_index(store: Store) -> None:
    add(store, bot(token="1"))
    add(store, bot(token="2"))
    assert store.key_of_token("print-1") is None
    assert store.key_of_token("print-2") == "T1"


def test_a_token_that_moved_to_another_bot_stays_in_the_index(store: Store) -> None:
    add(store, bot("T1"), bot("T2"))
    remove(store, "T1")
    assert store.key_of_token("print-1") == "T2"


def test_removing_a_bot_removes_its_status_and_its_token(store: Store) -> None:
    add(store, bot())
    store.put_statuses({"T1": connected()})
    assert store.change_bot("T1", lambda old: None) == (bot(), None)
    assert store.bot("T1") is None
    assert store.status("T1") is None
    assert store.key_of_token("print-1") is None
    assert store.change_bot("T1", lambda old: None) == (None, None)


def test_a_change_that_changes_nothing_writes_nothing(store: Store) -> None:
    add(store, bot())
    versions = store.changes(0).shards
    assert store.change_bot("T1", lambda old: old) == (bot(), bot())
    remove(store, "T2")
    assert store.changes(0).shards == versions


def test_who_sees_a_change_finds_it_told(store: Store) -> None:
    told = Command(op="sync", key="T1")
    store.change_bot(
        "T1", lambda old: bot(), lambda before, after: [told] if (before, after) == (None, bot()) else []
    )
    assert store.receive([store.shard("T1")], 0.0) == [told]


def test_of_a_change_that_changes_nothing_nobody_is_told(store: Store) -> None:
    add(store, bot())
    store.change_bot("T1", lambda old: old, lambda before, after: [Command(op="sync", key="T1")])
    assert store.receive([store.shard("T1")], 0.0) == []


def test_a_change_that_returns_another_bot_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="T2"):
        store.change_bot("T1", lambda old: bot("T2"))


def test_an_error_in_a_change_leaves_the_bot_alone(store: Store) -> None:
    add(store, bot())
    with pytest.raises(ZeroDivisionError):
        store.change_bot("T1", lambda old: 1 / 0)  # type: ignore[arg-type,return-value]
    assert store.bot("T1") == bot()


def test_a_change_is_made_again_when_another_was_faster(world: World) -> None:
    add(world.store, bot())
    seen = []

    def change(old: Bot | None) -> Bot:
        assert old is not None
        seen.append(old.generation)
        if len(seen) == 1:
            add(world.other, bot(generation=7))
        return msgspec.structs.replace(old, generation=old.generation + 1)

    assert world.store.change_bot("T1", change) == (bot(generation=7), bot(generation=8))
    assert seen == [1, 7]


def test_a_bot_removed_meanwhile_does_not_come_back(world: World) -> None:
    add(world.store, bot())

    def change(old: Bot | None) -> Bot | None:
        remove(world.other, "T1")
        return None if old is None else msgspec.structs.replace(old, generation=2)

    assert world.store.change_bot("T1", change) == (None, None)
    assert world.store.bot("T1") is None


def test_no_change_of_many_threads_is_lost(world: World) -> None:
    add(world.store, bot(generation=0))

    def count(number: int) -> None:
        target = (world.store, world.other)[number % 2]
        for _ in range(25):
            target.change_bot("T1", lambda old: msgspec.structs.replace(old, generation=old.generation + 1))

    run_threads(count, 8)
    found = world.store.bot("T1")
    assert found is not None
    assert found.generation == 200


# Rows that can't be read

JUNK = [b"", b"xoxb-test-junk", b"{}", b'{"team_id": 1}', b"\xff\xfe", b'"xoxb-test-junk"']


@pytest.mark.parametrize("row", JUNK)
def test_an_unreadable_bot_is_left_out_and_never_overwritten(
    world: World, row: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    world.hand.bot("T1", row)
    neighbour = key_in(shard_of("T1", SHARDS), 1)
    add(world.store, bot(neighbour))
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            assert list(world.store.bots(world.store.shard("T1"))) == [neighbour]
        for change in (lambda old: bot(), lambda old: None, lambda old: old):
            with pytest.raises(StoreError, match="T1") as caught:
                world.store.change_bot("T1", change)
            assert "xoxb" not in str(caught.value)
    with pytest.raises(StoreError, match="T1"):
        world.store.bot("T1")
    assert sum(world.store.counts()) == 2
    assert [record.getMessage() for record in caplog.records if "T1" in record.getMessage()] == [
        "a row of the store can't be read and is left out: bot T1"
    ]
    assert "xoxb-test-junk" not in caplog.text


def test_an_unreadable_status_is_none_and_is_replaced_by_the_next(world: World) -> None:
    add(world.store, bot())
    world.hand.status("T1", b'{"state": "dancing", "since": 1}')
    assert world.store.status("T1") is None
    assert world.store.statuses(world.store.shard("T1")) == {}
    assert not world.store.replace_status("T1", connected(), connected(2.0))
    world.store.put_statuses({"T1": connected()})
    assert world.store.status("T1") == connected()


def test_an_unreadable_command_is_left_out(world: World) -> None:
    world.store.send([Command(op="sync", key=key_in(0))])
    world.hand.command(0, b"junk")
    world.store.send([Command(op="ping", key=key_in(0))])
    assert [command.op for command in world.store.receive([0], 1)] == ["sync", "ping"]


def test_a_token_that_nobody_can_open_is_kept_as_it_is(store: Store) -> None:
    strange = bot(sealed_token="sealed:of-another-fleet")
    add(store, strange)
    store.change_bot("T1", lambda old: msgspec.structs.replace(old, generation=2))
    found = store.bot("T1")
    assert found is not None
    assert found.sealed_token == "sealed:of-another-fleet"


def test_a_field_that_a_newer_release_added_is_no_hindrance(world: World) -> None:
    world.hand.bot("T1", b'{"team_id":"T1","sealed_token":"plain:x","fingerprint":"f","hue":"red"}')
    world.hand.status("T1", b'{"state":"connected","since":1.0,"holder":"h1","hue":"red"}')
    assert world.store.bot("T1") == Bot(team_id="T1", sealed_token="plain:x", fingerprint="f")
    assert world.store.replace_status("T1", connected(), connected(2.0))


# Statuses


def test_statuses_are_written_and_read(world: World) -> None:
    bots = [bot(key_in(shard), str(shard)) for shard in range(SHARDS)]
    add(world.store, *bots)
    status = connected(12.5, error="timeout", retry_at=20.0, generation=3)
    world.store.put_statuses({one.key: status for one in bots})
    for shard in range(SHARDS):
        assert world.other.statuses(shard) == {key_in(shard): status}
        assert world.other.status(key_in(shard)) == status
    world.store.put_statuses({})


def test_the_status_of_a_bot_that_is_gone_is_dropped(store: Store) -> None:
    add(store, bot("T1"), bot("T2", "2"))
    remove(store, "T1")
    versions = store.changes(0).shards
    store.put_statuses({"T1": connected()})
    assert store.status("T1") is None
    assert store.changes(0).shards == versions
    store.put_statuses({"T1": connected(), "T2": connected()})
    assert store.status("T2") == connected()


def test_more_statuses_than_one_call_takes(store: Store) -> None:
    keys = [key for key in map("T{}".format, range(5000)) if shard_of(key, SHARDS) == 1][:1100]
    add(store, *(bot(key, key) for key in keys))
    store.put_statuses({key: connected() for key in keys})
    assert len(store.statuses(1)) == 1100


def test_a_status_is_replaced_only_if_it_is_still_the_old_one(store: Store) -> None:
    add(store, bot())
    assert not store.replace_status("T1", connected(), connected(2.0))
    store.put_statuses({"T1": connected()})
    assert store.replace_status("T1", connected(), connected(2.0))
    assert not store.replace_status("T1", connected(), connected(3.0))
    assert store.status("T1") == connected(2.0)


def test_one_of_many_replaces_a_status(world: World) -> None:
    add(world.store, bot())
    world.store.put_statuses({"T1": connected()})
    done = run_threads(lambda n: world.store.replace_status("T1", connected(), connected(2.0 + n)), 8)
    assert sorted(map(bool, done)) == [False] * 7 + [True]


def test_versions_grow_with_changes_of_their_shard_only(store: Store) -> None:
    key, shard = key_in(2), 2
    seen = [store.changes(0).shards]
    assert seen == [{}]
    for step in (
        lambda: add(store, bot(key)),
        lambda: add(store, bot(key, generation=2)),
        lambda: remove(store, key),
    ):
        step()
        seen.append(store.changes(0).shards)
        assert seen[-1][shard] > seen[-2].get(shard, 0)
        assert set(seen[-1]) == {shard}


def test_statuses_leave_the_version_alone(store: Store) -> None:
    add(store, bot())
    versions = store.changes(0).shards
    store.put_statuses({"T1": connected()})
    assert store.replace_status("T1", connected(), connected(2.0))
    assert store.changes(0).shards == versions


def test_a_status_is_removed_only_if_it_is_as_it_was_read(store: Store) -> None:
    add(store, bot())
    store.put_statuses({"T1": connected()})
    assert not store.replace_status("T1", connected(2.0), None)
    assert store.replace_status("T1", connected(), None)
    assert store.status("T1") is None


# The door


def test_what_lies_at_the_door_is_seen_and_taken_once(world: World) -> None:
    world.hand.door("token", "beta-T1", "xoxb-test-1")
    world.hand.door("state", "T2", "destroy")
    token, state = DoorEntry("beta-T1", "token", "xoxb-test-1"), DoorEntry("T2", "state", "destroy")
    assert set(world.store.door(10)) == {token, state}
    assert "xoxb" not in repr(world.store.door(10))
    assert [world.store.take_from_door(entry) for entry in (token, state, token)] == [True, True, False]
    assert world.store.door(10) == []


def test_an_entry_that_was_replaced_meanwhile_is_not_taken(world: World) -> None:
    world.hand.door("token", "T1", "xoxb-test-1")
    [entry] = world.store.door(10)
    world.hand.door("token", "T1", "xoxb-test-2")
    assert not world.store.take_from_door(entry)
    assert world.store.door(10) == [DoorEntry("T1", "token", "xoxb-test-2")]


@pytest.mark.parametrize(("teams", "states"), [(50, 0), (0, 50), (50, 50), (50, 2), (2, 50)])
def test_the_door_shows_no_more_than_was_asked_for_and_both_kinds(
    world: World, teams: int, states: int
) -> None:
    for number in range(teams):
        world.hand.door("token", f"T{number}", "xoxb-test-1")
    for number in range(states):
        world.hand.door("state", f"T{number}", "restart")
    entries = world.store.door(10)
    kinds = [entry.kind for entry in entries]
    assert len(set(entries)) == 10
    assert kinds.count("token") >= min(5, teams)
    assert kinds.count("state") >= min(5, states)


def test_the_door_is_not_the_registry(world: World) -> None:
    add(world.store, bot())
    world.store.put_statuses({"T1": connected()})
    assert world.store.door(10) == []


# Subscriptions


def test_subscriptions_are_replaced_by_group(world: World) -> None:
    first = Subscription(task="tasks.ping", types=("message",), words=("ping",), kwargs={"a": 1})
    second = Subscription(task="tasks.all", types=("*",), subtypes=("bot_message",), max_age=3.5)
    world.store.put_subscriptions("tasks", [first, second])
    world.store.put_subscriptions("other", [second])
    assert world.other.subscriptions() == {"tasks": (first, second), "other": (second,)}
    world.store.put_subscriptions("tasks", [second])
    world.store.put_subscriptions("other", [])
    assert world.other.subscriptions() == {"tasks": (second,)}


def test_the_version_of_the_subscriptions_grows_with_changes_only(store: Store) -> None:
    one = [Subscription(task="tasks.ping", types=("message",))]
    versions = [store.subscriptions_version()]
    for wanted in (one, one, [], []):
        store.put_subscriptions("tasks", wanted)
        versions.append(store.subscriptions_version())
    assert versions == [0, 1, 1, 2, 2]


# Shard queues


def test_commands_come_in_order_per_shard(world: World) -> None:
    sent = [
        Command(op="message", key=key_in(n % SHARDS), channel="C1", text=str(n), extra={"n": n})
        for n in range(100)
    ]
    for part in (sent[:10], sent[10:]):
        world.store.send(part)
    for mine in ([0, 2], [1, 3]):
        received: list[Command] = []
        while got := world.other.receive(mine, 0.05, limit=7):
            assert len(got) <= 7
            received += got
        assert len(received) == 50
        for shard in mine:
            assert [c for c in received if shard_of(c.key, SHARDS) == shard] == sent[shard::SHARDS]


def test_receiving_waits_for_a_command(world: World) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.store.receive, range(SHARDS), 20.0)
        world.other.send([Command(op="ping", key="T1")])
        assert waiting.result(timeout=5) == [Command(op="ping", key="T1")]


def test_receiving_gives_up_after_its_time(store: Store) -> None:
    assert store.receive([0], 0) == []
    assert store.receive([0, 1], 0.05) == []
    assert store.receive([], 0.05) == []


def test_a_busy_shard_does_not_starve_the_others(world: World) -> None:
    world.store.send([Command(op="ping", key=key_in(0))] * 100 + [Command(op="sync", key=key_in(1))])
    received = [command for _ in range(20) for command in world.store.receive([0, 1], 0, limit=10)]
    assert len(received) == 101


def test_nothing_to_send(store: Store) -> None:
    store.send([])


# Holders, and who owns what

SEAT, OTHER_SEAT = Seat(3), Seat(3, 1)


def join(store: Store, owner: str, ttl: float = 30.0, **fields: Any) -> Beat:
    return store.beat(Member(name=owner.partition("/")[0], owner=owner, **fields), ttl)


def test_a_holder_lives_as_long_as_it_beats(world: World) -> None:
    assert not join(world.store, "h1/a").renewed
    assert join(world.store, "h1/a", 0.05).renewed
    assert [one.owner for one in world.other.members()] == ["h1/a"]
    eventually(lambda: not join(world.store, "h1/a", 0.05).renewed, interval=0.1)
    join(world.store, "h2/a")
    eventually(lambda: join(world.other, "h2/a") and [one.owner for one in world.other.members()] == ["h2/a"])


def test_the_members_number_changes_with_the_members_only(world: World) -> None:
    first = join(world.store, "h1/a")
    assert join(world.store, "h1/a").members == first.members
    second = join(world.other, "h2/a")
    assert join(world.store, "h1/a").members == second.members != first.members
    drained = join(world.other, "h2/a", draining=True)
    assert drained.members != second.members
    assert world.store.members()[1] == Member(name="h2", owner="h2/a", draining=True)
    world.other.leave("h2/a")
    world.other.leave("h2/a")
    left = join(world.store, "h1/a").members
    assert left != drained.members
    assert join(world.store, "h1/a").members == left
    assert [one.owner for one in world.store.members()] == ["h1/a"]


def test_a_seat_has_one_owner(world: World) -> None:
    join(world.store, "h1/a")
    join(world.store, "h2/a")
    epochs = world.store.take("h1/a", [SEAT])
    assert world.other.take("h2/a", [SEAT, OTHER_SEAT]).keys() == {OTHER_SEAT}
    assert world.store.take("h1/a", [SEAT]) == epochs
    leases = world.other.leases([SEAT, OTHER_SEAT, Seat(9)])
    assert leases[SEAT] == Lease("h1/a", epochs[SEAT])
    assert {seat: lease.owner for seat, lease in leases.items()} == {SEAT: "h1/a", OTHER_SEAT: "h2/a"}


def test_only_the_living_take_seats(store: Store) -> None:
    with pytest.raises(StoreError):
        store.take("h1/a", [SEAT])


def test_a_seat_whose_owner_is_silent_or_has_left_is_taken_under_a_higher_epoch(world: World) -> None:
    join(world.store, "h1/a", 0.05)
    [first] = world.store.take("h1/a", [SEAT]).values()
    join(world.store, "h2/a")
    [second] = eventually(lambda: world.other.take("h2/a", [SEAT])).values()
    join(world.store, "h1/a")
    assert world.store.take("h1/a", [SEAT]) == {}
    world.other.leave("h2/a")
    [third] = world.store.take("h1/a", [SEAT]).values()
    assert first < second < third


def test_an_owner_that_was_silent_has_its_seat_still_if_nobody_took_it(store: Store) -> None:
    join(store, "h1/a", 0.05)
    epochs = store.take("h1/a", [SEAT])
    eventually(lambda: not join(store, "h1/a", 0.05).renewed, interval=0.1)
    join(store, "h1/a")
    assert store.take("h1/a", [SEAT]) == epochs


def test_a_seat_is_handed_over(world: World) -> None:
    for owner in ("h1/a", "h2/a"):
        join(world.store, owner)
    epochs = world.store.take("h1/a", [SEAT, OTHER_SEAT])
    world.other.claim("h2/a", [SEAT])
    assert world.store.claims() == {SEAT: "h2/a"}
    assert join(world.store, "h1/a").claims == 1
    given = {seat: Handover(epoch, "h2/a") for seat, epoch in epochs.items()}
    assert world.store.hand_over("h2/a", given) == set()
    assert world.store.hand_over("h1/a", {SEAT: Handover(epochs[SEAT] - 1, "h2/a")}) == set()
    assert world.store.hand_over("h1/a", given) == {SEAT}, "the other one nobody claims"
    assert world.store.claims() == {}
    world.other.claim("h2/a", [OTHER_SEAT])
    assert world.store.hand_over("h1/a", given) == {OTHER_SEAT}
    assert world.other.take("h2/a", [SEAT]) == {SEAT: epochs[SEAT] + 1}


def test_a_seat_is_not_handed_to_one_that_is_gone(store: Store) -> None:
    join(store, "h1/a")
    epochs = store.take("h1/a", [SEAT])
    store.claim("h3/a", [SEAT])
    assert store.hand_over("h1/a", {SEAT: Handover(epochs[SEAT], "h3/a")}) == set()
    assert store.claims() == {}
    assert store.take("h1/a", [SEAT]) == epochs


def test_a_seat_given_back_is_free_and_its_next_epoch_higher(store: Store) -> None:
    for owner in ("h1/a", "h2/a"):
        join(store, owner)
    epochs = store.take("h1/a", [SEAT])
    assert store.hand_over("h1/a", {SEAT: Handover(epochs[SEAT])}) == {SEAT}
    assert store.leases([SEAT])[SEAT].owner == ""
    assert store.take("h2/a", [SEAT])[SEAT] > epochs[SEAT]


def test_claims_are_taken_back_by_who_made_them(store: Store) -> None:
    store.claim("h1/a", [SEAT, OTHER_SEAT])
    store.claim("h2/a", [OTHER_SEAT])
    store.unclaim("h1/a", [SEAT, OTHER_SEAT])
    assert store.claims() == {OTHER_SEAT: "h2/a"}


def test_more_seats_than_one_call_takes(store: Store) -> None:
    join(store, "h1/a")
    seats = [Seat(shard) for shard in range(1234)]
    epochs = store.take("h1/a", seats)
    assert list(epochs) == seats
    assert store.leases(seats).keys() == epochs.keys()
    assert store.hand_over("h1/a", {seat: Handover(epoch) for seat, epoch in epochs.items()}) == set(seats)


def test_one_of_many_threads_gets_a_seat(world: World) -> None:
    for n in range(8):
        join(world.store, f"h{n}/a")
    got = run_threads(lambda n: world.store.take(f"h{n}/a", [SEAT]), 8)
    assert sorted(map(bool, got)) == [False] * 7 + [True]


def test_a_holder_is_asked_to_drain(world: World) -> None:
    join(world.store, "h1/a")
    world.other.ask_to_drain("h1/a", True)
    assert join(world.store, "h1/a").drain
    world.other.ask_to_drain("h1/a", False)
    assert not join(world.store, "h1/a").drain
    world.other.ask_to_drain("h1/a", True)
    world.store.leave("h1/a")
    assert not join(world.store, "h1/a").drain


def test_holders_are_seen_until_they_are_silent_or_gone(world: World) -> None:
    first = HolderInfo(name="h1@a", host="a", pid=7, since=1.5, bots=3, connected=2)
    world.store.announce(HolderInfo(name="h2@b"), 30)
    world.store.announce(first, 30)
    assert world.other.holders() == [first, HolderInfo(name="h2@b")]
    world.store.announce(HolderInfo(name="h1@a", bots=4), 0.05)
    eventually(lambda: world.other.holders() == [HolderInfo(name="h2@b")])
    world.store.withdraw("h2@b")
    world.store.withdraw("h3@c")
    assert world.other.holders() == []


# Caches


def rows(**values: str) -> dict[str, CachedRow | None]:
    """Rows by id, each with its value for a name."""
    return {id_: CachedRow(value.upper().encode(), (value,)) for id_, value in values.items()}


def test_what_is_cached_is_found_by_id_and_by_name(world: World) -> None:
    assert world.store.cached("users:T1", ["U1"], 30) == world.store.cached_as("users:T1", "ann", 30) == {}
    odd = CachedRow(b"\0\xff\n=", ("grüße an alle", "%a ="))
    assert world.store.put_cached("users:T1", {**rows(U1="ann", U2="bob"), "U3": odd}, 30)
    assert world.other.cached("users:T1", ["U3", "U9", "U1"], 30) == {"U3": b"\0\xff\n=", "U1": b"ANN"}
    assert world.other.cached("users:T1", [], 30) == {}
    assert world.other.cached_as("users:T1", "ann", 30) == {"U1": b"ANN"}
    assert all(world.other.cached_as("users:T1", name, 30) == {"U3": odd.value} for name in odd.names)
    assert world.other.cached_ids("users:T1") == {"U1", "U2", "U3"}
    assert world.other.cached_ids("users:T2") == set()


def test_a_row_that_changes_loses_its_former_names(world: World) -> None:
    world.store.put_cached("users:T1", {"U1": CachedRow(b"1", ("ann", "annie"))}, 30)
    world.other.put_cached("users:T1", {"U1": CachedRow(b"2", ("annie", "anna"))}, 30)
    assert world.store.cached_as("users:T1", "ann", 30) == {}
    assert world.store.cached_as("users:T1", "annie", 30) == {"U1": b"2"}
    world.other.put_cached("users:T1", {"U1": None, "U9": None, "U2": CachedRow(b"3", ("bob",))}, 30)
    assert world.store.cached_as("users:T1", "annie", 30) == world.store.cached("users:T1", ["U1"], 30) == {}
    assert world.store.cached_ids("users:T1") == {"U2"}


def test_several_may_have_one_name(world: World) -> None:
    world.store.put_cached("users:T1", {**rows(U1="ann", U2="bob"), "U3": CachedRow(b"3", ("ann",))}, 30)
    assert world.other.cached_as("users:T1", "ann", 30) == {"U1": b"ANN", "U3": b"3"}
    world.store.put_cached("users:T1", {"U1": None}, 30)
    assert world.other.cached_as("users:T1", "ann", 30) == {"U3": b"3"}


def test_a_large_cache(world: World) -> None:
    many = {f"U{n}": CachedRow(str(n).encode(), (f"user {n}",)) for n in range(1000)}
    world.store.put_cached("users:T1", many, 30)
    found = world.other.cached("users:T1", list(many), 30)
    assert found == {id_: row.value for id_, row in many.items()}
    assert world.other.cached_as("users:T1", "user 999", 30) == {"U999": b"999"}


def test_caches_of_threads_do_not_lose_names(store: Store) -> None:
    run_threads(lambda n: store.put_cached("users:T1", {f"U{n}": CachedRow(b"x", ("ann",))}, 30), 16)
    assert len(store.cached_as("users:T1", "ann", 30)) == 16


def test_a_cache_ends_unless_somebody_asks(world: World) -> None:
    for cache in ("a", "b", "c"):
        world.store.put_cached(cache, rows(U1="ann"), 0.2)
    world.other.cached("a", ["U1"], 30)
    world.other.cached_as("b", "ann", 30)
    assert eventually(lambda: not world.store.cached_ids("c"))
    assert world.store.cached_ids("a") == world.store.cached_ids("b") == {"U1"}


def test_a_cache_may_be_changed_without_a_longer_life(world: World) -> None:
    assert not world.store.put_cached("a", rows(U1="ann"), None)
    assert world.store.cached("a", ["U1"], None) == {}
    world.store.put_cached("a", rows(U1="ann"), 0.3)
    assert world.other.put_cached("a", rows(U1="bob"), None)
    assert world.other.cached("a", ["U1"], None) == {"U1": b"BOB"}
    assert world.other.cached_as("a", "ann", 0.3) == {}
    assert eventually(lambda: world.store.cached("a", ["U1"], None) == {})


def test_a_cache_can_be_dropped(world: World) -> None:
    world.store.put_cached("a", rows(U1="ann"), 30)
    world.store.put_cached("b", rows(U1="ann"), 30)
    world.other.drop_cache("a")
    world.other.drop_cache("a")
    assert world.store.cached_as("a", "ann", 30) == {}
    assert world.store.cached_ids("b") == {"U1"}
    assert not world.store.put_cached("a", {}, 30)


# Rotas


def test_turns_of_a_rota_come_one_after_another(world: World) -> None:
    assert world.store.take_turns("care", 5, 30) == []
    for n, member in enumerate(["T4", "T3", "T2", "T1"]):
        world.store.set_turn("care", member, 0.005 * n)
    world.store.set_turn("care", "T9", 30)
    world.store.set_turn("other", "T8", 0)
    taken: list[str] = []

    def all_are_taken() -> bool:
        taken.extend(world.other.take_turns("care", 1, 30))
        return len(taken) == 4

    eventually(all_are_taken)
    assert taken == ["T4", "T3", "T2", "T1"]
    assert world.store.take_turns("care", 5, 30) == []
    world.store.set_turn("other", "T8", None)
    world.store.set_turn("other", "T7", None)
    assert world.other.take_turns("other", 5, 30) == []


def test_a_turn_is_taken_once(store: Store) -> None:
    for n in range(10):
        store.set_turn("care", f"T{n}", 0)
    members: list[str] = []

    def all_are_taken() -> bool:
        for part in run_threads(lambda n: store.take_turns("care", 3, 30), 8):
            members.extend(part)  # type: ignore[arg-type]
        return len(members) >= 10

    eventually(all_are_taken)
    assert len(members) == len(set(members)) == 10


# Those who watch


def test_who_watches_is_known_until_nobody_says_so_any_more(world: World) -> None:
    one, other = Watch(id="a", teams=("T1",), text=True), Watch(id="b", types=("message",), wanted=True)
    assert world.store.watches() == []
    world.store.watch(other, 30)
    world.store.watch(one, 0.3)
    assert world.other.watches() == [one, other]
    world.store.watch(other, 30)
    eventually(lambda: world.other.watches() == [other])
    for number in range(30):
        world.store.watch(Watch(id=f"c{number}"), 30)
    assert len(world.other.watches(limit=10)) == 10


def test_what_is_shown_reaches_those_who_watch_and_nobody_else(world: World) -> None:
    sighting = Sighting(id="Ev1", received_at=1.5, bot="T1", type="message", envelope='{"text": "hö"}')
    shown = Shown(holder="h1", sightings=(sighting,), skipped=2)
    world.store.show("a", shown)
    with (
        world.store.viewer("a") as first,
        world.other.viewer("a") as second,
        world.other.viewer("b") as third,
    ):
        world.other.show("a", shown)
        world.other.show("a", Shown(holder="h2"))
        for viewer in (first, second):
            assert viewer.next(5.0) == shown
            assert viewer.next(5.0) == Shown(holder="h2")
            assert viewer.next(0.01) is None
        assert third.next(0.01) is None
    world.store.show("a", shown)


# Small things


def test_a_mark_is_set_once_until_it_expires(world: World) -> None:
    assert world.store.once("Ev1", 30)
    assert not world.other.once("Ev1", 30)
    assert world.store.once("Ev2", 0.05)
    assert eventually(lambda: world.other.once("Ev2", 30))


def test_one_of_many_threads_is_first(world: World) -> None:
    assert sorted(map(bool, run_threads(lambda n: world.store.once("Ev1", 30), 8))) == [False] * 7 + [True]


def test_a_cursor_moves_on(world: World) -> None:
    assert [world.store.advance("check", 5), world.other.advance("check", 3)] == [0, 5]
    assert world.store.advance("check", 0) == 8
    assert world.store.advance("other", 1) == 0


def test_turns_of_a_pace_are_apart_whoever_takes_them(world: World) -> None:
    # So slow a pace that what the calls take does not matter.
    stores = (world.store, world.other)
    turns = run_threads(lambda n: stores[n % 2].reserve("connect", 0.1), 16)
    assert [round(turn, -1) for turn in sorted(map(float, turns))] == [10.0 * n for n in range(16)]  # type: ignore[arg-type]
    assert world.store.reserve("other", 0.1) == 0.0


def test_turns_that_nobody_took_are_not_made_up_for(store: Store) -> None:
    began = time.monotonic()
    assert store.reserve("connect", 5.0) == 0.0
    assert 0.0 < store.reserve("connect", 5.0) <= 0.2
    eventually(lambda: time.monotonic() > began + 1.0)
    assert store.reserve("connect", 5.0) == 0.0
    assert 0.1 < store.reserve("connect", 5.0) <= 0.2


def test_a_pace_may_change(store: Store) -> None:
    store.reserve("connect", 0.1)
    assert 9.0 < store.reserve("connect", 1.0) <= 10.0
    assert 10.0 < store.reserve("connect", 1.0) <= 11.0


# What goes out to Slack


def test_a_bot_comes_with_its_status(store: Store) -> None:
    add(store, bot())
    assert store.bot_and_status("T1") == (bot(), None)
    store.put_statuses({"T1": connected()})
    assert store.bot_and_status("T1") == (bot(), connected())
    assert store.bot_and_status("T2") == (None, None)


def test_a_command_is_sent_once_under_a_mark(world: World) -> None:
    one = Command(op="message", key=key_in(3), channel="C1", text="hi", ticket="a")
    again = msgspec.structs.replace(one, ticket="b")
    assert world.store.send_once(one, "m1", 60.0) is None
    assert world.other.send_once(again, "m1", 60.0) == "a"
    assert world.store.send_once(again, "m2", 60.0) is None
    assert world.store.receive([3], 0.0) == [one, again]


def test_a_command_without_a_ticket_is_sent_once_too(store: Store) -> None:
    one = Command(op="message", key=key_in(3), channel="C1", text="hi")
    assert [store.send_once(one, "m1", 60.0) for _ in range(2)] == [None, ""]
    assert len(store.receive([3], 0.0)) == 1


def test_of_many_only_one_sends(world: World) -> None:
    one = Command(op="message", key=key_in(3), channel="C1", text="hi")
    stores = (world.store, world.other)
    run_threads(lambda n: stores[n % 2].send_once(one, "m1", 60.0), 16)
    assert len(world.store.receive([3], 0.0)) == 1


def test_a_mark_expires_or_is_forgotten(store: Store) -> None:
    one = Command(op="message", key=key_in(3), channel="C1", text="hi")
    store.send_once(one, "short", 0.05)
    # Asking makes it live on, so that it is not asked too often.
    eventually(lambda: store.send_once(one, "short", 0.05) is None, interval=0.2)
    store.send_once(one, "long", 60.0)
    store.forget("long")
    assert store.send_once(one, "long", 60.0) is None
    assert len(store.receive([3], 0.0)) == 4


def test_an_answer_stays_for_all_who_wait_for_it(world: World) -> None:
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(store.wait_for_answer, "t1", 10.0) for store in (world.store, world.other)]
        world.store.put_answers({"t1": Answer(ts="1.5"), "t2": Answer(error="no_text")}, 60.0)
        assert [one.result(timeout=10) for one in waiting] == [Answer(ts="1.5")] * 2
    assert world.other.wait_for_answer("t1", 0.1) == Answer(ts="1.5")
    assert world.other.wait_for_answer("t2", 0.1) == Answer(error="no_text")


def test_an_answer_that_does_not_come_or_has_expired(store: Store) -> None:
    assert store.wait_for_answer("t1", 0.05) is None
    store.put_answers({"t1": Answer(ts="1.5")}, 0.3)
    assert store.wait_for_answer("t1", 0.05) == Answer(ts="1.5")
    # Being looked at does not lengthen its life.
    eventually(lambda: store.wait_for_answer("t1", 0.01) is None)


def test_a_burst_is_admitted_at_once_and_the_rest_in_turn(world: World) -> None:
    # So slow a pace that what the calls take does not matter.
    stores, pacing = (world.store, world.other), Pacing("T1:C1", rate=0.1, burst=3)
    found = run_threads(lambda n: stores[n % 2].admit("", "post", pacing, patience=25.0), 8)
    admitted: list[Admission] = sorted(found, key=lambda one: (not one.taken, one.wait))  # type: ignore[arg-type, union-attr, return-value]
    assert [(round(one.wait, -1), one.taken) for one in admitted] == [
        *[(0.0, True)] * 3,
        (10.0, True),
        (20.0, True),
        *[(30.0, False)] * 3,
    ]
    assert world.store.admit("", "post", Pacing("T1:C2", rate=0.1)) == (None, 0.0, True)


def test_what_was_noted_is_not_admitted_again(world: World) -> None:
    pacing = Pacing("T1:C1", rate=0.1)
    assert world.store.admit("m1", "post", pacing) == (None, 0.0, True)
    world.store.note("m1", '{"ts": "1.5"}', 60.0)
    assert world.other.admit("m1", "post", pacing) == ('{"ts": "1.5"}', 0.0, False)
    world.other.forget("m1")
    assert world.store.admit("m1", "post", pacing).noted is None


def test_what_is_halted_waits_and_takes_no_turn(world: World) -> None:
    pacing = Pacing("T1:C1", rate=0.01)
    world.store.halt("T1:chat.postMessage", 30.0)
    world.store.halt("T1:chat.postMessage", 1.0)
    noted, wait, taken = world.other.admit("", "T1:chat.postMessage", pacing, patience=60.0)
    assert (noted, taken) == (None, False)
    assert 25.0 < wait <= 30.0
    assert world.other.admit("", "T1:chat.update", pacing) == (None, 0.0, True)


def test_a_halt_ends_and_may_grow(store: Store) -> None:
    store.halt("post", 0.05)
    eventually(lambda: store.admit("", "post").taken)
    store.halt("post", 10.0)
    store.halt("post", 30.0)
    assert store.admit("", "post").wait > 20.0


# Notes, keys and hits


def test_a_note_is_read_until_it_expires(world: World) -> None:
    world.store.put_note("session:a", b"one", 60.0)
    world.store.put_note("session:a", b"two", 60.0)
    assert world.other.read_note("session:a") == b"two"
    assert world.other.read_note("session:b") is None
    world.store.put_note("short", b"x", 0.001)
    assert eventually(lambda: world.store.read_note("short") is None)


def test_a_note_is_taken_once(world: World) -> None:
    world.store.put_note("state:a", b"one", 60.0)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: world.other.take_note("state:a"), range(16)))
    assert sorted(filter(None, taken)) == [b"one"]
    assert world.store.read_note("state:a") is None


def test_a_note_is_dropped(world: World) -> None:
    world.store.put_note("session:a", b"one", 60.0)
    world.other.drop_note("session:a")
    world.other.drop_note("session:a")
    assert world.store.read_note("session:a") is None


def test_access_keys(world: World) -> None:
    one = AccessKey(id="0a", name="grafana", rights="read", digest="00", created_at=2.0)
    two = AccessKey(id="0b", name="ops", rights="admin", digest="01", created_at=1.0)
    world.store.put_access_key(one)
    world.store.put_access_key(two)
    assert world.other.access_keys() == [two, one]
    assert world.other.access_key("0a") == one
    assert world.other.access_key("0c") is None
    assert world.other.remove_access_key("0a")
    assert not world.store.remove_access_key("0a")
    assert world.store.access_keys() == [two]


def test_hits_are_counted_within_a_window(world: World) -> None:
    assert [world.store.hits("sign-in:1", 60.0), world.other.hits("sign-in:1", 60.0)] == [1, 2]
    assert world.store.hits("sign-in:2", 0.001) == 1
    assert eventually(lambda: world.store.hits("sign-in:2", 0.001) == 1)


# In memory only


def test_the_clock_decides_on_expiry_in_memory() -> None:
    now = [1000.0]
    store = MemoryStore(SHARDS, clock=lambda: now[0])
    join(store, "h1/a", 10)
    store.take("h1/a", [SEAT])
    join(store, "h2/a", 60)
    store.announce(HolderInfo(name="h1"), 10)
    store.once("Ev1", 10)
    assert [store.reserve("connect", 0.5) for _ in range(3)] == [0.0, 2.0, 4.0]
    now[0] += 9.9
    assert store.take("h2/a", [SEAT]) == {}
    assert len(store.holders()) == 1
    assert not store.once("Ev1", 10)
    assert [store.reserve("connect", 0.5) for _ in range(2)] == [0.0, 2.0]
    now[0] += 0.2
    assert store.take("h2/a", [SEAT])
    assert store.holders() == []
    assert store.once("Ev1", 10)


def test_expired_marks_leave_the_memory() -> None:
    now = [1000.0]
    store = MemoryStore(SHARDS, clock=lambda: now[0])
    for number in range(5000):
        now[0] += 1
        store.once(f"Ev{number}", 10)
    assert len(store._marks) <= 1000


def test_memory_can_be_told_to_be_down(memory_store: MemoryStore) -> None:
    memory_store.down = True
    with pytest.raises(StoreUnavailable):
        memory_store.ping()
    memory_store.down = False
    memory_store.ping()


def test_closing_ends_a_wait_in_memory(memory_store: MemoryStore) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(memory_store.receive, [0], 60.0)
        memory_store.close()
        assert waiting.result(timeout=5) == []
