"""Makes Celery tasks of handlers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from celery import Celery

from ...errors import (
    AnswerTooLate,
    ConfigurationError,
    InvalidToken,
    PerhapsDone,
    SealError,
    TokenNotConnected,
    TokenRevoked,
    UsageError,
)
from ...model import Subscription
from ...publishing.wake_ups import is_wake_up
from ...redaction import EventTask
from ..context import HandlerContext
from ..handler import Handler
from ..loader import Loaded
from ..matching.heard import folded_all
from ..tally import Tally
from .batches import BatchRun
from .ordered import LoneRun, OrderedRun
from .retries import Patient, RetryPolicy, only_waits, tries
from .runs import Company, Run
from .tally import Counted, CountedBatch, CountedOnce

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
        AnswerTooLate,
        PerhapsDone,
    ),
    "retry_backoff": True,
    "retry_backoff_max": 60,
    "retry_jitter": True,
}


class BatchTask(CountedBatch, EventTask):
    """Base of the tasks of handlers that take batches."""


class OrderedTask(Counted, EventTask):
    """Base of the tasks of ordered handlers, whose runs take any number of events."""


class HandlerTask(CountedOnce, Patient, EventTask):
    """Base of the tasks of handlers that take one event."""

    def on_retry(self, exc: Exception | None, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Says in one line that a handler failed and is tried again; Celery logs the last failure."""
        self.count_retry(exc)
        if only_waits(exc):
            logger.info(
                "handler %s waits for its turn to send, for %s: %r",
                *(self.name, self.describe(args), exc),
                extra={"action": "handler_waits", "task": self.name},
            )
            return
        logger.warning(
            "handler %s failed for %s, try %s of %s: %r",
            self.name,
            self.describe(args),
            self.request.retries + 1,
            tries(self.max_retries),
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
    tally = context.tally or Tally(context.store)
    for handler in loaded.handlers:
        _bind_one(app, handler, context, Company.of(handler, loaded), tally)
    aliases = folded_all(context.settings.aliases)
    wanted = [handler.subscription for handler in loaded.handlers]
    return [_with_aliases(subscription, aliases) for subscription in wanted if subscription.types]


def _with_aliases(wanted: Subscription, aliases: tuple[str, ...]) -> Subscription:
    """What the holders are told: they know the bots' names, but not the handlers' settings."""
    asks = wanted.addressed or wanted.words or wanted.not_words or wanted.mentioned
    return msgspec.structs.replace(wanted, aliases=aliases) if asks and aliases else wanted


def _bind_one(
    app: Celery, handler: Handler[..., object], context: HandlerContext, company: Company, tally: Tally
) -> None:
    wanted, options = handler.subscription, {**DEFAULT_OPTIONS, **handler.options, "tally": tally}
    policy = RetryPolicy.of(options)
    if wanted.batch:
        run = _batch_function(handler, context, policy)
    else:
        run = _task_function(handler, context, policy, company)
    base = BatchTask if wanted.batch else OrderedTask if wanted.ordered else HandlerTask
    if base is not HandlerTask:
        # Their runs try again by themselves: Celery's autoretry would send a whole batch, or the wake-up of
        # another event than the one that failed.
        options["autoretry_for"] = ()
    app.task(name=handler.name, base=base, shared=False, typing=False, bind=True, **options)(run)


def _task_function(
    handler: Handler[..., object], context: HandlerContext, policy: RetryPolicy, company: Company
) -> Callable[..., None]:
    def handle(envelope: Mapping[str, Any], **kwargs: Any) -> None:
        Run(handler, context, envelope, kwargs, company).run()

    def counted(task: Counted) -> Callable[[Mapping[str, Any]], None]:
        def handle_and_count(envelope: Mapping[str, Any]) -> None:
            handle(envelope)
            task.count_runs()

        return handle_and_count

    def run(task: Any, message: dict[str, Any], **kwargs: Any) -> None:
        # Nothing is returned: a value would be shown in logs and in Flower.
        if is_wake_up(message):
            # Also of a handler that is not ordered any more: its lanes are still to be emptied.
            OrderedRun(handler, counted(task), context, policy, task).run(message)
        elif handler.subscription.ordered:
            LoneRun(counted(task), policy, task).run(message)
        else:
            handle(message, **kwargs)

    return named_like(handler.function, run)


def _batch_function(
    handler: Handler[..., object], context: HandlerContext, policy: RetryPolicy
) -> Callable[..., None]:
    def run(task: Any, envelopes: list[dict[str, Any]], **kwargs: Any) -> None:
        BatchRun(handler, context, policy, task).run(envelopes)

    return named_like(handler.function, run)


def named_like(function: Callable[..., object], run: Callable[..., None]) -> Callable[..., None]:
    """Gives a task's function the name, place and text of the author's."""
    run.__name__ = function.__name__
    run.__qualname__ = getattr(function, "__qualname__", run.__name__)
    run.__module__ = function.__module__
    run.__doc__ = function.__doc__
    return run
