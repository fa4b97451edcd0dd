"""One run of an ordered handler: through the events of a lane, and what becomes of one that fails."""

from __future__ import annotations

import itertools
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from celery.exceptions import Ignore, Reject, Retry, TaskPredicate

from ...clock import MonotonicClock, monotonic_clock
from ...errors import ConfigurationError, HandlerFailed, UsageError
from ...publishing.wake_ups import Head, Pause, Struck, wake_up
from ..context import HandlerContext
from ..handler import Handler
from .counters import count, failed_counter
from .retries import RetryPolicy, reason_of, tries

if TYPE_CHECKING:
    from ...publishing.ordered import OrderedLanes

logger = logging.getLogger(__name__)

#: What one run handles before it passes the lane on: others wait for the worker, too.
MOST_EVENTS = 100
MOST_SECONDS = 2.0
#: Runs in a row that may be lost with an event, for instance as it has their process killed.
MOST_LOST = 5

#: Runs a handler for one event, which is given by its envelope.
Handle = Callable[[Mapping[str, Any]], None]


class OrderedRun:
    """One run of an ordered handler.

    Celery's own retries know nothing of lanes, so that this sends the messages of further runs by itself.

    Args:
        handler: whose run it is.
        handle: runs it for an event.
        context: what it needs of this process.
        policy: which failures are tried again.
        task: Celery's task while it runs.
        clock: for the time that a run takes.

    Raises:
        ConfigurationError: this process has no Redis where lanes could be.
    """

    def __init__(
        self,
        handler: Handler[..., object],
        handle: Handle,
        context: HandlerContext,
        policy: RetryPolicy,
        task: Any,
        clock: MonotonicClock = monotonic_clock,
    ) -> None:
        if context.lanes is None:
            raise ConfigurationError(handler.name, NO_LANES)
        self.handler = handler
        self.handle = handle
        self.context = context
        self.policy = policy
        self.task = task
        self._lanes: OrderedLanes = context.lanes
        self._clock = clock
        self._name = uuid.uuid4().hex

    def run(self, message: Mapping[str, Any]) -> None:
        """Takes the lane that a wake-up names, and handles its events.

        Does nothing where another run has the lane, or nothing stands in it.
        """
        lane = message["lane"]
        head = self._lanes.take(lane, self._name)
        if isinstance(head, Pause):
            ended = self._await(message, head)
        elif head is not None:
            with self._lanes.renewing(lane, self._name):
                ended = self._work(lane, head)
        else:
            ended = None
        # Not raised where it was caught: the next exception would carry the text of the former one with it.
        if ended is not None:
            raise ended

    def _work(self, lane: str, head: Head) -> Exception | None:
        """Handles events from the head on; returns how Celery is to end the run, None for well."""
        end = self._clock() + MOST_SECONDS
        for number in itertools.count(1):
            failure = self._handle(head)
            if failure is not None:
                return self._after(lane, head, failure)
            struck = self._lanes.strike(lane, self._name, number < self._most and self._clock() < end)
            if struck.head is None:
                return self._pass_on(lane, head, struck)
            head = struck.head
        return None

    @property
    def _most(self) -> int:
        """Events of one run; one where Celery limits what a run may take, or how many there may be."""
        limits = self.task.time_limit, self.task.soft_time_limit, self.task.rate_limit
        return 1 if any(limits) else MOST_EVENTS

    def _handle(self, head: Head) -> Exception | None:
        if head.lost > MOST_LOST:
            return HandlerFailed(f"{head.lost} runs in a row were lost with it")
        try:
            self.handle(_read(head))
        except Ignore:
            return None
        except Reject as exc:
            return exc if exc.requeue else None
        except Exception as exc:
            return exc
        return None

    def _after(self, lane: str, head: Head, exc: Exception) -> Exception:
        failures = head.failures + 1
        if head.lost <= MOST_LOST and self.policy.allows(exc, failures):
            return self._try_again(lane, head, failures, exc)
        return self._give_up(lane, head, failures, exc)

    def _try_again(self, lane: str, head: Head, failures: int, exc: Exception) -> Exception:
        event_id, wait = _id_of(head), self.policy.wait(failures, exc)
        if not self._lanes.put_off(lane, self._name, wait):
            self._say_lost(event_id)
            return exc
        logger.warning(
            "handler %s failed for %s, try %s of %s; its lane waits for %g s: %r",
            *(self.handler.name, event_id, failures, tries(self.policy.most), wait, reason_of(exc)),
            extra={"action": "ordered_retried", "task": self.handler.name},
        )
        return self._send(wake_up(event_id, lane, failures), wait) or Retry(exc=exc, when=wait)

    def _give_up(self, lane: str, head: Head, failures: int, exc: Exception) -> Exception:
        struck = self._lanes.strike(lane, self._name, go_on=False)
        event_id = _id_of(head)
        if struck.kept:
            logger.error(
                "handler %s failed for %s, try %s of %s, and gives it up; its lane goes on: %r",
                *(self.handler.name, event_id, failures, tries(self.policy.most), reason_of(exc)),
                extra={"action": "event_failed", "task": self.handler.name},
            )
            count(self.context, failed_counter(self.handler.name))
        exc.add_note(f"The event was {event_id}.")
        return self._pass_on(lane, head, struck) or exc

    def _pass_on(self, lane: str, head: Head, struck: Struck) -> Exception | None:
        """Sends the message of a further run, where there is something left for one."""
        if not struck.kept:
            self._say_lost(_id_of(head))
        return self._send(wake_up(struck.rest, lane)) if struck.rest else None

    def _await(self, message: Mapping[str, Any], pause: Pause) -> Exception | None:
        """Sends the message again that came before its time; another one is in the lane's way only."""
        if message.get("failures") != pause.failures:
            return None
        return self._send(message, pause.seconds)

    def _send(self, message: Mapping[str, Any], seconds: float = 0.0) -> Exception | None:
        """Sends a wake-up; returns what tells Celery that it could not be sent."""
        task_id = f"{message['id']}:{self.handler.name}:{self._name[:12]}"
        signature = self.task.signature_from_request(
            args=(message,),
            kwargs={},
            task_id=task_id,
            retries=0,
            countdown=seconds or None,
            **self.policy.sending,
        )
        try:
            signature.apply_async()
        except Exception as unsent:
            rejected: Exception = Reject(unsent, requeue=True)
            return rejected
        return None

    def _say_lost(self, event_id: str) -> None:
        logger.warning(
            "handler %s was out of touch for too long with %s: another worker handles it again",
            *(self.handler.name, event_id),
            extra={"action": "lane_lost", "task": self.handler.name},
        )


