"""Events that were too old before a worker got to them, as Celery itself finds and tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery, signals

from botfleet.handlers import Loaded, on
from botfleet.handlers.running.binding import bind
from botfleet.handlers.running.counters import late_counter
from botfleet.handlers.running.expiry import ExpiredCounter
from botfleet.redacted_worker import EventRequest
from botfleet.store.memory import MemoryStore

from .bots import context_with_bot, envelope


@on("message", max_age=30)
def hasty() -> None:
    raise AssertionError


@on("message", batch=10, max_age=30)
def archive() -> None:
    raise AssertionError


@pytest.fixture
def app() -> Any:
    made = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
    bind(made, Loaded((), (hasty, archive)), context_with_bot())

    @made.task(name="other", shared=False)  # type: ignore[untyped-decorator]
    def other(events: list[Any]) -> None: ...

    made.finalize()
    return made


def receive(app: Any, name: str, argument: Any, age: float) -> None:
    """A worker takes a message out of the queue that expired so long ago."""
    due = datetime.now(UTC) - timedelta(seconds=age)
    app.tasks[name].apply_async(args=[argument], expires=due, queue=f"test.{name}")
    with app.connection_for_read() as connection, connection.SimpleQueue(f"test.{name}") as queue:
        message = queue.get(timeout=5)
        request = EventRequest(message, app=app, task=app.tasks[name], on_ack=lambda *_: None)
        assert bool(request.revoked()) == (age > 0)
        message.ack()


def test_what_celery_drops_is_counted(app: Any) -> None:
    counter, store = ExpiredCounter(), MemoryStore(4)
    signals.task_revoked.connect(counter.hear)
    receive(app, hasty.name, envelope(), age=5)
    receive(app, hasty.name, envelope(), age=5)
    receive(app, hasty.name, envelope(), age=-60)
    receive(app, archive.name, [envelope(), envelope(), envelope()], age=5)
    receive(app, "other", [1, 2], age=5)
    store.down = True
    counter.flush(store)
    store.down = False
    for _ in range(2):
        counter.flush(store)
        counts = [store.advance(late_counter(name), 0) for name in (hasty.name, archive.name, "other")]
        assert counts == [2, 3, 0]
