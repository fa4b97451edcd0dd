"""The worker's side of `redaction.py`: requests and a consumer that show no arguments.

Installed by name: the requests by `RedactedTask.Request`, the consumer by the setting
`worker_consumer = "botfleet.redacted_worker:RedactedConsumer"`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from celery import signals
from celery.exceptions import NotRegistered
from celery.utils.objects import Bunch
from celery.worker.consumer import Consumer
from celery.worker.request import Request
from kombu.exceptions import MessageStateError

from .clock import MonotonicClock, monotonic_clock
from .redaction import HIDDEN, HIDDEN_KEYWORDS, describe_event

logger = logging.getLogger(__name__)


class RedactedRequest(Request):  # type: ignore[misc]  # celery has no types
    """A request whose arguments read `(…)` in events, logs and `inspect`, whatever its sender said."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._argsrepr = self.describe(self._args)
        self._kwargsrepr = HIDDEN_KEYWORDS if self._kwargs else "{}"
        # These go on to the pool and from there into the extra fields of Celery's log records.
        self._request_dict["argsrepr"] = self._argsrepr
        self._request_dict["kwargsrepr"] = self._kwargsrepr

    @staticmethod
    def describe(args: Sequence[Any]) -> str:
        """The text that stands for the arguments."""
        return HIDDEN

    def info(self, safe: bool = False) -> dict[str, Any]:
        """What `inspect` shows; never the arguments, whether asked for or not."""
        shown: dict[str, Any] = super().info(safe=True)
        return shown


class EventRequest(RedactedRequest):
    """A handler's request: shows its event's id."""

    @staticmethod
    def describe(args: Sequence[Any]) -> str:
        """The event's id."""
        return describe_event(args)


class UnknownTasks:
    """Which messages with an unknown task were seen here, and since when.

    >>> now = 0.0
    >>> unknown = UnknownTasks(lambda: now)
    >>> unknown.age("a")
    0.0
    >>> now = 7.0
    >>> unknown.age("a"), unknown.age("b")
    (7.0, 0.0)
    """

    #: Ids remembered; beyond that the oldest is forgotten, and its time begins anew.
    MOST = 10_000

    def __init__(self, clock: MonotonicClock = monotonic_clock) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def age(self, task_id: str) -> float:
        """Seconds since the message was first seen; 0 the first time."""
        now = self._clock()
        since = self._since.setdefault(task_id, now)
        if len(self._since) > self.MOST:
            del self._since[next(iter(self._since))]
        return now - since

    def forget(self, task_id: str) -> None:
        """Nothing more will come of this message."""
        self._since.pop(task_id, None)


class RedactedConsumer(Consumer):  # type: ignore[misc]  # celery has no types
    """A consumer that logs ids and names only, and hands on what it does not know.

    During a rolling deploy the workers that still run the old code get the first events of a new handler.
    Celery deletes such messages; here they go back to the queue for another worker, for up to
    `give_up_after` seconds.
    """

    #: Seconds for which a task that this worker does not know is kept from going back to the queue.
    put_back_after = 1.0
    #: Seconds after which a task that no worker knew is given up.
    give_up_after = 300.0
    #: Unknown tasks that are kept at once beside the worker's own; more than that wait in the queue.
    most_kept = 1000
    #: Seconds for which events about tasks (what Flower shows) are gathered, and how many go out together.
    #: Celery's own way, once in each turn of its loop, takes a third of a busy handler worker's time.
    events_every = 0.2
    events_at_once = 300

    def __init__(self, *args: Any, **options: Any) -> None:
        self._unknown = UnknownTasks()
        self._kept = 0
        self._flush_planned = False
        super().__init__(*args, **options)

    def on_send_event_buffered(self) -> None:
        """An event about a task waits to be sent."""
        self.event_dispatcher.buffer_limit = self.events_at_once
        if not self._flush_planned:
            self._flush_planned = True
            self.timer.call_after(self.events_every, self._flush_planned_events)

    def _flush_planned_events(self) -> None:
        self._flush_planned = False
        self._flush_events()

    def stop(self) -> None:
        """Ends; the last events about tasks go out before."""
        try:
            self._flush_events()
        except (*self.connection_errors, *self.channel_errors):
            logger.debug("the last events about tasks were not sent")
        super().stop()

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """A task that this worker does not know: back to the queue, after a moment."""
        task_id, name = _id_and_name(message)
        age = self._unknown.age(task_id)
        if age >= self.give_up_after:
            self._unknown.forget(task_id)
            self._refuse(message, task_id, name, exc)
            return
        # Once at WARNING: the same message may come by here every second.
        level = logging.DEBUG if age else logging.WARNING
        logger.log(level, "unknown task %s[%s]: left to other workers", name, task_id, extra=_UNKNOWN)
        self._keep(message)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Not a task at all."""
        self._reject(message, "a message that is no task")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """A task whose message is malformed."""
        self._reject(message, f"a malformed task message ({type(exc).__name__})")

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """A body that can't be read."""
        self._reject(message, f"a message that can't be decoded ({type(exc).__name__})")

    def _keep(self, message: Any) -> None:
        # Kept messages must not use up the prefetch count: a worker all of whose slots hold unknown tasks
        # would do nothing else.
        qos = self.qos if self._kept < self.most_kept else None
        if qos is not None:
            qos.increment_eventually()
        self._kept += 1
        self.timer.call_after(self.put_back_after, self.call_soon, (self._put_back, message, qos))

    def _put_back(self, message: Any, qos: Any) -> None:
        self._kept -= 1
        # Not `self.qos`: after a reconnect that is another one, which was never incremented.
        if qos is not None:
            qos.decrement_eventually()
        try:
            message.reject(requeue=True)
        except (*self.connection_errors, *self.channel_errors, MessageStateError) as exc:
            # The broker gives it to another worker by itself when a connection is gone.
            logger.info("an unknown task was not put back: %s", type(exc).__name__, extra=_UNKNOWN)

    def _reject(self, message: Any, what: str) -> None:
        task_id, name = _id_and_name(message)
        logger.error("%s was dropped: %s[%s]", what, name, task_id, extra={"action": "message_dropped"})
        message.reject_log_error(logger, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=None)

    def _refuse(self, message: Any, task_id: str, name: str, exc: Exception) -> None:
        """Does what Celery does with an unknown task, without showing it."""
        logger.error(
            "unknown task %s[%s] was dropped: no worker knew it for %.0f s; is its module loaded?",
            name,
            task_id,
            self.give_up_after,
            extra={"action": "task_dropped"},
        )
        message.reject_log_error(logger, self.connection_errors)
        request = Bunch(
            name=name,
            chord=None,
            root_id=message.headers.get("root_id"),
            correlation_id=message.properties.get("correlation_id"),
            reply_to=message.properties.get("reply_to"),
            errbacks=None,
        )
        self.app.backend.mark_as_failure(task_id, NotRegistered(name), request=request)
        if self.event_dispatcher:
            self.event_dispatcher.send("task-failed", uuid=task_id, exception=f"NotRegistered({name!r})")
        signals.task_unknown.send(sender=self, message=message, exc=exc, name=name, id=task_id)


_UNKNOWN = {"action": "task_unknown"}


def _id_and_name(message: Any) -> tuple[str, str]:
    """A message's task id and name from its headers; `?` where it has none."""
    headers = message.headers if isinstance(message.headers, dict) else {}
    return str(headers.get("id", "?")), str(headers.get("task", "?"))
