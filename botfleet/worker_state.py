"""Celery's worker, as its steps see it: whether it takes tasks, and how it is stopped."""

from __future__ import annotations

from typing import Any

from celery.platforms import EX_FAILURE
from celery.worker import state


def not_consuming(worker: Any) -> str:
    """Why a worker takes no tasks; nothing where it does."""
    if state.should_stop not in (None, False) or state.should_terminate not in (None, False):
        return "stopping"
    consumer = getattr(worker, "consumer", None)
    if consumer is None or getattr(consumer, "task_consumer", None) is None:
        return "not consuming"
    connection = consumer.connection
    return "" if connection is not None and connection.connected else "not connected to the broker"


def stop_worker(name: str, exc: BaseException) -> None:
    """Stops the worker, warmly, because one of its threads died: half a holder is worse than none.

    As SIGTERM would, but for the exit status: whoever looks after the process is to see that it failed.
    """
    state.should_stop = EX_FAILURE
