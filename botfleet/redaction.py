"""Celery tasks that never show their arguments: they hold what people write, and tokens.

Celery puts a repr of a task's arguments into message headers, events (and so into Flower), logs and
`inspect`. Here every one of these gets a fixed text. The worker's side is in `redacted_worker.py`, apart
because it loads Celery's whole worker, which a program that only sends tasks does not need.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from celery import Task

#: Stands for arguments that nobody is to see.
HIDDEN = "(…)"
#: Stands for a batch of events whose message is put together by the broker.
BATCH = "<events>"
#: Stands for keyword arguments.
HIDDEN_KEYWORDS = "{…}"

# At DEBUG it logs whole task messages, tokens included, and no level of ours shall show a token.
logging.getLogger("celery.pool").setLevel(logging.INFO)


def describe_event(args: Sequence[Any]) -> str:
    """The text that stands for a handler task's arguments: which events it is about, nothing of them.

    >>> describe_event([{"id": "Ev1", "payload": {"text": "secret"}}]), describe_event([])
    ('<event Ev1>', '<event ?>')
    >>> describe_event([[{"id": "Ev1"}, {"id": "Ev2"}, {"id": "Ev3"}]])
    '<3 events, Ev1 … Ev3>'
    """
    envelope = args[0] if isinstance(args, list | tuple) and args else None
    if isinstance(envelope, list | tuple):
        return _describe_batch(envelope)
    return f"<event {_id(envelope)}>"


def _describe_batch(envelopes: Sequence[object]) -> str:
    if len(envelopes) == 1:
        return f"<1 event, {_id(envelopes[0])}>"
    ends = f", {_id(envelopes[0])} … {_id(envelopes[-1])}" if envelopes else ""
    return f"<{len(envelopes)} events{ends}>"


def _id(envelope: object) -> object:
    return envelope.get("id", "?") if isinstance(envelope, Mapping) else "?"


class RedactedTask(Task):  # type: ignore[misc]  # celery has no types
    """Base of all of botfleet's tasks. Retries are sent through `apply_async` too."""

    Request = "botfleet.redacted_worker:RedactedRequest"

    @staticmethod
    def describe(args: Sequence[Any]) -> str:
        """The text that stands for the arguments."""
        return HIDDEN

    def apply_async(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Sends the task, as Celery's own."""
        options["argsrepr"] = self.describe(args or ())
        options["kwargsrepr"] = HIDDEN_KEYWORDS if kwargs else "{}"
        return super().apply_async(args, kwargs, *rest, **options)


class EventTask(RedactedTask):
    """Base of handler tasks, whose first argument is an envelope."""

    Request = "botfleet.redacted_worker:EventRequest"

    @staticmethod
    def describe(args: Sequence[Any]) -> str:
        """The event's id."""
        return describe_event(args)
