"""What became of events is counted, and the store told of it now and then."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from celery import Celery

from botfleet.handlers import Event, Handler, Loaded, on
from botfleet.handlers.running.binding import bind
from botfleet.handlers.running.counters import failed_counter, retried_counter, runs_counter
from botfleet.handlers.tally import Tally
from botfleet.store.memory import MemoryStore

from ..waiting import eventually
from .bots import context_with_bot, envelope


@on("message", autoretry_for=())
def touchy(event: Event) -> None:
    if event.text == "fail":
        raise ValueError(event.text)


@on("message", ordered="channel")
def note(event: Event) -> None: ...


@on("message", batch=10)
def archive(events: list[Event]) -> None: ...


class Bound:
    """Handlers' tasks, and the counts of their process."""

    def __init__(self, *handlers: Handler[..., object]) -> None:
        self.app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.context = context_with_bot()
        bind(self.app, Loaded(("test",), handlers), self.context)
        self.app.finalize()

    def run(self, handler: Handler[..., object], argument: Any) -> None:
        self.app.tasks[handler.name].apply(args=[argument], task_id="Ev1/test")

    def count(self, counter: str) -> int:
        return self.context.store.advance(counter, 0)


def test_what_went_well_and_what_was_given_up_is_counted_by_handler() -> None:
    bound = Bound(touchy, note, archive)
    for text in ("hi", "fail", "hi"):
        bound.run(touchy, envelope(text))
    bound.run(note, envelope("hi"))
    bound.run(archive, [envelope(id=f"Ev{n}") for n in range(4)])

    def told() -> bool:
        return [bound.count(runs_counter(one.name)) for one in (touchy, note, archive)] == [2, 1, 4]

    eventually(told)
    assert bound.count(failed_counter(touchy.name)) == 1
    assert bound.count(failed_counter(archive.name)) == 0


@on("message", retry_backoff=False, default_retry_delay=0)
def stubborn(event: Event) -> None:
    raise ValueError("never")


@on("message", batch=10, retry_backoff=False, default_retry_delay=0)
def stubborn_batch(events: list[Event]) -> None:
    raise ValueError("never")


@pytest.mark.parametrize("handler", [stubborn, stubborn_batch])
def test_tries_after_the_first_one_are_counted(handler: Handler[..., object]) -> None:
    bound = Bound(handler)
    message = envelope("hi")
    bound.run(handler, [message] if handler is stubborn_batch else message)
    eventually(lambda: bound.count(retried_counter(handler.name)) == 3)
    assert bound.count(failed_counter(handler.name)) == 1


class CountingStore(MemoryStore):
    def __init__(self) -> None:
        super().__init__(4)
        self.calls: list[tuple[str, int]] = []

    def advance(self, cursor: str, step: int) -> int:
        self.calls.append((cursor, step))
        return super().advance(cursor, step)


def test_many_counts_are_told_at_once_by_one_thread() -> None:
    store = CountingStore()
    tally = Tally(store, gathering=60.0)
    before = threading.active_count()
    for _ in range(1000):
        tally.count("runs:a")
    tally.count("runs:b", 5)
    assert threading.active_count() == before + 1
    assert store.calls == []
    tally.flush()
    assert store.calls == [("runs:a", 1000), ("runs:b", 5)]


def test_what_comes_after_a_flush_is_told_too() -> None:
    store = CountingStore()
    tally = Tally(store, gathering=0.01)
    for total in (1, 2, 3):
        tally.count("runs:a")
        eventually(lambda total=total: store.advance("runs:a", 0) == total)  # type: ignore[misc]


def test_a_store_that_is_away_hinders_nobody(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore(4)
    tally = Tally(store, gathering=60.0)
    store.down = True
    tally.count("runs:a")
    tally.flush()
    store.down = False
    tally.count("runs:a")
    tally.flush()
    assert store.advance("runs:a", 0) == 1
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []
