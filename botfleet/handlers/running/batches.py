"""One run of a batch handler, and what becomes of its events when it fails."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from celery.exceptions import Reject, Retry, TaskPredicate

from ...errors import BatchFailed
from ...redaction import describe_event
from ..context import HandlerContext
from ..event import Event
from ..handler import Handler
from .counters import count, failed_counter
from .retries import RetryPolicy, reason_of, tries
from .runs import drop_late, texts, tickets
from .scrubbing import Scrubber

logger = logging.getLogger(__name__)

Envelopes = list[dict[str, Any]]


class BatchRun:
    """One run of a batch handler.

    Celery's own retries know nothing of parts, so that this sends what is to be tried again by itself. The
    message's `retries` is the number of failures in a row: it begins anew where a run got further.

    Args:
        handler: what is run.
        context: what it needs of this process.
        policy: which failures are tried again.
        task: Celery's task while it runs.
    """

    def __init__(
        self, handler: Handler[..., object], context: HandlerContext, policy: RetryPolicy, task: Any
    ) -> None:
        self.handler = handler
        self.context = context
        self.policy = policy
        self.task = task

    def run(self, envelopes: Envelopes) -> None:
        """Runs the handler with the events that are still worth it."""
        events = [Event(envelope) for envelope in envelopes]
        late = [drop_late(self.handler, event, self.context) for event in events]
        envelopes = [envelope for envelope, is_late in zip(envelopes, late, strict=True) if not is_late]
        events = [event for event, is_late in zip(events, late, strict=True) if not is_late]
        failure = self._call(events) if events else None
        # Not raised where it was caught: the next exception would carry the text of the former one with it.
        if isinstance(failure, BatchFailed):
            raise self._after_part(failure, events, envelopes)
        if failure is not None:
            raise self._after_all(failure, events, envelopes)

    def _call(self, events: Sequence[Event]) -> Exception | None:
        try:
            self.handler.function(**self._arguments(events))
        except TaskPredicate:
            # Retry, Ignore and Reject: the author's words to Celery.
            raise
        except Exception as exc:
            return exc
        return None

    def _arguments(self, events: Sequence[Event]) -> dict[str, Any]:
        offered = {"events": list(events), "storage": self.context.store}
        return {name: offered[name] for name in self.handler.wants}

    def _after_all(self, failure: Exception, events: Sequence[Event], envelopes: Envelopes) -> Exception:
        failures = self.task.request.retries + 1
        again = self.policy.allows(failure, failures)
        exc, described = _scrubber(events).clean(failure), describe_event([envelopes])
        if again:
            return self._try_again(described, envelopes, failures, exc)
        exc.add_note(f"None of {described} is tried again.")
        self._give_up(len(envelopes))
        return exc

    def _after_part(self, failure: BatchFailed, events: Sequence[Event], envelopes: Envelopes) -> Exception:
        done = _done(failure, len(envelopes))
        left = envelopes[done:]
        if not left:
            return _scrubber(events).clean(failure)
        failed = next((one for one in left if one["id"] == failure.event_id), left[0])
        failures = 1 if done else self.task.request.retries + 1
        again = self.policy.allows(failure, failures)
        exc = _named(_scrubber(events).clean(failure), done, failed["id"])
        if again:
            return self._try_again(failed["id"], left, failures, exc)
        self._give_up(1)
        left = [one for one in left if one is not failed]
        return self._go_on(failed["id"], left, failures, exc) if left else exc

    def _try_again(self, what: str, left: Envelopes, failures: int, exc: Exception) -> Exception:
        wait = self.policy.wait(failures, exc)
        logger.warning(
            "handler %s failed for %s, try %s of %s; %s left, again in %g s: %r",
            *(self.handler.name, what, failures, tries(self.policy.most), len(left), wait, reason_of(exc)),
            extra={"action": "batch_retried", "task": self.handler.name},
        )
        return self._send(left, failures, wait, exc)

    def _go_on(self, event_id: str, left: Envelopes, failures: int, exc: Exception) -> Exception:
        """Goes on without an event that has failed for the last time."""
        logger.error(
            "handler %s failed for %s, try %s of %s, and gives it up; %s left: %r",
            *(self.handler.name, event_id, failures, tries(self.policy.most), len(left), reason_of(exc)),
            exc_info=exc,
            extra={"action": "event_failed", "task": self.handler.name},
        )
        return self._send(left, 0, 0.0, exc)

    def _give_up(self, events: int) -> None:
        count(self.context, failed_counter(self.handler.name), events)

    def _send(self, left: Envelopes, failures: int, wait: float, exc: Exception) -> Exception:
        """Sends the message of the next run; returns what tells Celery that there is one."""
        request = self.task.request
        if request.called_directly:
            return exc
        signature = self.task.signature_from_request(
            request, (left,), None, retries=failures, countdown=wait, **self.policy.sending
        )
        if not request.is_eager:
            try:
                signature.apply_async()
            except Exception as unsent:
                # The message that this run came with still has all of them.
                rejected: Exception = Reject(unsent, requeue=True)
                return rejected
        again: Exception = Retry(exc=exc, when=wait, is_eager=request.is_eager, sig=signature)
        return again


def _scrubber(events: Sequence[Event]) -> Scrubber:
    return Scrubber({**dict.fromkeys(texts(events), "<text>"), **dict.fromkeys(tickets(events), "<url>")})


def _done(failure: BatchFailed, most: int) -> int:
    """How many events are done; none, where what the handler says can't be."""
    done: object = failure.done
    return done if isinstance(done, int) and 0 <= done <= most else 0


def _named(exc: Exception, done: int, event_id: str) -> Exception:
    """A clean exception that names the event that failed."""
    if isinstance(exc, BatchFailed) and (exc.done, exc.event_id) == (done, event_id):
        return exc
    named = BatchFailed(done, event_id).with_traceback(exc.__traceback__)
    reason = reason_of(exc)
    # A BatchFailed that came from nothing says no more than the one that takes its place.
    named.__cause__ = None if isinstance(reason, BatchFailed) else reason
    return named