class LoneRun:
    """A run of an ordered handler for an event that stands in no lane.

    Args:
        handle, policy, task: as `OrderedRun` takes them.
    """

    def __init__(self, handle: Handle, policy: RetryPolicy, task: Any) -> None:
        self.handle = handle
        self.policy = policy
        self.task = task

    def run(self, envelope: Mapping[str, Any]) -> None:
        """Runs the handler, and has Celery try again what fails."""
        try:
            self.handle(envelope)
        except TaskPredicate:
            raise
        except Exception as exc:
            failures = self.task.request.retries + 1
            if not self.policy.allows(exc, failures):
                raise
            # The policy has said that there is a try.
            options = {"countdown": self.policy.wait(failures, exc), "max_retries": failures}
            raise self.task.retry(exc=exc, **options, **self.policy.sending) from None


#: What is wrong where there is no place for lanes.
NO_LANES = "is ordered, which takes Redis as the broker or as the store"


def _read(head: Head) -> dict[str, Any]:
    """The event's envelope.

    Raises:
        UsageError: it is none, or has what Python refuses, such as numbers of thousands of digits.
    """
    try:
        envelope = json.loads(head.envelope)
    except ValueError as exc:
        found = type(exc).__name__
    else:
        if isinstance(envelope, dict):
            return envelope
        found = type(envelope).__name__
    # Not raised where it was caught: that one has the whole text.
    raise UsageError(f"not an event's envelope: {found}")


def _id_of(head: Head) -> str:
    try:
        return str(_read(head).get("id", "?"))
    except UsageError:
        return "?"
