"""Batch handlers: declared, gathered, run, and tried again from where they failed."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import MaxRetriesExceededError

from botfleet import BatchFailed
from botfleet.errors import ConfigurationError
from botfleet.handlers import Event, Loaded, on
from botfleet.handlers.binding import bind
from botfleet.model import Bot, Subscription
from botfleet.publishing.gathering import Gathering
from botfleet.publishing.outgoing import Bundle, Outgoing
from botfleet.publishing.publisher import Publisher
from botfleet.publishing.router import Router
from botfleet.publishing.sinks import MemorySink
from botfleet.redaction import BATCH
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import decode

from .bots import NOW, context_with_bot, envelope
from .test_publisher import running

ORIGIN = Origin.of(Bot(team_id="T1", sealed_token="plain:x", fingerprint="f"))
SINK = Subscription(task="tasks.archive", types=("message",), batch=3, linger=0.5)
SINGLE = Subscription(task="tasks.answer", types=("message",))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def outgoing(number: int, queue: str = "q") -> Outgoing:
    return Outgoing(f"Ev{number}", b"{}", 1.0, queue, (SINK,))


def offer(publisher: Publisher, number: int) -> None:
    raw = json.dumps({"type": "message", "channel": "C1", "ts": f"{number}.0", "text": "hi"}).encode()
    frame = decode(raw)
    assert frame is not None
    publisher.publish(ORIGIN, frame, raw)


# Declared


def test_a_batch_handler_takes_events() -> None:
    @on("message", batch=100, linger=1)
    def archive(events: list[Event]) -> None: ...

    assert (archive.subscription.batch, archive.subscription.linger) == (100, 1.0)


@pytest.mark.parametrize("options", [{"batch": 1}, {"batch": 1001}, {"batch": True}, {"batch": -2}])
def test_a_bad_size_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"@on batch .*from 2 to 1000"):
        on("message", **options)


@pytest.mark.parametrize("linger", [-1, 61, "1", True])
def test_a_bad_linger_is_refused(linger: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"@on linger .*from 0 to 60"):
        on("message", batch=10, linger=linger)


def test_a_batch_handler_can_not_take_one_event() -> None:
    with pytest.raises(ConfigurationError, match="takes a parameter 'event'; batch handlers take events"):

        @on("message", batch=10)
        def archive(event: Event) -> None: ...


# Gathered


def test_a_bundle_is_full_or_ripe() -> None:
    clock = Clock()
    gathering = Gathering(clock)
    assert [gathering.add(outgoing(n), SINK) for n in (1, 2)] == [None, None]
    assert gathering.due() == pytest.approx(0.5)
    full = gathering.add(outgoing(3), SINK)
    assert full == Bundle(SINK, "q", (outgoing(1), outgoing(2), outgoing(3)))
    assert gathering.due() is None
    gathering.add(outgoing(4), SINK)
    assert gathering.take() == []
    clock.now += 0.5
    assert gathering.take() == [Bundle(SINK, "q", (outgoing(4),))]
    assert len(gathering) == 0


def test_queues_do_not_share_a_bundle() -> None:
    gathering = Gathering(Clock())
    gathering.add(outgoing(1, "public"), SINK)
    gathering.add(outgoing(2, "private"), SINK)
    taken = gathering.take(all_of_them=True)
    assert [(bundle.queue, [event.id for event in bundle.events]) for bundle in taken] == [
        ("public", ["Ev1"]),
        ("private", ["Ev2"]),
    ]


def test_the_publisher_gathers_for_one_handler_and_not_for_the_other() -> None:
    sink = MemorySink()
    publisher = Publisher(sink, 2**20)
    publisher.router = Router([SINK, SINGLE])
    with running(publisher):
        for number in range(7):
            offer(publisher, number)
        assert publisher.flush(5.0)
        assert publisher.unsent == 0
    assert [len(bundle.events) for bundle in sink.bundles] == [3, 3, 1]
    assert [event.id for bundle in sink.bundles for event in bundle.events] == [one.id for one in sink.events]
    assert [one.subscriptions for one in sink.events] == [[SINGLE]] * 7
    assert publisher.counters.published == 14


def test_a_batch_goes_out_by_itself_when_it_has_lingered() -> None:
    sink = MemorySink()
    publisher = Publisher(sink, 2**20)
    publisher.router = Router([Subscription(task="t", types=("*",), batch=100, linger=0.02)])
    with running(publisher):
        offer(publisher, 1)
        assert publisher._idle.wait(5.0)
    assert [len(bundle.events) for bundle in sink.bundles] == [1]


def test_copies_are_left_out_of_bundles() -> None:
    sink = MemorySink()
    publisher = Publisher(sink, 2**20)
    publisher.router = Router([SINK])
    with running(publisher):
        for number in (1, 2, 1, 2, 3):
            offer(publisher, number)
        assert publisher.flush(5.0)
    assert [event.id for bundle in sink.bundles for event in bundle.events] == [
        f"T1:C1:message:{n}.0" for n in (1, 2, 3)
    ]
    assert (publisher.counters.published, publisher.counters.copies) == (3, 2)


def test_gathered_events_count_for_the_bound() -> None:
    sink = MemorySink()
    sink.failing = True
    publisher = Publisher(sink, 3000)
    publisher.router = Router([Subscription(task="t", types=("*",), batch=100, linger=60)])
    with running(publisher):
        for number in range(10):
            offer(publisher, number)
        assert publisher.counters.dropped > 0
        assert publisher.unsent + publisher.counters.dropped == 10


# Run


class Archive:
    """An app with one batch handler, which fails as it is told."""

    def __init__(self, **options: Any) -> None:
        self.calls: list[list[str]] = []
        self.failures: list[Exception] = []
        calls, failures = self.calls, self.failures

        @on("message", batch=10, **options)
        def archive(events: list[Event]) -> None:
            calls.append([event.id for event in events])
            if failures:
                raise failures.pop(0)

        self.app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.wanted = bind(self.app, Loaded(("test",), (archive,)), context_with_bot())
        self.app.finalize()
        self.task = self.app.tasks[archive.name]

    def fail(self, *failures: Exception) -> None:
        """Has the next runs fail."""
        self.failures.extend(failures)

    def run(self, *events: dict[str, Any]) -> Any:
        return self.task.apply(args=[list(events)], task_id="batch")


def test_a_batch_is_one_call() -> None:
    archive = Archive()
    assert archive.run(envelope(id="Ev1"), envelope(id="Ev2")).get() is None
    assert archive.calls == [["Ev1", "Ev2"]]


def test_only_what_is_left_is_tried_again() -> None:
    archive = Archive()
    events = [envelope(id=f"Ev{n}") for n in range(5)]
    archive.fail(BatchFailed(done=2, event_id="Ev2"), BatchFailed(done=1, event_id="Ev3"))
    archive.run(*events).get()
    assert archive.calls == [["Ev0", "Ev1", "Ev2", "Ev3", "Ev4"], ["Ev2", "Ev3", "Ev4"], ["Ev3", "Ev4"]]


def test_another_exception_has_the_whole_batch_tried_again() -> None:
    archive = Archive()
    archive.fail(OSError("disk full"))
    archive.run(envelope(id="Ev1"), envelope(id="Ev2")).get()
    assert archive.calls == [["Ev1", "Ev2"]] * 2


def test_the_last_failure_names_the_event() -> None:
    archive = Archive(max_retries=1)
    archive.fail(BatchFailed(done=1, event_id="Ev2"), BatchFailed(done=0, event_id="Ev2"))
    result = archive.run(envelope(id="Ev1"), envelope(id="Ev2"))
    with pytest.raises((BatchFailed, MaxRetriesExceededError), match="Ev2"):
        result.get()
    assert archive.calls == [["Ev1", "Ev2"], ["Ev2"]]


def test_texts_are_cut_out_of_what_is_raised() -> None:
    archive = Archive(autoretry_for=())
    archive.fail(ValueError("could not store: my secret"))
    result = archive.run(envelope("my secret"))
    assert "my secret" not in f"{result.result!r} {result.traceback}"


def test_late_events_are_left_out() -> None:
    archive = Archive(max_age=10)
    old = {**envelope(id="Ev1"), "received_at": NOW - 11}
    archive.run(old, envelope(id="Ev2")).get()
    archive.run(old).get()
    assert archive.calls == [["Ev2"]]


def test_a_batch_shows_nothing_of_its_events() -> None:
    assert Archive().task.describe([[envelope("my secret")]]) == BATCH


def test_batch_failed_survives_a_pool() -> None:
    again = pickle.loads(pickle.dumps(BatchFailed(done=3, event_id="Ev4")))
    assert (again.done, again.event_id, str(again)) == (3, "Ev4", str(BatchFailed(3, "Ev4")))
