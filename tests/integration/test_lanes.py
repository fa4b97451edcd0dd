"""Lanes of ordered handlers in Redis: one run at a time, in order, whatever becomes of the runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
import redis
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from botfleet.embedded import EmbeddedServer
from botfleet.errors import StoreUnavailable
from botfleet.publishing.ordered import OrderedLanes
from botfleet.publishing.wake_ups import Head, Pause, Struck
from botfleet.store.redis_client import client_of

from ..conftest import flush
from ..waiting import eventually

LANE = "tasks.note:T1:C1"
INDEX, EVENTS, STATE = "botfleet:lanes", f"botfleet:lane:{LANE}", f"botfleet:lane-state:{LANE}"
#: So long that the time which a test takes is nothing to it, seconds.
TTL = 1000.0


def entry(number: int) -> bytes:
    return json.dumps({"id": f"Ev{number}", "text": "x" * number}).encode()


def fill(lanes: OrderedLanes, *numbers: int, lane: str = LANE) -> None:
    for number in numbers:
        assert lanes.append(f"Ev{number}:{lane}", lane, "q", entry(number))


def pass_time(client: redis.Redis, seconds: float, lane: str = LANE) -> None:
    """Lets everything in a lane grow older, without waiting."""
    state = f"botfleet:lane-state:{lane}"
    for name in ("until", "resume"):
        if client.hexists(state, name):
            client.hincrby(state, name, -int(seconds * 1000))
    if client.zscore(INDEX, lane) is not None:
        client.zincrby(INDEX, -seconds * 1000, lane)


def keys(client: redis.Redis) -> list[str]:
    return sorted(name for name in client.scan_iter() if "lane" in str(name))


@pytest.fixture
def lanes(redis_url: str) -> Iterator[OrderedLanes]:
    made = OrderedLanes(client_of(redis_url), ttl=TTL)
    yield made
    made.close()


def test_a_run_handles_a_lane_from_its_head_and_leaves_nothing(
    lanes: OrderedLanes, redis_client: redis.Redis
) -> None:
    fill(lanes, 1, 2, 3)
    assert lanes.take(LANE, "run") == Head(entry(1))
    assert lanes.strike(LANE, "run", go_on=True) == Struck(head=Head(entry(2)))
    fill(lanes, 4)
    assert lanes.strike(LANE, "run", go_on=True) == Struck(head=Head(entry(3)))
    assert lanes.strike(LANE, "run", go_on=True) == Struck(head=Head(entry(4)))
    assert lanes.strike(LANE, "run", go_on=True) == Struck()
    assert keys(redis_client) == []
    assert lanes.take(LANE, "late") is None


def test_nobody_else_gets_a_lane_meanwhile(lanes: OrderedLanes) -> None:
    fill(lanes, 1, 2)
    assert lanes.take(LANE, "run") == Head(entry(1))
    assert lanes.take(LANE, "other") is None
    fill(lanes, 1, lane="tasks.note:T1:C2")
    assert lanes.take("tasks.note:T1:C2", "other") == Head(entry(1)), "other lanes go on"


def test_a_run_that_has_done_enough_gives_the_lane_back(lanes: OrderedLanes) -> None:
    fill(lanes, 1, 2)
    lanes.take(LANE, "run")
    assert lanes.strike(LANE, "run", go_on=False) == Struck(rest="Ev2")
    assert lanes.take(LANE, "other") == Head(entry(2))
    assert lanes.strike(LANE, "run", go_on=True) == Struck(kept=False)


def test_an_event_that_comes_before_the_last_is_struck_out_is_not_forgotten(lanes: OrderedLanes) -> None:
    """Its own wake-up has found the lane taken, and is gone."""
    fill(lanes, 1)
    lanes.take(LANE, "run")
    fill(lanes, 2)
    assert lanes.take(LANE, "wake-up of 2") is None
    assert lanes.strike(LANE, "run", go_on=False) == Struck(rest="Ev2")


class TestLost:
    """Runs that end without a word, or are taken for that."""

    def test_a_lane_goes_on_when_its_runs_time_is_over(
        self, lanes: OrderedLanes, redis_client: redis.Redis
    ) -> None:
        fill(lanes, 1, 2)
        lanes.take(LANE, "killed")
        pass_time(redis_client, TTL - 1)
        assert lanes.take(LANE, "next") is None
        pass_time(redis_client, 1)
        assert lanes.take(LANE, "next") == Head(entry(1), lost=1)

    def test_a_run_that_lost_its_lane_strikes_nothing_out(
        self, lanes: OrderedLanes, redis_client: redis.Redis
    ) -> None:
        fill(lanes, 1, 2)
        lanes.take(LANE, "slow")
        pass_time(redis_client, TTL)
        lanes.take(LANE, "next")
        assert lanes.strike(LANE, "slow", go_on=True) == Struck(kept=False)
        assert not lanes.put_off(LANE, "slow", 1.0)
        assert lanes.renew({"slow": LANE, "next": LANE}) == {"slow": False, "next": True}
        assert lanes.strike(LANE, "next", go_on=True) == Struck(head=Head(entry(2)))

    def test_one_that_is_late_and_that_nobody_missed_has_it_still(
        self, lanes: OrderedLanes, redis_client: redis.Redis
    ) -> None:
        fill(lanes, 1)
        lanes.take(LANE, "slow")
        pass_time(redis_client, 2 * TTL)
        assert lanes.strike(LANE, "slow", go_on=True) == Struck()

    def test_runs_that_are_lost_in_a_row_are_counted(
        self, lanes: OrderedLanes, redis_client: redis.Redis
    ) -> None:
        fill(lanes, 1, 2)
        for number in range(3):
            assert lanes.take(LANE, f"killed {number}") == Head(entry(1), lost=number)
            pass_time(redis_client, TTL)
        lanes.take(LANE, "last")
        assert lanes.strike(LANE, "last", go_on=True) == Struck(head=Head(entry(2))), (
            "a new event, a new count"
        )

    def test_a_lane_is_renewed_while_a_run_takes_its_time(
        self, redis_url: str, redis_client: redis.Redis
    ) -> None:
        lanes = OrderedLanes(client_of(redis_url), ttl=0.4)
        fill(lanes, 1)
        lanes.take(LANE, "run")
        before = float(redis_client.hget(STATE, "until"))  # type: ignore[arg-type]
        with lanes.renewing(LANE, "run"):
            eventually(lambda: float(redis_client.hget(STATE, "until")) > before + 400)  # type: ignore[arg-type]
        assert lanes.strike(LANE, "run", go_on=True).kept
        lanes.close()


class TestPause:
    """An event that has failed."""

    def test_the_lane_waits_for_its_time(self, lanes: OrderedLanes, redis_client: redis.Redis) -> None:
        fill(lanes, 1, 2)
        lanes.take(LANE, "run")
        assert lanes.put_off(LANE, "run", 60.0)
        pause = lanes.take(LANE, "early")
        assert isinstance(pause, Pause)
        assert 59.0 < pause.seconds <= 60.0
        assert pause.failures == 1
        pass_time(redis_client, 60.0)
        assert lanes.take(LANE, "next") == Head(entry(1), failures=1)

    def test_failures_are_those_of_the_event(self, lanes: OrderedLanes) -> None:
        fill(lanes, 1, 2)
        for failures in range(3):
            assert lanes.take(LANE, "run") == Head(entry(1), failures=failures)
            assert lanes.put_off(LANE, "run", 0.0)
        lanes.take(LANE, "run")
        assert lanes.strike(LANE, "run", go_on=False) == Struck(rest="Ev2")
        assert lanes.take(LANE, "run") == Head(entry(2))


def test_an_event_is_appended_once(lanes: OrderedLanes, redis_client: redis.Redis) -> None:
    fill(lanes, 1)
    assert not lanes.append(f"Ev1:{LANE}", LANE, "q", entry(1))
    lanes.take(LANE, "run")
    lanes.strike(LANE, "run", go_on=True)
    assert not lanes.append(f"Ev1:{LANE}", LANE, "q", entry(1)), "not when it is handled either"
    assert keys(redis_client) == []


def test_what_nobody_looks_at_goes_after_a_week(lanes: OrderedLanes, redis_client: redis.Redis) -> None:
    week: Any = pytest.approx(7 * 24 * 3600, abs=60)
    fill(lanes, 1, 2)
    assert [redis_client.ttl(key) for key in (EVENTS, STATE)] == [week, week]
    redis_client.expire(EVENTS, 100)
    redis_client.expire(STATE, 100)
    lanes.take(LANE, "run")
    assert [redis_client.ttl(key) for key in (EVENTS, STATE)] == [week, week]


def test_a_server_that_is_away_is_an_error_of_the_store() -> None:
    with pytest.raises(StoreUnavailable, match="lanes of ordered handlers"):
        OrderedLanes(client_of("redis://127.0.0.1:1/0")).take(LANE, "run")


class TestIdle:
    """What the sweep finds."""

    def found(self, lanes: OrderedLanes) -> list[tuple[str, str, int, int]]:
        return [(one.queue, one.event_id, one.events, one.found) for one in lanes.idle(10)]

    def test_a_wake_up_has_some_time_in_its_queue(
        self, lanes: OrderedLanes, redis_client: redis.Redis
    ) -> None:
        fill(lanes, 1, 2)
        pass_time(redis_client, 9.0)
        assert self.found(lanes) == []
        pass_time(redis_client, 1.0)
        assert self.found(lanes) == [("q", "Ev1", 2, 1)]

    def test_then_it_is_found_less_and_less_often(
        self, lanes: OrderedLanes, redis_client: redis.Redis
    ) -> None:
        fill(lanes, 1)
        pass_time(redis_client, 10.0)
        waits = [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 3600.0, 3600.0]
        for number, wait in enumerate(waits, 1):
            assert self.found(lanes) == [("q", "Ev1", 1, number)]
            pass_time(redis_client, wait - 1)
            assert self.found(lanes) == []
            pass_time(redis_client, 1)

    def test_one_that_is_worked_on_is_not_found_and_one_whose_run_is_lost_is(
        self, lanes: OrderedLanes, redis_client: redis.Redis
    ) -> None:
        fill(lanes, 1)
        pass_time(redis_client, 100.0)
        lanes.take(LANE, "run")
        pass_time(redis_client, TTL - 1)
        lanes.renew({"run": LANE})
        pass_time(redis_client, TTL - 1)
        assert self.found(lanes) == []
        pass_time(redis_client, 1.0)
        assert self.found(lanes) == [("q", "Ev1", 1, 1)]

    def test_one_that_waits_to_be_tried_again_is_not_found(
        self, lanes: OrderedLanes, redis_client: redis.Redis
    ) -> None:
        fill(lanes, 1)
        lanes.take(LANE, "run")
        lanes.put_off(LANE, "run", 500.0)
        pass_time(redis_client, 500.0)
        assert self.found(lanes) == []
        pass_time(redis_client, 10.0)
        assert self.found(lanes) == [("q", "Ev1", 1, 1)]

    def test_it_looks_at_so_many(self, lanes: OrderedLanes, redis_client: redis.Redis) -> None:
        names = [f"tasks.note:T1:C{n}" for n in range(5)]
        for name in names:
            fill(lanes, 1, lane=name)
            pass_time(redis_client, 10.0, name)
        assert [len(lanes.idle(3)) for _ in range(3)] == [3, 2, 0]

    def test_what_has_expired_is_forgotten(self, lanes: OrderedLanes, redis_client: redis.Redis) -> None:
        fill(lanes, 1)
        redis_client.delete(EVENTS, STATE)
        pass_time(redis_client, 10.0)
        assert self.found(lanes) == []
        assert keys(redis_client) == []

    def test_one_that_is_dropped_is_gone(self, lanes: OrderedLanes, redis_client: redis.Redis) -> None:
        fill(lanes, 1, 2)
        assert lanes.drop(LANE) == 2
        assert keys(redis_client) == []


RUNS = st.sampled_from(["a", "b", "c"])


def test_whatever_happens_in_whatever_order(valkey: EmbeddedServer) -> None:
    """A lane against a list: each event is struck out once, in order, by the one run that has the lane."""
    lanes, client = OrderedLanes(client_of(valkey.url), ttl=TTL), client_of(valkey.url)

    class Lane(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            flush(valkey.url)
            self.waiting: list[int] = []
            self.number = 0
            self.holder = ""
            self.over = False
            self.paused = False
            self.failures = self.lost = 0

        @rule()
        def append(self) -> None:
            self.number += 1
            self.waiting.append(self.number)
            fill(lanes, self.number)

        @rule(run=RUNS)
        def take(self, run: str) -> None:
            taken = lanes.take(LANE, run)
            if not self.waiting or (self.holder and not self.over):
                assert taken is None
            elif self.paused:
                assert isinstance(taken, Pause)
                assert taken.failures == self.failures
            else:
                self.lost += bool(self.holder)
                self.holder, self.over = run, False
                assert taken == Head(entry(self.waiting[0]), self.failures, self.lost)

        @rule(run=RUNS, go_on=st.booleans())
        def strike(self, run: str, go_on: bool) -> None:
            struck = lanes.strike(LANE, run, go_on)
            assert struck.kept == (self.holder == run)
            if not struck.kept:
                return
            self.waiting.pop(0)
            self.failures = self.lost = 0
            self.over = False
            head = Head(entry(self.waiting[0])) if self.waiting and go_on else None
            rest = f"Ev{self.waiting[0]}" if self.waiting and not go_on else ""
            assert struck == Struck(True, head, rest)
            self.holder = run if head else ""

        @rule(run=RUNS)
        def put_off(self, run: str) -> None:
            assert lanes.put_off(LANE, run, 500.0) == (self.holder == run)
            if self.holder == run:
                self.failures, self.lost = self.failures + 1, 0
                self.holder, self.over, self.paused = "", False, True

        @rule(run=RUNS)
        def renew(self, run: str) -> None:
            assert lanes.renew({run: LANE}) == {run: self.holder == run}
            self.over = self.over and self.holder != run

        @rule()
        def let_time_pass(self) -> None:
            pass_time(client, TTL)
            self.over, self.paused = bool(self.holder), False

        @rule()
        def sweep(self) -> None:
            # What is at work or waits for its time is never woken; the rest is, sooner or later.
            found = [one.event_id for one in lanes.idle(10)]
            at_rest = bool(self.waiting) and not self.paused and (not self.holder or self.over)
            assert found in ([], [f"Ev{self.waiting[0]}"] if at_rest else [])

        @invariant()
        def no_key_is_left_of_an_empty_lane(self) -> None:
            if not self.waiting:
                assert not client.exists(EVENTS, STATE, INDEX)
            else:
                assert client.llen(EVENTS) == len(self.waiting)
                assert client.zscore(INDEX, LANE) is not None

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Lane, settings=hypothesis.settings(max_examples=60, stateful_step_count=30, deadline=None)
    )
    lanes.close()
    client.close()
