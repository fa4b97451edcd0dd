"""The way to brokers that run no scripts: through Celery itself, with the broker's confirms; for RabbitMQ."""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from amqp.exceptions import AMQPError, MessageNacked  # type: ignore[import-untyped]
from kombu.exceptions import OperationalError

from ..clock import Clock, MonotonicClock, monotonic_clock, wall_clock
from ..errors import PublishError, PushedInPart, StoreError, StoreUnavailable
from ..model import Subscription
from .marks import Claim, Marks, MemoryMarks
from .ordered import OrderedLanes
from .outgoing import Bundle, Outgoing, mark_of
from .publisher import Sink
from .template import message_age, publish_options
from .wake_ups import wake_up

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Messages that are claimed at once: so many may come twice when a holder is killed. Each waits for a confirm
#: of the broker's, and all of them together for two answers of the store.
_CLAIMED = 20
#: Seconds after which what another publishes is looked at again.
_PAUSE = 0.05
_BROKER_ERRORS = (OperationalError, OSError, AMQPError, MessageNacked)


class KombuSink(Sink):
    """Publishes each message by itself.

    Marks tell what other holders have published, see `marks.py`. What another is publishing just now is left,
    and so are the events that follow in its lane. A message whose confirm was lost comes twice.

    Args:
        app: the Celery app.
        marks: those of all holders; without them this sink tells only the copies of what it published itself.
        lanes: those of ordered handlers; without them an ordered event is published as any other.
        clock: the time that messages' expiry is reckoned from.
        monotonic: the time for which claims are trusted.
    """

    def __init__(
        self,
        app: Any,
        marks: Marks | None = None,
        lanes: OrderedLanes | None = None,
        clock: Clock = wall_clock,
        monotonic: MonotonicClock = monotonic_clock,
    ) -> None:
        self._app = app
        self._marks = marks or MemoryMarks()
        self._lanes = lanes
        self._clock = clock
        self._monotonic = monotonic
        self._name = uuid.uuid4().hex
        # Not of the app's pool: that one tries for seconds, and the worker closes it before the last push.
        self._connection = app.connection_for_write(transport_options={"max_retries": 0})
        # Marks of messages that the broker has, and that are not settled yet.
        self._sent: set[str] = set()

    def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
        work = _Work(batch)
        try:
            with self._collecting():
                producer = self._app.amqp.Producer(self._connection.default_channel, auto_declare=False)
            while work.rest:
                self._push_some(producer, work)
        except (StoreError, *_BROKER_ERRORS) as exc:
            raise PublishError(f"{type(exc).__name__}: {exc}") from exc
        if work.left:
            raise PushedInPart(work.new, work.left, _PAUSE)
        return work.new

    def close(self) -> None:
        self._connection.release()
        self._marks.close()

    @contextmanager
    def _collecting(self) -> Iterator[None]:
        """Lets go of a connection that failed."""
        try:
            yield
        except _BROKER_ERRORS:
            self._connection.collect()
            raise

    def _push_some(self, producer: Any, work: _Work) -> None:
        """Claims some units and pushes as many of them as the claims are good for."""
        units = work.take()
        until = self._monotonic() + self._marks.claim_ttl / 2
        claims = self._claim(units)
        try:
            if self._monotonic() >= until:
                raise StoreUnavailable("the store of marks is too slow")
            with self._collecting():
                while units and self._monotonic() < until:
                    self._push_unit(producer, units.popleft(), claims, work)
        finally:
            self._settle(claims)
        work.rest.extendleft(reversed(units))

    def _claim(self, units: Sequence[Outgoing | Bundle]) -> dict[str, Claim]:
        marks = list(dict.fromkeys(mark for unit in units for mark in _marked(unit)))
        return dict(zip(marks, self._marks.claim(self._name, marks), strict=True)) if marks else {}

    def _settle(self, claims: Mapping[str, Claim]) -> None:
        sent = [mark for mark in claims if mark in self._sent]
        unsent = [mark for mark, claim in claims.items() if claim is Claim.OURS and mark not in self._sent]
        if sent or unsent:
            self._marks.settle(self._name, sent, unsent)
        self._sent.difference_update(sent)

    def _push_unit(
        self, producer: Any, unit: Outgoing | Bundle, claims: Mapping[str, Claim], work: _Work
    ) -> None:
        if work.passes_over(unit):
            return
        if isinstance(unit, Bundle):
            self._push_bundle(producer, unit, claims, work)
        else:
            self._push_event(producer, unit, claims, work)

    def _push_event(self, producer: Any, event: Outgoing, claims: Mapping[str, Claim], work: _Work) -> None:
        ours, others = self._divide(_subscriptions(event), claims)
        envelope = _read(event) if ours else None
        for mark, one in ours.items():
            if envelope is not None:
                self._send(producer, one, event, event.id, self._stand(event, one, mark) or envelope)
            self._sent.add(mark)
        if others:
            work.leave(event._replace(subscriptions=others))
        elif envelope is not None:
            work.new += 1

    def _stand(self, event: Outgoing, subscription: Subscription, mark: str) -> dict[str, Any] | None:
        """Puts an event into its handler's lane; returns the wake-up to send in its place, or None."""
        if not event.ordered_lane or self._lanes is None:
            return None
        # Before the wake-up: one that finds nothing is lost; the sweep finds an event that has none.
        queue = subscription.queue or event.queue
        self._lanes.append(mark, event.ordered_lane, queue, event.envelope)
        return wake_up(event.id, event.ordered_lane)

    def _push_bundle(self, producer: Any, bundle: Bundle, claims: Mapping[str, Claim], work: _Work) -> None:
        ours, others = self._divide(_events(bundle), claims)
        envelopes = [envelope for event in ours.values() if (envelope := _read(event)) is not None]
        if envelopes:
            # Not the last that is readable: what counts is its time, by which the message expires.
            last = [*ours.values()][-1]
            self._send(producer, bundle.subscription, last, f"batch:{uuid.uuid4().hex}", envelopes)
        self._sent.update(ours)
        work.new += len(envelopes)
        if others:
            work.leave(bundle._replace(events=tuple(others)))

    def _divide(self, marked: Mapping[str, T], claims: Mapping[str, Claim]) -> tuple[dict[str, T], list[T]]:
        """What is ours to send, by mark, and what another publishes just now."""
        missing = {mark: one for mark, one in marked.items() if mark not in self._sent}
        ours = {mark: one for mark, one in missing.items() if claims[mark] is Claim.OURS}
        return ours, [one for mark, one in missing.items() if claims[mark] is Claim.ANOTHERS]

    def _send(
        self, producer: Any, subscription: Subscription, event: Outgoing, message_id: str, argument: Any
    ) -> None:
        options = publish_options(message_id, subscription)
        max_age = message_age(subscription)
        if max_age is not None:
            # By the event's own time, not by that of this try. One that is late gets a second, in which its
            # handler counts it.
            due = max(event.received_at + max_age, self._clock() + 1.0)
            options["expires"] = datetime.fromtimestamp(due, UTC)
        self._app.send_task(
            subscription.task,
            args=[argument],
            kwargs=subscription.kwargs,
            producer=producer,
            queue=subscription.queue or event.queue,
            retry=False,
            **options,
        )


