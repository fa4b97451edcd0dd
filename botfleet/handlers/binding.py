"""Makes Celery tasks of handlers. The one module here that knows Celery."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from celery import Celery
from celery.exceptions import TaskPredicate
from celery.utils.time import get_exponential_backoff_interval

from ..errors import (
    BatchFailed,
    ConfigurationError,
    InvalidToken,
    SealError,
    StoreError,
    TokenNotConnected,
    TokenRevoked,
    UsageError,
)
from ..model import Subscription
from ..redaction import EventTask
from .client import Client
from .context import HandlerContext
from .declare import Handler
from .event import Event
from .loader import Loaded
from .matching import Match
from .scrubbing import Scrubber

__all__ = ["DEFAULT_OPTIONS", "HandlerContext", "HandlerTask", "bind"]

logger = logging.getLogger(__name__)

#: How a handler is run that says nothing itself: on any exception three more tries, after up to 1, 2 and 4
#: seconds by chance. What another try can't mend is not tried again. `autoretry_for=()` ends all retries.
DEFAULT_OPTIONS: dict[str, Any] = {
    "acks_late": True,
    "ignore_result": True,
    "max_retries": 3,
    "autoretry_for": (Exception,),
    "dont_autoretry_for": (
        ConfigurationError,
        UsageError,
        SealError,
        InvalidToken,
        TokenRevoked,
        TokenNotConnected,
    ),
    "retry_backoff": True,
    "retry_backoff_max": 60,
    "retry_jitter": True,
}


class HandlerTask(EventTask):
    """Base of handlers' tasks."""

    def on_retry(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Says in one line that a handler failed and is tried again; Celery logs the last failure."""
        logger.warning(
            "handler %s failed for %s, try %s of %s: %r",
            self.name,
            self.describe(args),
            self.request.retries + 1,
            "any number" if self.max_retries is None else self.max_retries + 1,
            exc,
            extra={"action": "handler_retried", "task": self.name},
        )


def bind(app: Celery, loaded: Loaded, context: HandlerContext) -> list[Subscription]:
    """Makes a task of each handler.

    Args:
        app: gets the tasks.
        loaded: the handlers.
        context: what they need of this process.

    Returns:
        What the handlers want; for the store.
    """
    for handler in loaded.handlers:
        _bind_one(app, handler, context)
    wanted = [handler.subscription for handler in loaded.handlers]
    return [subscription for subscription in wanted if subscription.types]


def _bind_one(app: Celery, handler: Handler[..., object], context: HandlerContext) -> None:
    batch = handler.subscription.batch > 0
    run = (_batch_function if batch else _task_function)(handler, context)
    app.task(
        name=handler.name, base=HandlerTask, shared=False, typing=False, bind=batch, **_options(handler)
    )(run)


def _options(handler: Handler[..., object]) -> dict[str, Any]:
    return {**DEFAULT_OPTIONS, **handler.options}


def _task_function(handler: Handler[..., object], context: HandlerContext) -> Callable[..., None]:
    def run(envelope: dict[str, Any], **kwargs: Any) -> None:
        # Nothing is returned: a value would be shown in logs and in Flower.
        Run(handler, context, envelope, kwargs).run()

    return _named_like(handler, run)


def _batch_function(handler: Handler[..., object], context: HandlerContext) -> Callable[..., None]:
    def run(task: Any, envelopes: list[dict[str, Any]], **kwargs: Any) -> None:
        BatchRun(handler, context, envelopes).run(task)

    return _named_like(handler, run)


def _named_like(handler: Handler[..., object], run: Callable[..., None]) -> Callable[..., None]:
    run.__name__ = handler.function.__name__
    run.__qualname__ = getattr(handler.function, "__qualname__", run.__name__)
    run.__module__ = handler.function.__module__
    run.__doc__ = handler.function.__doc__
    return run


class Run:
    """One run of a handler for an event."""

    def __init__(
        self,
        handler: Handler[..., object],
        context: HandlerContext,
        envelope: Mapping[str, Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        self.handler = handler
        self.context = context
        self.event = Event(envelope)
        self.client = Client(context, self.event.team_id, self.event.namespace, self.event)
        self.match: Match | None = None
        self.kwargs = kwargs

    def run(self) -> None:
        """Runs the handler, if the event is still worth it and really for it."""
        if _is_late(self.handler, self.event, self.context):
            _count_late(self.handler, self.event, self.context)
            return
        try:
            if self._is_wanted():
                self.handler.function(**self._arguments())
        except TaskPredicate:
            # Retry, Ignore and Reject: the author's words to Celery.
            raise
        except Exception as exc:
            cleaned = self._scrubber().clean(exc)
            if cleaned is exc:
                raise
            raise cleaned from None

    def _is_wanted(self) -> bool:
        if self.handler.matcher is None:
            return True
        self.match = self.handler.matcher(self.event, self.client)
        return self.match is not None

    def _arguments(self) -> dict[str, Any]:
        offered = {"event": self.event, "client": self.client, "match": self.match, **self.kwargs}
        return {name: offered[name] for name in self.handler.wants if name in offered}

    def _scrubber(self) -> Scrubber:
        secrets = dict.fromkeys(_texts(self.event), "<text>")
        if self.match is not None:
            secrets[self.match.expression] = "<text>"
        secrets.update(dict.fromkeys(self.client.secrets(), "<token>"))
        return Scrubber(secrets)


class BatchRun:
    """One run of a batch handler."""

    def __init__(
        self, handler: Handler[..., object], context: HandlerContext, envelopes: list[dict[str, Any]]
    ) -> None:
        self.handler = handler
        self.context = context
        self.envelopes = envelopes

    def run(self, task: Any) -> None:
        """Runs the handler with the events that are still worth it."""
        events = [Event(envelope) for envelope in self.envelopes]
        late = [event for event in events if _is_late(self.handler, event, self.context)]
        for event in late:
            _count_late(self.handler, event, self.context)
        if len(late) == len(events):
            return
        left = [event for event in events if event not in late] if late else events
        try:
            self.handler.function(events=left)
        except TaskPredicate:
            raise
        except BatchFailed as exc:
            raise self._retry(task, exc, [event.id for event in left]) from None
        except Exception as exc:
            cleaned = Scrubber(dict.fromkeys(_texts_of(events), "<text>")).clean(exc)
            if cleaned is exc:
                raise
            raise cleaned from None

    def _retry(self, task: Any, exc: BatchFailed, ids: list[str]) -> Exception:
        """Has Celery run the task again, with what was not done."""
        done = set(ids[: max(0, exc.done)])
        left = [envelope for envelope in self.envelopes if envelope["id"] not in done]
        logger.warning(
            "handler %s: %s of a batch of %s are tried again: %s",
            self.handler.name,
            len(left),
            len(self.envelopes),
            exc,
            extra={"action": "batch_retried", "task": self.handler.name},
        )
        delay = get_exponential_backoff_interval(1, task.request.retries, 60, full_jitter=True)
        again: Exception = task.retry(args=(left,), exc=exc, countdown=delay, throw=False)
        return again


def _is_late(handler: Handler[..., object], event: Event, context: HandlerContext) -> bool:
    max_age = handler.subscription.max_age
    return max_age is not None and event.age(context.clock()) > max_age


def _count_late(handler: Handler[..., object], event: Event, context: HandlerContext) -> None:
    logger.info(
        "handler %s: %s is too old and was dropped",
        handler.name,
        event.id,
        extra={"action": "event_late", "bot": event.key},
    )
    try:
        context.store.advance(late_counter(handler.name), 1)
    except StoreError as exc:
        logger.debug("not counted: %s", exc)


def _texts_of(events: list[Event]) -> list[str]:
    return [text for event in events for text in _texts(event)]


def late_counter(name: str) -> str:
    """The store's counter (`Store.advance`) of events that were too old for a handler.

    >>> late_counter("tasks.hello.ping")
    'late:tasks.hello.ping'
    """
    return f"late:{name}"


def _texts(event: Event) -> list[str]:
    """What people wrote in an event."""
    payload = event.payload
    messages = [payload, payload.get("message"), payload.get("previous_message")]
    texts = [message.get("text") for message in messages if isinstance(message, dict)]
    return [text for text in texts if isinstance(text, str)]
