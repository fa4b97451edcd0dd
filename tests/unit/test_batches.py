"""Batch handlers: declared, gathered, run, and tried again from where they failed."""

from __future__ import annotations

import json
import logging
import pickle
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from celery import Celery
from celery.app.trace import build_tracer
from celery.exceptions import Reject

from botfleet import BatchFailed, Store
from botfleet.errors import ConfigurationError, TokenRevoked
from botfleet.handlers import Event, Loaded, on
from botfleet.handlers.running.binding import bind
from botfleet.handlers.running.counters import failed_counter, late_counter
from botfleet.handlers.running.scrubbing import Scrubber
from botfleet.model import Bot, Subscription
from botfleet.publishing.gathering import MOST_BYTES, Gathering
from botfleet.publishing.outgoing import Bundle, Outgoing
from botfleet.publishing.publisher import BATCH_WORK, Publisher
from botfleet.publishing.router import Router
from botfleet.publishing.sinks import MemorySink
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import decode

from ..waiting import eventually
from .bots import NOW, context_with_bot, envelope
from .test_publisher import running

ORIGIN, OTHER = (
    Origin.of(Bot(team_id=team_id, sealed_token="plain:x", fingerprint="f")) for team_id in ("T1", "T2")
)
SINK = Subscription(task="tasks.archive", types=("message",), batch=3, linger=0.5)
SINGLE = Subscription(task="tasks.answer", types=("message",))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def outgoing(number: int, queue: str = "q", size: int = 2) -> Outgoing:
    return Outgoing(f"Ev{number}", b"x" * size, 1.0, queue, (SINK,))


def offer(publisher: Publisher, number: int, origin: Origin = ORIGIN) -> None:
    raw = json.dumps({"type": "message", "channel": "C1", "ts": f"{number}.0", "text": "hi"}).encode()
    frame = decode(raw)
    assert frame is not None
    publisher.publish(origin, frame, raw)


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
    assert [gathering.add(outgoing(n)) for n in (1, 2)] == [None, None]
    assert gathering.due() == pytest.approx(0.5)
    full = gathering.add(outgoing(3))
    assert full == Bundle(SINK, "q", (outgoing(1), outgoing(2), outgoing(3)))
    assert gathering.due() is None
    gathering.add(outgoing(4))
    assert gathering.take() == []
    clock.now += 0.5
    assert gathering.take() == [Bundle(SINK, "q", (outgoing(4),))]
    assert len(gathering) == 0


def test_queues_do_not_share_a_bundle() -> None:
    gathering = Gathering(Clock())
    gathering.add(outgoing(1, "public"))
    gathering.add(outgoing(2, "private"))
    taken = gathering.take(all_of_them=True)
    assert [(bundle.queue, [event.id for event in bundle.events]) for bundle in taken] == [
        ("public", ["Ev1"]),
        ("private", ["Ev2"]),
    ]


