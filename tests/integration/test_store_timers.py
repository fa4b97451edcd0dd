"""The contract of every store for timers and locks."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from botfleet.embedded import EmbeddedServer
from botfleet.model import Schedule, TimerState
from botfleet.store import MemoryStore, Store
from botfleet.store.redis import RedisStore
from botfleet.timers.ticker import Due, Ticker
from tests.conftest import flush
from tests.integration.store_values import SHARDS, run_threads
from tests.waiting import eventually

MINUTELY = Schedule(task="tasks.minutely", seconds=60)
DAILY = Schedule(task="tasks.daily", cron="0 9 * * *")
STATE = TimerState(plan=MINUTELY.plan, due_at=1000.0)


@pytest.fixture(params=["memory", "valkey", "redis-server"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore(SHARDS)
        return
    server: EmbeddedServer = request.getfixturevalue(
        "valkey" if request.param == "valkey" else "debian_redis"
    )
    flush(server.url)
    store = RedisStore.from_url(server.url, SHARDS)
    yield store
    store.close()


def names(store: Store) -> set[str]:
    return set(store.timetable().schedules)


def test_at_first_there_are_none(store: Store) -> None:
    timetable = store.timetable()
    assert timetable.schedules == {}
    assert abs(timetable.now - time.time()) < 5.0
    assert store.timer_states(["tasks.minutely"]) == {}
    assert store.memory("tasks.minutely") == {}


def test_roles_announce_theirs(store: Store) -> None:
    store.put_timers("handler", [MINUTELY, DAILY], 30)
    store.put_timers("analytics", [DAILY], 30)
    assert store.timetable().schedules == {"tasks.minutely": MINUTELY, "tasks.daily": DAILY}
    store.put_timers("handler", [], 30)
    assert names(store) == {"tasks.daily"}
    store.put_timers("analytics", [MINUTELY], 30)
    assert names(store) == {"tasks.minutely"}


def test_a_role_that_says_nothing_any_more_is_forgotten(store: Store) -> None:
    store.put_timers("handler", [MINUTELY], 0.05)
    store.put_timers("analytics", [DAILY], 0.05)
    assert store.keep_timers("analytics", 30)
    eventually(lambda: names(store) == {"tasks.daily"})
    assert not store.keep_timers("handler", 30)
    assert names(store) == {"tasks.daily"}


def test_only_what_is_there_is_kept(store: Store) -> None:
    assert not store.keep_timers("handler", 30)
    assert names(store) == set()


def test_a_state_is_replaced_only_if_it_is_still_as_it_was_read(store: Store) -> None:
    later = TimerState(plan=STATE.plan, due_at=1060.0, last_run=1060.5)
    assert store.replace_timer("t", None, STATE, 30)
    assert not store.replace_timer("t", None, later, 30)
    assert store.replace_timer("t", STATE, later, 30)
    assert not store.replace_timer("t", STATE, later, 30)
    assert store.timer_states(["t", "u"]) == {"t": later}


def test_a_state_is_forgotten_with_its_memory(store: Store) -> None:
    store.replace_timer("t", None, STATE, 30)
    store.remember("t", "seen", b"17")
    store.replace_timer("t", STATE, TimerState(plan="other", due_at=1.0), 0.05)
    eventually(lambda: store.timer_states(["t"]) == {})
    eventually(lambda: store.memory("t") == {})


def test_a_memory_is_kept_by_field(store: Store) -> None:
    store.remember("t", "a", b"1")
    store.remember("t", "b", b'"x"')
    store.remember("t", "a", b"2")
    store.remember("t", "c", None)
    store.remember("u", "a", b"3")
    assert store.memory("t") == {"a": b"2", "b": b'"x"'}
    store.remember("t", "a", None)
    assert store.memory("t") == {"b": b'"x"'}


def test_of_many_only_one_replaces_a_state(store: Store) -> None:
    store.replace_timer("t", None, STATE, 30)
    later = [TimerState(plan="p", due_at=float(n)) for n in range(8)]
    won = run_threads(lambda n: store.replace_timer("t", STATE, later[n], 30), 8)
    assert sorted(won) == [False] * 7 + [True]
    assert store.timer_states(["t"]) == {"t": later[won.index(True)]}


def test_two_ticks_at_once_share_what_is_due(store: Store) -> None:
    timers = [Schedule(task=f"tasks.t{n}", seconds=60) for n in range(20)]
    store.put_timers("handler", timers, 30)
    now = store.timetable().now
    for one in timers:
        store.replace_timer(one.task, None, TimerState(plan=one.plan, due_at=now - 61), 30)
    found = run_threads(lambda n: list(Ticker(store).claim()), 4)
    claimed = [due.schedule.task for some in found for due in some]
    assert sorted(claimed) == sorted(one.task for one in timers)
    assert list(Ticker(store).claim()) == []


def test_what_could_not_be_sent_is_due_again(store: Store) -> None:
    store.put_timers("handler", [MINUTELY], 30)
    before = TimerState(plan=MINUTELY.plan, due_at=store.timetable().now - 61, last_run=5.0)
    store.replace_timer(MINUTELY.task, None, before, 30)
    ticker = Ticker(store)
    (due,) = ticker.claim()
    ticker.give_back(due)
    (again,) = ticker.claim()
    assert isinstance(again, Due)
    assert (again.due_at, again.before) == (due.due_at, before)


# Locks


def test_a_lock_is_one_owners(store: Store) -> None:
    assert store.hold("x", "a", 30)
    assert not store.hold("x", "b", 30)
    assert store.hold("y", "b", 30)
    store.let_go("x", "b")
    assert not store.hold("x", "b", 30)
    store.let_go("x", "a")
    assert store.hold("x", "b", 30)


def test_a_lock_expires_unless_it_is_kept(store: Store) -> None:
    assert store.hold("x", "a", 0.05)
    assert store.hold("y", "a", 0.05)
    assert store.hold("y", "a", 30)
    eventually(lambda: store.hold("x", "b", 30))
    assert not store.hold("y", "b", 30)
