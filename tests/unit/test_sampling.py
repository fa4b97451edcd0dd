"""Samples of how the fleet is."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from botfleet.errors import BotfleetError
from botfleet.handlers.running.counters import failed_counter, late_counter, retried_counter, runs_counter
from botfleet.model import HolderInfo, Sample, Schedule, Subscription
from botfleet.publishing.router import EVENT_QUEUES
from botfleet.sampling import HTTP_COUNTER, SAMPLE_TASK, Sampler, handler_totals
from botfleet.steps import quiet_ticks
from botfleet.store import MemoryStore

NOW = 1_700_000_000.0


class Broker:
    """Has two messages in each queue."""

    away = False

    def read(self, queues: Sequence[str]) -> dict[str, int]:
        if self.away:
            raise BotfleetError("the broker does not answer (OSError)")
        return dict.fromkeys(queues, 2)

    def unacked(self) -> int | None:
        return 5


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(4, lambda: NOW)
    store.put_subscriptions("handler", [Subscription(task="tasks.ping", types=("message",), queue="slow")])
    store.put_timers("handler", [Schedule(task="tasks.tidy", seconds=60.0, queue="timers")], 60.0)
    return store


def sampler(store: MemoryStore, broker: Broker) -> Sampler:
    return Sampler(store, broker, ["botfleet.control"], lambda: NOW)


def test_a_sample_tells_of_bots_holders_queues_and_handlers(store: MemoryStore) -> None:
    store.put_state_counts({0: {"connected": 2}, 3: {"connected": 1, "stopped": 1}})
    for name in ("h1", "h2"):
        store.announce(HolderInfo(name=name, events=10, published=7, dropped=1, unsent=2, rate=1.5), 60.0)
    counters = (runs_counter, failed_counter, late_counter, retried_counter)
    for number, counter in enumerate(counters, 1):
        store.advance(counter("tasks.ping"), number)
    taken = sampler(store, Broker()).take()
    queues = ["botfleet.control", *EVENT_QUEUES, "slow", "timers"]
    assert taken == Sample(
        at=NOW,
        bots={"connected": 3, "stopped": 1},
        holders=2,
        rate=3.0,
        events=20,
        published=14,
        dropped=2,
        unsent=4,
        queues=dict.fromkeys(queues, 2),
        unacked=5,
        runs=1,
        failed=2,
        late=3,
        retries=4,
    )
    assert store.last_sample() == taken


def test_what_comes_by_http_counts_for_the_rate() -> None:
    now = NOW
    store = MemoryStore(4, lambda: now)
    takes = Sampler(store, Broker(), clock=lambda: now)
    store.advance(HTTP_COUNTER, 1000)
    assert (takes.take().rate, takes.take().rate) == (0.0, 0.0)
    now += 10.0
    store.advance(HTTP_COUNTER, 50)
    taken = takes.take()
    assert (taken.rate, taken.http) == (5.0, 1050)
    store.advance(HTTP_COUNTER, -1050)
    now += 10.0
    assert takes.take().rate == 0.0


def test_a_fleet_of_nothing_has_a_sample() -> None:
    taken = sampler(MemoryStore(4, lambda: NOW), Broker()).take()
    assert (taken.bots, taken.holders, taken.runs) == ({}, 0, 0)


def test_a_broker_that_is_away_leaves_the_rest_of_the_sample(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker()
    broker.away = True
    store.put_state_counts({0: {"connected": 2}})
    taken = sampler(store, broker).take()
    assert (taken.bots, taken.queues, taken.unacked) == ({"connected": 2}, {}, None)
    assert [record.action for record in caplog.records] == ["sample"]  # type: ignore[attr-defined]


def test_what_is_counted_of_each_task_is_read_at_once(store: MemoryStore) -> None:
    store.advance(runs_counter("a"), 3)
    store.advance(failed_counter("b"), 1)
    runs, failed, late, retried = handler_totals(store, ["a", "b"])
    assert (runs, failed) == ({"a": 3, "b": 0}, {"a": 0, "b": 1})
    assert (late, retried) == ({"a": 0, "b": 0}, {"a": 0, "b": 0})
    assert handler_totals(store, []) == [{}, {}, {}, {}]


@pytest.mark.parametrize("args", [("sample", SAMPLE_TASK), ({"name": SAMPLE_TASK, "id": "1"},)])
def test_samples_are_quiet_in_the_log_unless_they_fail(
    args: tuple[object, ...], caplog: pytest.LogCaptureFixture
) -> None:
    quiet_ticks()
    caplog.set_level(logging.INFO)
    log = logging.getLogger("celery.beat")
    text = "Sending due task %s (%s)" if len(args) == 2 else "Task %(name)s[%(id)s] received"
    log.info(text, *args)
    assert caplog.records == []
    log.error(text, *args)
    assert len(caplog.records) == 1