def test_a_bundle_is_bounded_in_bytes() -> None:
    gathering = Gathering(Clock())
    assert gathering.add(outgoing(1, size=MOST_BYTES // 2)) is None
    assert gathering.add(outgoing(2, size=MOST_BYTES // 2)) is None
    finished = gathering.add(outgoing(3, size=2 * MOST_BYTES))
    assert finished is not None
    assert [event.id for event in finished.events] == ["Ev1", "Ev2"]
    finished = gathering.add(outgoing(4))
    assert finished is not None
    assert [event.id for event in finished.events] == ["Ev3"], "one alone may be larger"
    assert len(gathering) == 1


class Batches(MemorySink):
    """Keeps the ids of each push's events, and waits for leave before the first."""

    def __init__(self) -> None:
        super().__init__()
        self.pushes: list[list[str]] = []
        self.work: list[int] = []
        self.gate = threading.Event()

    def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
        assert self.gate.wait(10.0)
        units = [unit.events if isinstance(unit, Bundle) else (unit,) for unit in batch]
        self.pushes.append([event.id for events in units for event in events])
        self.work.append(sum(unit.work for unit in batch))
        return super().push(batch)


@pytest.mark.parametrize("others", [[], [SINGLE]], ids=["alone", "beside a single handler"])
@pytest.mark.parametrize("size", [3, 100, 1000])
def test_a_flood_into_a_batch_handler_holds_nobody_up(size: int, others: list[Subscription]) -> None:
    sink = Batches()
    publisher = Publisher(sink, 2**30)
    publisher.router = Router([Subscription(task="t", types=("*",), batch=size, linger=0.0), *others])
    with running(publisher):
        for number in range(10_000):
            offer(publisher, number)
        offer(publisher, 1, OTHER)
        sink.gate.set()
        assert publisher.flush(20.0)
    at = [n for n, ids in enumerate(sink.pushes) if "T2:C1:message:1.0" in ids]
    # The first push may be under way when the flood begins; a bundle of 1,000 takes two turns to fill.
    assert max(at) <= 3
    assert max(sink.work) <= max(size, BATCH_WORK // 2) + BATCH_WORK


def test_a_flood_of_bundles_does_not_hold_up_an_event_for_a_single_handler() -> None:
    sink = Batches()
    publisher = Publisher(sink, 2**30)
    many = [Subscription(task=f"t{n}", types=("*",), bot="T1", batch=1000, linger=60.0) for n in range(10)]
    publisher.router = Router([*many, SINGLE])
    with running(publisher):
        for number in range(3000):
            offer(publisher, number)
        offer(publisher, 1, OTHER)
        sink.gate.set()
        assert publisher.flush(20.0)
    at = [n for n, ids in enumerate(sink.pushes) if "T2:C1:message:1.0" in ids]
    assert max(at) <= 2


def test_what_waits_is_counted_in_events() -> None:
    sink = MemorySink()
    sink.failing = True
    publisher = Publisher(sink, 2**20)
    publisher.router = Router([SINK])
    with running(publisher):
        for number in range(10):
            offer(publisher, number)
        eventually(lambda: publisher._batch)
        assert publisher.unsent == 10
        sink.failing = False
        assert publisher.flush(5.0)
        assert publisher.unsent == 0


def test_close_loses_nothing_that_is_being_gathered() -> None:
    sink = MemorySink()
    publisher = Publisher(sink, 2**20)
    publisher.router = Router([Subscription(task="t", types=("*",), batch=100, linger=60.0)])
    with running(publisher):
        for number in range(150):
            offer(publisher, number)
    assert sum(len(bundle.events) for bundle in sink.bundles) == 150


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
    """An app with one batch handler, which fails as it is told; its messages go over a broker in memory."""

    def __init__(self, **options: Any) -> None:
        self.calls: list[list[str]] = []
        self.failures: list[Callable[[list[Event]], Exception]] = []
        #: How the last run ended.
        self.state = ""
        calls, failures = self.calls, self.failures

        @on("message", batch=10, **options)
        def archive(events: list[Event]) -> None:
            calls.append([event.id for event in events])
            if failures:
                raise failures.pop(0)(events)

        self.app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.context = context_with_bot()
        self.wanted = bind(self.app, Loaded(("test",), (archive,)), self.context)
        self.app.finalize()
        self.task = self.app.tasks[archive.name]
        self.queue = f"archive-{id(self)}"

    def fail(self, *failures: Exception) -> None:
        """Has the next runs fail."""
        self.failures.extend(lambda events, failure=failure: failure for failure in failures)

    def run(self, *events: dict[str, Any]) -> None:
        """Sends a batch, and runs what is in the queue until nothing is."""
        self.task.apply_async([list(events)], queue=self.queue, task_id="batch")
        tracer = build_tracer(self.task.name, self.task, app=self.app)
        with self.app.connection_for_read() as connection:
            queue = self.app.amqp.queues[self.queue](connection.default_channel)
            while (message := queue.get(no_ack=True)) is not None:
                args, kwargs, _ = message.decode()
                delivery = {"exchange": "", "routing_key": self.queue}
                ended = tracer("batch", args, kwargs, {**message.headers, "delivery_info": delivery})
                self.state = ended.info.state if ended.info else "SUCCESS"

    def failed(self) -> int:
        """Events that were given up."""
        return self.context.store.advance(failed_counter(self.task.name), 0)


def batch(count: int) -> list[dict[str, Any]]:
    return [envelope(id=f"Ev{n}") for n in range(count)]


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """What was logged at a level or above; not by kombu, which has something to say of brokers in memory."""
    records = [record for record in caplog.records if not record.name.startswith("kombu")]
    return [record.getMessage() for record in records if record.levelno >= level]


def because(cause: Exception, done: int = 1, event_id: str = "") -> BatchFailed:
    """As `raise BatchFailed(…) from cause`."""
    failure = BatchFailed(done, event_id)
    failure.__cause__ = cause
    return failure


def test_a_batch_is_one_call() -> None:
    archive = Archive()
    archive.run(*batch(2))
    assert archive.state == "SUCCESS"
    assert archive.calls == [["Ev0", "Ev1"]]


def test_a_batch_handler_may_take_the_store() -> None:
    context = context_with_bot()

    @on("message", batch=10)
    def count(storage: Store, events: list[Event]) -> None:
        storage.advance("said", len(events))

    app = Celery("test", broker="memory://", set_as_current=False)
    bind(app, Loaded(("test",), (count,)), context)
    app.finalize()
    assert app.tasks[count.name].apply(args=[batch(2)]).successful()
    assert context.store.advance("said", 0) == 2


def test_a_batch_handler_may_take_nothing() -> None:
    seen: list[str] = []

    @on("message", batch=10)
    def count() -> None:
        seen.append("called")

    app = Celery("test", broker="memory://", set_as_current=False)
    bind(app, Loaded(("test",), (count,)), context_with_bot())
    app.finalize()
    assert app.tasks[count.name].apply(args=[batch(2)]).successful()
    assert seen == ["called"]


def test_only_what_is_left_is_tried_again() -> None:
    archive = Archive()
    archive.fail(BatchFailed(done=2, event_id="Ev2"), BatchFailed(done=1, event_id="Ev3"))
    archive.run(*batch(5))
    assert archive.calls == [["Ev0", "Ev1", "Ev2", "Ev3", "Ev4"], ["Ev2", "Ev3", "Ev4"], ["Ev3", "Ev4"]]
    assert archive.state == "SUCCESS"


def test_another_exception_has_the_whole_batch_tried_again() -> None:
    archive = Archive()
    archive.fail(OSError("disk full"))
    archive.run(*batch(2))
    assert archive.calls == [["Ev0", "Ev1"]] * 2


def test_the_last_failure_of_a_whole_batch_names_its_events(caplog: pytest.LogCaptureFixture) -> None:
    archive = Archive(max_retries=1)
    archive.fail(OSError("disk full"), OSError("disk full"))
    archive.run(*batch(3))
    assert (archive.state, archive.failed()) == ("FAILURE", 3)
    assert "<3 events, Ev0 … Ev2>" in caplog.text.rpartition("ERROR")[2]


class TestRetries:
    """BatchFailed by the options that Celery has for retries."""

    def test_the_last_failure_names_the_event(self, caplog: pytest.LogCaptureFixture) -> None:
        archive = Archive(max_retries=1)
        archive.fail(BatchFailed(done=1), BatchFailed(done=0))
        archive.run(*batch(2))
        assert archive.calls == [["Ev0", "Ev1"], ["Ev1"]]
        assert (archive.state, archive.failed()) == ("FAILURE", 1)
        assert [line for line in lines(caplog, logging.ERROR) if "Ev1" in line]

    def test_progress_begins_the_count_anew(self) -> None:
        archive = Archive(max_retries=1)
        archive.fail(*(BatchFailed(done=1) for _ in range(6)))
        archive.run(*batch(8))
        assert [len(call) for call in archive.calls] == [8, 7, 6, 5, 4, 3, 2]
        assert (archive.state, archive.failed()) == ("SUCCESS", 0)

    def test_an_event_that_fails_to_the_last_is_set_aside_and_the_others_go_on(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        archive = Archive()
        archive.fail(*(BatchFailed(done, "Ev1") for done in (1, 0, 0, 0)))
        archive.run(*batch(4))
        assert archive.calls[-1] == ["Ev2", "Ev3"]
        assert [len(call) for call in archive.calls] == [4, 3, 3, 3, 2]
        assert (archive.state, archive.failed()) == ("SUCCESS", 1)
        [line] = lines(caplog, logging.ERROR)
        assert "Ev1" in line

    def test_no_retries_means_that_no_event_is_tried_twice(self) -> None:
        archive = Archive(autoretry_for=())
        archive.fail(BatchFailed(done=1))
        archive.run(*batch(4))
        assert archive.calls == [["Ev0", "Ev1", "Ev2", "Ev3"], ["Ev2", "Ev3"]]

    @pytest.mark.parametrize(
        ("options", "cause", "tries"),
        [
            ({}, TokenRevoked("token_revoked"), 1),
            ({}, OSError("full"), 4),
            ({"dont_autoretry_for": (OSError,)}, OSError("full"), 1),
            ({"dont_autoretry_for": (BatchFailed,)}, OSError("full"), 1),
            ({"autoretry_for": (OSError,)}, OSError("full"), 4),
            ({"autoretry_for": (OSError,)}, KeyError("x"), 1),
            ({"autoretry_for": (BatchFailed,)}, KeyError("x"), 4),
            ({"retry_kwargs": {"max_retries": 6}}, OSError("full"), 7),
            ({"max_retries": 0}, OSError("full"), 1),
        ],
    )
    def test_what_it_came_from_decides(self, options: dict[str, Any], cause: Exception, tries: int) -> None:
        archive = Archive(**options)
        archive.fail(*(because(cause, done=0) for _ in range(20)))
        archive.run(*batch(1))
        assert len(archive.calls) == tries
        assert archive.state == "FAILURE"

    def test_any_number_of_tries(self) -> None:
        archive = Archive(max_retries=None)
        archive.fail(*(BatchFailed(0) for _ in range(30)))
        archive.run(*batch(1))
        assert (len(archive.calls), archive.state) == (31, "SUCCESS")

    @pytest.mark.parametrize(
        ("options", "delays"),
        [
            ({"retry_backoff": 30, "retry_jitter": False}, [30, 60, 60]),
            ({"retry_backoff": 3, "retry_backoff_max": 10, "retry_jitter": False}, [3, 6, 10]),
            ({"retry_backoff": False, "default_retry_delay": 7}, [7, 7, 7]),
            ({"retry_backoff": False, "retry_kwargs": {"countdown": 9}}, [9, 9, 9]),
        ],
    )
    @pytest.mark.parametrize("failure", [BatchFailed(0), OSError("full")])
    def test_the_delay_is_the_options(
        self, options: dict[str, Any], delays: list[int], failure: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        archive = Archive(**options)
        archive.fail(*[failure] * 3)
        archive.run(*batch(2))
        assert [f" in {delay} s" in line for delay, line in zip(delays, lines(caplog), strict=True)] == [
            True
        ] * 3

    @pytest.mark.parametrize("done", [99, -1, None, "two"])
    def test_a_count_that_cannot_be_has_all_of_them_tried_again(self, done: Any) -> None:
        archive = Archive()
        archive.fail(BatchFailed(done=done))
        archive.run(*batch(3))
        assert archive.calls == [["Ev0", "Ev1", "Ev2"]] * 2

    def test_a_failure_after_the_last_event_has_nothing_to_try_again(self) -> None:
        archive = Archive()
        archive.fail(BatchFailed(done=3))
        archive.run(*batch(3))
        assert (len(archive.calls), archive.state, archive.failed()) == (1, "FAILURE", 0)

    def test_each_failure_is_one_true_line(self, caplog: pytest.LogCaptureFixture) -> None:
        archive = Archive(max_retries=1, retry_jitter=False)
        archive.fail(*(because(OSError("full"), done, "Ev1") for done in (1, 0)))
        archive.run(*batch(3))
        name = archive.task.name
        assert lines(caplog) == [
            f"handler {name} failed for Ev1, try 1 of 2; 2 left, again in 1 s: OSError('full')",
            f"handler {name} failed for Ev1, try 2 of 2, and gives it up; 1 left: OSError('full')",
        ]

    def test_a_batch_that_cannot_be_sent_again_goes_back_to_the_queue(self) -> None:
        archive = Archive()
        archive.fail(BatchFailed(0))
        archive.task.apply_async = unreachable
        tracer = build_tracer(archive.task.name, archive.task, app=archive.app)
        ended = tracer("batch", [batch(1)], {}, {"id": "batch"})
        assert isinstance(ended.info.retval, Reject)
        assert ended.info.retval.requeue


def unreachable(*args: Any, **options: Any) -> None:
    raise OSError("the broker is away")


class TestTexts:
    """What people wrote is in no line above DEBUG, whatever the handler raises."""

    @staticmethod
    def failures() -> list[Callable[[list[Event]], Exception]]:
        def caused(events: list[Event]) -> Exception:
            try:
                try:
                    raise OSError(f"could not store: {events[0].text}")
                except OSError as exc:
                    raise BatchFailed(done=0, event_id=events[0].id) from exc
            except BatchFailed as exc:
                return exc

        def in_context(events: list[Event]) -> Exception:
            try:
                try:
                    raise OSError(f"could not store: {events[0].text}")
                except OSError:
                    raise BatchFailed(done=0, event_id=events[0].text)  # noqa: B904
            except BatchFailed as exc:
                return exc

        def unclean(events: list[Event]) -> Exception:
            return because(FileNotFoundError(2, "No such file", events[0].text), done=0)

        return [
            caused,
            in_context,
            unclean,
            lambda events: BatchFailed(done=0, event_id=events[0].text),
            lambda events: ValueError("could not store: " + events[1].text),
        ]

    @pytest.mark.parametrize("failure", failures())
    @pytest.mark.parametrize("options", [{"autoretry_for": ()}, {"max_retries": 1}])
    def test_no_text_is_logged(
        self,
        failure: Callable[[list[Event]], Exception],
        options: dict[str, Any],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        archive = Archive(**options)
        archive.failures.extend([failure] * 10)
        with caplog.at_level(logging.INFO):
            archive.run(envelope("my secret words", id="Ev1"), envelope("words of my secret", id="Ev2"))
        assert "Ev1" in caplog.text
        assert "secret" not in caplog.text

    def test_the_cause_is_still_told(self, caplog: pytest.LogCaptureFixture) -> None:
        archive = Archive(autoretry_for=())
        archive.failures.append(self.failures()[0])
        archive.run(envelope("my secret words", id="Ev1"))
        assert "could not store: <text>" in caplog.text

    def test_no_text_is_in_what_a_pool_sends_on(self) -> None:
        failure = Scrubber({"my secret": "<text>"}).clean(BatchFailed(1, "my secret"))
        assert "secret" not in repr(pickle.loads(pickle.dumps(failure)))


def test_late_events_are_left_out_and_counted_once() -> None:
    archive = Archive(max_age=10)
    archive.fail(BatchFailed(0), OSError("full"))
    old = {**envelope(id="Ev1"), "received_at": NOW - 11}
    archive.run(old, envelope(id="Ev2"), envelope(id="Ev3"))
    archive.run(old)
    assert archive.calls == [["Ev2", "Ev3"]] * 3
    assert archive.context.store.advance(late_counter(archive.task.name), 0) == 2


@pytest.mark.parametrize(
    ("events", "described"),
    [
        ([], "<0 events>"),
        (["Ev1"], "<1 event, Ev1>"),
        (["Ev1", "Ev2", "Ev3"], "<3 events, Ev1 … Ev3>"),
    ],
)
def test_a_batch_is_described_by_its_events(events: list[str], described: str) -> None:
    assert Archive().task.describe([[envelope("my secret", id=one) for one in events]]) == described


def test_batch_failed_survives_a_pool() -> None:
    again = pickle.loads(pickle.dumps(BatchFailed(done=3, event_id="Ev4")))
    assert (again.done, again.event_id, str(again)) == (3, "Ev4", str(BatchFailed(3, "Ev4")))