class _Work:
    """A batch while it is pushed.

    Attributes:
        rest: units that are still to be looked at, in order.
        left: those that are to be pushed later, in order.
        new: events that were pushed.
    """

    def __init__(self, batch: Sequence[Outgoing | Bundle]) -> None:
        self.rest = deque(batch)
        self.left: list[Outgoing | Bundle] = []
        self.new = 0
        # Whose events wait for one that was left. Not those of bundles, in which holders gather differently.
        self._lanes: set[str] = set()

    def take(self) -> deque[Outgoing | Bundle]:
        """Takes the next units out of the rest, as many as are claimed at once."""
        units: deque[Outgoing | Bundle] = deque()
        marks = 0
        while self.rest and marks < _CLAIMED:
            unit = self.rest.popleft()
            if not self.passes_over(unit):
                units.append(unit)
                marks += len(_marked(unit))
        return units

    def leave(self, unit: Outgoing | Bundle) -> None:
        """Leaves a unit for later."""
        self.left.append(unit)
        if not isinstance(unit, Bundle):
            self._lanes.add(unit.lane)

    def passes_over(self, unit: Outgoing | Bundle) -> bool:
        """Leaves a unit that follows one which was left, and tells whether it did."""
        if unit.lane not in self._lanes:
            return False
        self.leave(unit)
        return True


def _marked(unit: Outgoing | Bundle) -> Mapping[str, object]:
    """A unit's messages, or the events of its message, by their marks."""
    return _events(unit) if isinstance(unit, Bundle) else _subscriptions(unit)


def _subscriptions(event: Outgoing) -> dict[str, Subscription]:
    return {mark_of(event, one): one for one in event.subscriptions}


def _events(bundle: Bundle) -> dict[str, Outgoing]:
    return {mark_of(event, bundle.subscription): event for event in bundle.events}


def _read(event: Outgoing) -> Any:
    """An event's envelope as Celery takes it; None where Python can't read it."""
    try:
        return json.loads(event.envelope)
    except ValueError as exc:
        # Python refuses some JSON that is valid, such as numbers of thousands of digits.
        logger.error("%s can't be published: %s", event.id, exc, extra={"action": "publish.unreadable"})
        return None
