"""Makes Celery tasks of timers, and runs them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from celery import Celery
from celery.exceptions import MaxRetriesExceededError, TaskPredicate

from ...errors import ConfigurationError
from ...model import Schedule
from ...redaction import RedactedTask
from ...timers.schedules import zone
from ..context import HandlerContext
from ..declaring.timers import TimerHandler
from ..tally import Tally
from ..timer import Timer
from .binding import DEFAULT_OPTIONS, named_like
from .locks import Lock
from .retries import Patient, tries
from .scrubbing import Scrubber
from .tally import CountedOnce

logger = logging.getLogger(__name__)

#: Seconds after which a timer may run again whose worker was killed.
LOCK_TTL = 30.0
#: Seconds after a run was sent in which a broker may have given it to a second worker because the first was
#: lost. Later on it is a run that takes long.
_LOST_WITHIN = 300.0


class TimerTask(CountedOnce, Patient, RedactedTask):
    """Base of the tasks of timers."""

    def on_retry(self, exc: Exception | None, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Says in one line that a timer failed and is tried again; Celery logs the last failure."""
        self.count_retry(exc)
        if exc is None:
            return  # It waits: that is logged already, or the author's doing.
        logger.warning(
            "timer %s failed, try %s of %s: %r",
            self.name,
            self.request.retries + 1,
            tries(self.max_retries),
            exc,
            extra={"action": "timer.retried", "task": self.name},
        )


def bind_timers(
    app: Celery, timers: Sequence[TimerHandler[..., object]], context: HandlerContext
) -> list[Schedule]:
    """Makes a task of each timer.

    Args:
        app: gets the tasks; its `timezone` is the one of cron lines.
        timers: what was declared.
        context: what they need of this process.

    Returns:
        When they are due; for the store.

    Raises:
        ConfigurationError: there is no such time zone.
    """
    tally = context.tally or Tally(context.store)
    for timer in timers:
        app.task(
            name=timer.name,
            base=TimerTask,
            shared=False,
            typing=False,
            bind=True,
            **{**DEFAULT_OPTIONS, **timer.options, "tally": tally},
        )(_task_function(timer, context))
    timezone = _timezone(app) if timers else ""
    return [msgspec.structs.replace(timer.schedule, timezone=timezone) for timer in timers]


def _timezone(app: Celery) -> str:
    name = str(app.conf.timezone or "UTC")
    try:
        zone(name)
    except ValueError as exc:
        raise ConfigurationError("timezone", str(exc)) from None
    return name


def _task_function(timer: TimerHandler[..., object], context: HandlerContext) -> Callable[..., None]:
    def run(task: Any, due: Mapping[str, float | None]) -> None:
        TimerRun(timer, context, task, due).run()

    return named_like(timer.function, run)


class TimerRun:
    """One run of a timer, of which there is never another one beside.

    Args:
        handler: what is run.
        context: what it needs of this process.
        task: Celery's task while it runs.
        due: as `timers.Due.as_json` gives it.
    """

    def __init__(
        self,
        handler: TimerHandler[..., object],
        context: HandlerContext,
        task: Any,
        due: Mapping[str, float | None],
    ) -> None:
        self.handler = handler
        self.context = context
        self.task = task
        self.sent_at = due.get("sent_at") or 0.0
        self.timer = Timer(context, handler.name, due.get("due_at") or self.sent_at, due.get("last_run"))

    def run(self) -> None:
        """Runs the timer, unless its last run is still under way."""
        lock = Lock(self.context.store, f"timer:{self.handler.name}", LOCK_TTL)
        if not lock.acquire():
            self._stand_back()
            return
        try:
            self._call()
        finally:
            lock.release()

    def _call(self) -> None:
        try:
            self.handler.function(**({"timer": self.timer} if self.handler.wants else {}))
        except TaskPredicate:
            # Retry, Ignore and Reject: the author's words to Celery.
            raise
        except Exception as exc:
            cleaned = Scrubber(dict.fromkeys(self.timer.secrets(), "<token>")).clean(exc)
            if cleaned is exc:
                raise
            raise cleaned from None

    def _stand_back(self) -> None:
        """Leaves a run out; but where the worker that had it was lost, its lock soon is free."""
        delivery = self.task.request.delivery_info or {}
        if delivery.get("redelivered") and self.context.clock() - self.sent_at < _LOST_WITHIN:
            with suppress(MaxRetriesExceededError):
                again = self.task.retry(countdown=LOCK_TTL, throw=False)
                self._log("timer %s was left by a worker that is lost; tried again in %g s", LOCK_TTL)
                raise again
        self._log("timer %s still runs; this time is left out")

    def _log(self, text: str, *values: object) -> None:
        name = self.handler.name
        logger.warning(text, name, *values, extra={"action": "timer.busy", "task": name})
