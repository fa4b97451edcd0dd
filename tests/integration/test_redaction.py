"""Nothing that Celery says shows a task's arguments: a real worker in this process, on a broker in memory."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.exceptions import NotRegistered
from celery.worker import control, state

from botfleet.handlers import Client, Event, Loaded, on
from botfleet.handlers.running.binding import bind
from botfleet.redacted_worker import RedactedConsumer, UnknownTasks
from botfleet.redaction import RedactedTask

from ..unit.bots import TOKEN, context_with_bot, envelope

TEXT = "a text that is nobody's business"
WAIT = 10.0

release = threading.Event()
queues = (f"celery{number}" for number in itertools.count())


class QuickConsumer(RedactedConsumer):
    """One with less patience."""

    put_back_after = 0.05
    give_up_after = 0.5


@on("message", default_retry_delay=1, retry_backoff=False, max_retries=1)
def hold(event: Event, client: Client) -> None:
    """Runs until it is told to go on, then fails."""
    assert client.token.reveal() == TOKEN
    assert release.wait(WAIT)
    raise ValueError(f"{event.text} and {TOKEN}")


class Recorder(logging.Handler):
    """Keeps log records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Watched:
    """A worker, what it logged, and the monitoring events that it sent."""

    def __init__(self, app: Celery, worker: Any, recorder: Recorder) -> None:
        self.app = app
        self.worker = worker
        self.events: list[dict[str, Any]] = []
        self._recorder = recorder
        # The strategies hold on to the dispatcher's send.
        until(lambda: hold.name in worker.consumer.strategies)
        dispatcher = worker.consumer.event_dispatcher
        send = dispatcher.send

        def watched_send(type: str, *args: Any, **fields: Any) -> None:
            self.events.append({"type": type, **fields})
            send(type, *args, **fields)

        dispatcher.send = watched_send
        worker.consumer.update_strategies()

    def begin(self) -> None:
        release.clear()
        self.events.clear()
        self._recorder.records.clear()

    @property
    def records(self) -> list[logging.LogRecord]:
        return list(self._recorder.records)

    @property
    def log(self) -> str:
        """Every record, with its arguments and extra fields."""
        return "\n".join(f"{record.getMessage()} {vars(record)}" for record in self.records)

    def inspected(self, *names: str) -> str:
        """What `inspect` would show."""
        panel = SimpleNamespace(app=self.app, consumer=self.worker.consumer, tset=set)
        return "".join(repr(getattr(control, name)(panel)) for name in names)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def make_app() -> Celery:
    app = Celery("redaction", broker="memory://redaction", backend="cache+memory://", set_as_current=False)
    app.conf.update(
        worker_consumer=f"{__name__}:QuickConsumer",
        task_default_queue=next(queues),
        broker_transport_options={"polling_interval": 0.01},
        worker_send_task_events=True,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
    )
    bind(app, Loaded(("test",), (hold,)), context_with_bot())

    @app.task(name="test.control", base=RedactedTask, shared=False)  # type: ignore[untyped-decorator]
    def control_task(token: str, namespace: str = "") -> str:
        return "done"

    app.finalize()
    return app


@pytest.fixture(scope="module")
def worker() -> Iterator[Watched]:
    """One for all tests here: it takes seconds to end."""
    app, recorder, root = make_app(), Recorder(), logging.getLogger()
    level = root.level
    root.addHandler(recorder)
    root.setLevel(logging.DEBUG)
    with start_worker(
        app, pool="threads", concurrency=2, perform_ping_check=False, loglevel="DEBUG"
    ) as started:
        until(lambda: started.consumer is not None and started.consumer.event_dispatcher)
        yield Watched(app, started, recorder)
        release.set()
    root.removeHandler(recorder)
    root.setLevel(level)


@pytest.fixture
def watched(worker: Watched) -> Watched:
    worker.begin()
    return worker


