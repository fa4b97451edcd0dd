"""What `handle` and `handle-batch` share: queues filled by a real holder, emptied by one worker process."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from botfleet.model import Subscription

from ..processes import BenchError, Child, bench_environment
from ..subject import QUEUE, Subject

SOCKETS = 50
BARE_QUEUE = "bench.bare"
RATE = "events/s"
BARE = "bare Celery worker"
#: The task that a bare worker runs for the very messages that the product's handler gets.
BARE_SUBSCRIPTION = Subscription(task="benchbare.handle", types=("message",), queue=BARE_QUEUE)
#: What is measured is the way from 90 % to 10 % of the queue: neither start nor end.
_FROM, _TO = 0.9, 0.1

HANDLER = """
from botfleet import Event, on


@on("message"{options})
def handle({argument}) -> None:
    pass
"""
_BARE = """
from celery import Celery

app = Celery("bench", broker={broker!r})


@app.task(name="benchbare.handle", ignore_result=True)
def handle(event):
    pass
"""


def write_bare(subject: Subject) -> None:
    """Writes the bare worker's module: Celery's defaults, an empty task."""
    (subject.folder / "benchbare.py").write_text(_BARE.format(broker=subject.server.url))


def fill(subject: Subject, holder: Child, events: int) -> None:
    """Has the holder publish events until nothing more comes."""
    subject.forget(QUEUE, BARE_QUEUE)
    subject.wait_for_holder(SOCKETS, holder)
    published = _published(subject)
    subject.slack.flood(events, bots=SOCKETS)
    deadline = time.monotonic() + 60
    while _published(subject) - published < events:
        if time.monotonic() > deadline:
            raise BenchError(f"the holder published {_published(subject) - published} of {events} events")
        time.sleep(0.1)


def _published(subject: Subject) -> int:
    return sum(holder.published for holder in subject.store.holders())


def handler_rate(subject: Subject, events: int, *options: str) -> float:
    """Events a second of one process of a handler worker."""
    with _handler(subject, *options) as worker:
        return _emptying(subject, worker, QUEUE, events)


def bare_rate(subject: Subject, events: int) -> float:
    """Events a second of one process of a bare worker."""
    # By `-m`, so that the folder is searched for the module.
    command = [sys.executable, "-m", "celery", "-A", "benchbare", "worker"]
    command += ["--concurrency", "1", "--queues", BARE_QUEUE]
    with Child("bare", command, subject.folder, bench_environment()) as worker:
        return _emptying(subject, worker, BARE_QUEUE, events)


@contextmanager
def _handler(subject: Subject, *options: str) -> Iterator[Child]:
    child = subject.worker("handler", "--concurrency", "1", *options)
    try:
        yield child
    finally:
        child.kill()


def _emptying(subject: Subject, worker: Child, queue: str, events: int) -> float:
    """Events a second while a worker empties a queue."""
    full = subject.length(queue)
    upper = _reached(subject, worker, queue, int(full * _FROM))
    lower = _reached(subject, worker, queue, int(full * _TO))
    messages = (upper[1] - lower[1]) / (lower[0] - upper[0])
    return messages * events / full


def _reached(subject: Subject, worker: Child, queue: str, length: int) -> tuple[float, int]:
    """Waits until a queue is so short; returns when that was, and how long it was then."""
    deadline = time.monotonic() + 90
    while (found := subject.length(queue)) > length:
        worker.check()
        if time.monotonic() > deadline:
            raise BenchError(f"{found} tasks are left in {queue}:\n{worker.tail()}")
        time.sleep(0.002)
    return time.monotonic(), found
