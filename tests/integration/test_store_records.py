"""What every store remembers: histories of bots, samples of the fleet, and counts by state."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import pytest

from botfleet.lifecycle import CREATED, command_of, happening
from botfleet.model import HistoryEntry, Sample, Status
from botfleet.store import MemoryStore, Store
from botfleet.store.redis import RedisStore
from botfleet.store.redis_client import client_of
from botfleet.store.values import HISTORY_KEPT, HISTORY_LENGTH, SAMPLES_KEPT
from tests.integration.store_values import SHARDS, add, bot, connected, remove


@pytest.fixture(params=["memory", "valkey"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore(SHARDS)
        return
    store = RedisStore.from_url(request.getfixturevalue("redis_url"), SHARDS)
    yield store
    store.close()


def whats(store: Store, key: str = "T1") -> list[str]:
    return [entry.what for entry in store.history(key)]


def lost(since: float, error: str = "silent") -> Status:
    return Status(state="disconnected", since=since, holder="h1", error=error)


# Histories


def test_a_bot_that_nothing_became_of_has_no_history(store: Store) -> None:
    assert store.history("T1") == []


def test_changes_of_a_status_are_remembered_the_newest_first(store: Store) -> None:
    add(store, bot())
    store.put_statuses({"T1": connected(1.0)})
    store.put_statuses({"T1": lost(2.0)})
    store.put_statuses({"T1": connected(3.0, holder="h2")})
    assert store.history("T1") == [
        HistoryEntry(at=3.0, what="connected", holder="h2"),
        HistoryEntry(at=2.0, what="disconnected", error="silent", holder="h1"),
        HistoryEntry(at=1.0, what="connected", holder="h1"),
    ]


def test_what_goes_on_as_it_was_is_no_change(store: Store) -> None:
    add(store, bot())
    for since in (1.0, 2.0):
        store.put_statuses({"T1": connected(since)})
    for since in (3.0, 4.0):
        # As a bot that can't be connected, and is tried again and again.
        store.put_statuses({"T1": Status(state="connecting", since=since, holder="h1")})
        store.put_statuses({"T1": lost(since, "unreachable")})
    assert [(entry.what, entry.at) for entry in store.history("T1")] == [
        ("disconnected", 3.0),
        ("connected", 1.0),
    ]


def test_another_error_or_another_holder_is_a_change(store: Store) -> None:
    add(store, bot())
    for since, error in ((1.0, "silent"), (2.0, "no hello, [it] said")):
        store.put_statuses({"T1": lost(since, error)})
    store.put_statuses({"T1": msgspec.structs.replace(lost(3.0, "no hello, [it] said"), holder="h2")})
    assert [entry.at for entry in store.history("T1")] == [3.0, 2.0, 1.0]


def test_a_history_is_bounded(store: Store) -> None:
    add(store, bot())
    for number in range(HISTORY_LENGTH + 5):
        store.put_statuses({"T1": lost(float(number), f"error {number}")})
    assert [entry.at for entry in store.history("T1")] == [
        float(number) for number in range(HISTORY_LENGTH + 4, 4, -1)
    ]


def test_of_a_bot_that_is_not_in_the_registry_nothing_is_remembered(store: Store) -> None:
    store.put_statuses({"T1": connected()})
    assert store.history("T1") == []


def test_a_status_that_is_replaced_is_remembered_if_it_was_still_the_old_one(store: Store) -> None:
    add(store, bot())
    store.put_statuses({"T1": connected(1.0)})
    assert store.replace_status("T1", connected(1.0), lost(2.0, "holder gone"))
    assert not store.replace_status("T1", connected(1.0), lost(3.0, "nobody saw this"))
    assert store.replace_status("T1", lost(2.0, "holder gone"), None)
    assert [entry.error for entry in store.history("T1")] == ["holder gone", ""]


def test_what_people_did_is_remembered_and_outlives_the_bot(store: Store) -> None:
    created = msgspec.structs.replace(happening(CREATED, bot(), reason="token"), at=1.0)
    store.change_bot("T1", lambda old: bot(), lambda before, after: [command_of(created)])
    store.put_statuses({"T1": connected(2.0)})
    remove(store, "T1")
    assert store.history("T1") == [
        HistoryEntry(at=2.0, what="connected", holder="h1"),
        HistoryEntry(at=1.0, what="bot_created", reason="token"),
    ]


def test_many_bots_have_a_history_each(store: Store) -> None:
    keys = [f"T{number}" for number in range(1000)]
    add(store, *(bot(key, token=key) for key in keys))
    store.put_statuses(dict.fromkeys(keys, connected()))
    assert all(whats(store, key) == ["connected"] for key in keys)


# Samples


def test_samples_are_found_by_when_they_were_taken(store: Store) -> None:
    now = round(time.time(), 3)
    taken = [
        Sample(at=now - ago, bots={"connected": 3}, queues={"events.other": 1}) for ago in (20.0, 10.0, 0.0)
    ]
    for sample in taken:
        store.put_sample(sample)
    assert store.samples(0.0) == taken
    assert store.samples(now - 15) == taken[1:]
    assert store.samples(now - 10) == taken[2:]
    assert store.last_sample() == taken[2]


def test_samples_are_kept_for_an_hour(store: Store) -> None:
    assert store.last_sample() is None
    now = time.time()
    store.put_sample(Sample(at=now - SAMPLES_KEPT + 5))
    store.put_sample(Sample(at=now - SAMPLES_KEPT - 5))
    assert len(store.samples(0.0)) == 1
    store.put_sample(Sample(at=now))
    assert [sample.at for sample in store.samples(now - 60)] == [pytest.approx(now)]


# Counts


def test_counts_by_state_are_added_up_over_the_shards(store: Store) -> None:
    assert store.state_counts() == {}
    store.put_state_counts({0: {"connected": 3, "stopped": 1}, 1: {"connected": 2}, 2: {}})
    assert store.state_counts() == {"connected": 5, "stopped": 1}
    store.put_state_counts({0: {"token_revoked": 1}, 1: {}})
    store.put_state_counts({0: {"token_revoked": 1}})
    assert store.state_counts() == {"token_revoked": 1}
    store.put_state_counts({})


def test_counts_of_many_shards(store: Store) -> None:
    store.put_state_counts({shard: {"connected": 2, "stopped": 1} for shard in range(250)})
    store.put_state_counts({shard: {"connected": 3} for shard in range(150)})
    assert store.state_counts() == {"connected": 650, "stopped": 100}


def test_positions_of_cursors(store: Store) -> None:
    store.advance("a", 3)
    assert store.positions(["b", "a"]) == [0, 3]
    assert store.positions([]) == []


# Each store by itself


def test_what_is_remembered_expires_in_redis(redis_url: str) -> None:
    store, client = RedisStore.from_url(redis_url, SHARDS), client_of(redis_url)
    add(store, bot())
    store.put_statuses({"T1": connected()})
    store.put_sample(Sample(at=time.time()))
    assert HISTORY_KEPT - 10 < client.ttl("botfleet:history:T1") <= HISTORY_KEPT
    assert SAMPLES_KEPT - 10 < client.ttl("botfleet:samples") <= SAMPLES_KEPT
    client.rpush("botfleet:history:T2", b"no JSON")
    add(store, bot("T2", token="2"))
    store.put_statuses({"T2": connected()})
    assert whats(store, "T2") == ["connected"]
    store.close()
    client.close()


def test_what_is_remembered_expires_in_memory() -> None:
    now = 1000.0
    store = MemoryStore(SHARDS, lambda: now)
    add(store, bot())
    store.put_statuses({"T1": connected()})
    store.put_sample(Sample(at=now))
    now += HISTORY_KEPT + 1
    assert store.history("T1") == []
    assert store.samples(0.0) == []