def test_a_handlers_failing_and_retried_task_shows_its_events_id_only(watched: Watched) -> None:
    watched.app.send_task(hold.name, [envelope(TEXT)], {"method": TEXT}, task_id="Ev1/hold", retries=0)
    until(lambda: state.active_requests)
    shown = watched.inspected("active", "reserved")
    shown += repr([*state.active_requests]) + repr(
        [request.info(safe=False) for request in state.active_requests]
    )
    assert "<event Ev1>" in shown
    release.set()
    until(lambda: state.scheduled_requests)
    shown += watched.inspected("scheduled")
    until(lambda: "raised unexpected" in watched.log)
    for text in (shown, watched.log, repr(watched.events)):
        assert "business" not in text
        assert TOKEN not in text
    assert "handler_retried" in watched.log
    received = [event for event in watched.events if event["type"] == "task-received"]
    assert {event["args"] for event in received} == {"<event Ev1>"}


def test_a_control_tasks_token_is_shown_nowhere_whatever_its_sender_says(watched: Watched) -> None:
    # As an app without botfleet sends it: with Celery's own repr of the arguments in the headers.
    sent = watched.app.send_task("test.control", [TOKEN], {"namespace": TEXT}, argsrepr=f"({TOKEN!r},)")
    assert sent.get(timeout=WAIT) == "done"
    for text in (watched.log, repr(watched.events)):
        assert TOKEN not in text
        assert "business" not in text


def test_a_redacted_tasks_message_has_no_repr_of_its_arguments() -> None:
    app = make_app()
    headers: list[dict[str, Any]] = []
    app.amqp.send_task_message = lambda producer, name, message, **rest: headers.append(message.headers)
    app.tasks["test.control"].delay(TOKEN, namespace="beta")
    app.tasks[hold.name].apply_async([envelope(TEXT)])
    assert [(each["argsrepr"], each["kwargsrepr"]) for each in headers] == [
        ("(…)", "{…}"),
        ("<event Ev1>", "{}"),
    ]


def test_a_task_that_this_worker_does_not_know_waits_for_another(watched: Watched) -> None:
    sent = watched.app.send_task("tasks.new.handler", [envelope(TEXT)], task_id="Ev2/new")
    until(lambda: "left to other workers" in watched.log)

    # The other worker: this one learns the task, and gets it back from the queue.
    @watched.app.task(name="tasks.new.handler", base=RedactedTask, shared=False)  # type: ignore[untyped-decorator]
    def handler(envelope: dict[str, Any]) -> str:
        return str(envelope["id"])

    watched.worker.consumer.update_strategies()
    assert sent.get(timeout=WAIT) == "Ev1"
    assert "tasks.new.handler[Ev2/new]" in watched.log
    assert "business" not in watched.log


def test_a_task_that_nobody_knows_is_given_up(watched: Watched) -> None:
    sent = watched.app.send_task("tasks.gone.handler", [envelope(TEXT)], task_id="Ev3/gone")
    with pytest.raises(NotRegistered):
        sent.get(timeout=WAIT)
    assert len([record for record in watched.records if "left to other workers" in record.getMessage()]) == 1
    assert "no worker knew it" in watched.log
    assert "business" not in watched.log


@pytest.mark.parametrize(
    ("body", "headers", "says"),
    [
        ({"text": TEXT}, {}, "no task"),
        ([[TEXT], 7], {"task": "test.control", "id": "1", "eta": f"x{TEXT}"}, "malformed"),
    ],
)
def test_a_message_that_is_no_task_is_dropped_unseen(
    watched: Watched, body: Any, headers: dict[str, Any], says: str
) -> None:
    queue = watched.app.conf.task_default_queue
    with watched.app.producer_or_acquire() as producer:
        producer.publish(body, routing_key=queue, headers=headers, serializer="json")
        producer.publish(
            "{" + TEXT, routing_key=queue, content_type="application/json", content_encoding="utf-8"
        )
    until(lambda: watched.log.count("was dropped") >= 2)
    assert says in watched.log
    assert "business" not in watched.log


def test_unknown_tasks_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UnknownTasks, "MOST", 2)
    now = 0.0
    unknown = UnknownTasks(lambda: now)
    assert [unknown.age(task_id) for task_id in "abc"] == [0.0, 0.0, 0.0]
    now = 5.0
    assert (unknown.age("c"), unknown.age("a")) == (5.0, 0.0)
