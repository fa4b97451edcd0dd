"""Whether a process is ready: checks that fail, or block for ever."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from botfleet.errors import StoreUnavailable
from botfleet.monitoring.readiness import FRESH, Readiness, Report, answering

READY = Report(ready=True, checks={"store": "ok"})


class Store:
    """Answers, fails, or keeps whoever asks."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = None
        self.lets_go = threading.Event()
        self.lets_go.set()

    def ping(self) -> None:
        self.asked += 1
        self.lets_go.wait(10)
        if self.error is not None:
            raise self.error


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.lets_go.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def readiness(store: Store, clock: Clock) -> Readiness:
    return Readiness({"store": answering(store.ping)}, patience=0.05, monotonic=clock)


def test_who_answers_is_ready(readiness: Readiness) -> None:
    assert readiness.look() == READY


def test_what_was_found_holds_for_a_second(readiness: Readiness, store: Store, clock: Clock) -> None:
    for _ in range(3):
        readiness.look()
    assert store.asked == 1
    clock.now += FRESH
    readiness.look()
    assert store.asked == 2


def test_who_fails_is_named_and_only_the_log_says_how(
    readiness: Readiness, store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store.error = StoreUnavailable("the store at 10.1.2.3:6379/0: refused")
    for _ in range(3):
        assert readiness.look() == Report(ready=False, checks={"store": "does not answer"})
        clock.now += FRESH
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "10.1.2.3" in caplog.text
    store.error = None
    assert readiness.look() == READY


def test_a_check_says_what_is_wrong() -> None:
    checks = {"holder": lambda: "draining", "store": lambda: ""}
    assert Readiness(checks).look() == Report(ready=False, checks={"holder": "draining", "store": "ok"})


def test_who_does_not_come_back_has_one_thread(readiness: Readiness, store: Store, clock: Clock) -> None:
    late = Report(ready=False, checks={"store": "no answer within 0.05 s"})
    store.lets_go.clear()
    before = threading.active_count()
    for _ in range(3):
        assert readiness.look() == late
        clock.now += FRESH
    assert threading.active_count() == before + 1
    assert store.asked == 1


def test_who_comes_while_others_look_gets_what_was_found_last(store: Store, clock: Clock) -> None:
    readiness = Readiness({"store": answering(store.ping)}, patience=10.0, monotonic=clock)
    assert readiness.look() == READY
    clock.now += FRESH
    store.lets_go.clear()
    looking = threading.Thread(target=readiness.look)
    looking.start()
    assert readiness.look() == READY
    store.lets_go.set()
    looking.join()


def test_a_process_that_is_to_end_is_not_ready_at_once(readiness: Readiness) -> None:
    readiness.look()
    readiness.end()
    assert readiness.look() == Report(ready=False, checks={"process": "draining"})
