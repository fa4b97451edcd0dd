"""A bare Celery worker in a process of its own, which says what it was given: `work` runs one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from celery import Celery

from botfleet.configuration import celery_defaults
from botfleet.model import Subscription
from botfleet.settings import Settings

from ..waiting import eventually

FIRST = Subscription(task="tasks.first", types=("message",))
SECOND = Subscription(task="tasks.second", types=("message",))
ELSEWHERE = Subscription(task="tasks.elsewhere", types=("message",), queue="elsewhere", max_age=60.0)

_URL, _PREFIX, _SEEN = "SINK_WORKER_URL", "SINK_WORKER_PREFIX", "SINK_WORKER_SEEN"


def app_for(url: str, **settings: Any) -> Celery:
    """An app as botfleet sets it up for this broker."""
    app = Celery("test", set_as_current=False)
    store = url if url.startswith("redis") else "memory://"
    app.conf.update(celery_defaults(Settings(broker_url=url, store_url=store, **settings)))
    if store == "memory://":
        app.conf.result_backend = "cache+memory://"
    # On RabbitMQ Celery sets up 28 queues for tasks with an ETA; as quorum queues they take half a minute.
    app.conf.broker_native_delayed_delivery_queue_type = "classic"
    return app


def work(
    folder: Path, url: str, count: int, *, prefix: str = "", concurrency: int = 1
) -> list[tuple[str, str]]:
    """Runs a worker until so many tasks are done; gives their names and events, in order."""
    seen = folder / "seen"
    seen.touch()
    command = [sys.executable, "-m", "celery", "-A", f"{__name__}:app", "worker", "-P", "threads"]
    command += ["-c", str(concurrency), "-Q", "q,elsewhere", "-l", "WARNING"]
    environment = os.environ | {_URL: url, _PREFIX: prefix, _SEEN: str(seen)}

    def found() -> list[tuple[str, str]]:
        return [(name, event) for name, event in map(str.split, seen.read_text().splitlines())]

    with subprocess.Popen(command, env=environment) as worker:
        try:
            eventually(lambda: len(found()) >= count, 60.0)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60.0) == 0
        finally:
            worker.kill()
    assert len(found()) == count
    return found()


def _make_app() -> Celery:
    app = app_for(os.environ[_URL], key_prefix=os.environ[_PREFIX])
    app.conf.update(worker_consumer="celery.worker.consumer:Consumer")

    def add_task(name: str) -> None:
        @app.task(name=name, shared=False, typing=False)  # type: ignore[untyped-decorator]
        def run(envelope: dict[str, Any]) -> None:
            with open(os.environ[_SEEN], "a") as file:
                file.write(f"{name} {envelope['id']}\n")

    for one in (FIRST, SECOND, ELSEWHERE):
        add_task(one.task)
    return app


if _URL in os.environ:
    app = _make_app()
