"""What is counted of handlers for people: the names of the store's counters (`Store.advance`)."""

from __future__ import annotations

import logging

from ...errors import StoreError
from ..context import HandlerContext

logger = logging.getLogger(__name__)


def runs_counter(handler: str) -> str:
    """Events whose task ended well.

    >>> runs_counter("tasks.hello.ping")
    'runs:tasks.hello.ping'
    """
    return f"runs:{handler}"


def failed_counter(handler: str) -> str:
    """Events that were given up.

    >>> failed_counter("tasks.sinks.archive")
    'failed:tasks.sinks.archive'
    """
    return f"failed:{handler}"


def late_counter(handler: str) -> str:
    """Events that were too old.

    >>> late_counter("tasks.hello.ping")
    'late:tasks.hello.ping'
    """
    return f"late:{handler}"


def retried_counter(handler: str) -> str:
    """Runs that failed and are tried again.

    >>> retried_counter("tasks.hello.ping")
    'retried:tasks.hello.ping'
    """
    return f"retried:{handler}"


def slow_counter(handler: str) -> str:
    """Events for which the handler's pattern took too long.

    >>> slow_counter("tasks.hello.greet")
    'slow:tasks.hello.greet'
    """
    return f"slow:{handler}"


def announced_counter(group: str) -> str:
    """How often workers of a role have said what their handlers want.

    >>> announced_counter("handler")
    'announced:handler'
    """
    return f"announced:{group}"


def count(context: HandlerContext, counter: str, events: int = 1) -> None:
    """Counts events in the store, where it is there."""
    try:
        context.store.advance(counter, events)
    except StoreError as exc:
        logger.debug("not counted: %s", exc)
