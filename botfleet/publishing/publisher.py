"""The publisher: takes events from the reactor without ever blocking it, and pushes them in batches.

Its thread pushes what has gathered while the last push was under way, so that a quiet fleet has no delay
and a busy one large batches. While the broker is away events wait in memory, in order, up to a bound in
bytes; what comes past it is dropped, counted and logged.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..clock import Clock, wall_clock
from ..errors import PublishError
from ..model import Subscription
from ..slack.backoff import Backoff
from ..slack.envelope import Identifier, Origin, wrap
from ..slack.frames import Frame
from .router import Router, queue_for

logger = logging.getLogger(__name__)

#: Events in one push, and what its messages may weigh together before base64, bytes.
BATCH_EVENTS = 500
BATCH_BYTES = 2 * 2**20
#: What an event weighs in memory beside its bytes (objects, deque, subscription tuple), bytes; measured.
_OVERHEAD = 600


class Outgoing(NamedTuple):
    """One event on its way: a message for each subscription."""

    id: str
    #: Whether every copy of this event has the same id, so that a second one is told and left out.
    unique: bool
    envelope: bytes
    received_at: float
    #: The queue for subscriptions that name none.
    queue: str
    subscriptions: Sequence[Subscription]


class Sink(ABC):
    """Where messages go: a broker."""

    @abstractmethod
    def push(self, batch: Sequence[Outgoing]) -> int:
        """Puts the messages of all events into their queues, in order.

        Safe to call again with the same batch after an error: what was there already is left out where
        `unique` says so.

        Returns:
            How many events were new.

        Raises:
            PublishError: the broker does not take them now.
        """

    def close(self) -> None:  # noqa: B027 (most sinks hold nothing)
        """Lets go of connections."""


@dataclass
class Counters:
    """What a publisher has seen since it was made; written by its two threads, each its own fields."""

    #: Offered by the reactor, and wanted by at least one handler.
    events: int = 0
    wanted: int = 0
    dropped: int = 0
    #: Pushed, and left out as copies.
    published: int = 0
    copies: int = 0


class Publisher:
    """Turns events into messages.

    Args:
        sink: the broker.
        buffer: bytes of events that may wait in memory.
        clock: the time that becomes `received_at`.
    """

    def __init__(self, sink: Sink, buffer: int, clock: Clock = wall_clock) -> None:
        self.counters = Counters()
        self.router = Router()
        self._sink = sink
        self._buffer = buffer
        self._clock = clock
        self._identifier = Identifier()
        self._waiting: deque[Outgoing] = deque()
        self._weight = 0
        # Guards _weight and the pair (append, wake); held for microseconds only.
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._closing = threading.Event()
        self._alarmed = False

    @property
    def unsent(self) -> int:
        """Events that wait to be pushed."""
        return len(self._waiting)

    def publish(self, origin: Origin, frame: Frame, raw: bytes) -> None:
        """Offers an event; returns at once, whether anybody wants it or not."""
        self.counters.events += 1
        subscriptions = self.router.match(origin, frame)
        if not subscriptions:
            return
        event_id, unique = self._identifier.identify(origin, frame)
        self._offer(origin, frame, raw, event_id, unique, subscriptions)

    def publish_own(self, origin: Origin, frame: Frame, raw: bytes, event_id: str) -> None:
        """Offers an event that botfleet itself made, under an id that tells its copies."""
        subscriptions = self.router.match(origin, frame)
        if subscriptions:
            self._offer(origin, frame, raw, event_id, True, subscriptions)

    def run(self) -> None:
        """Pushes until `close`; the body of the publisher's thread."""
        backoff = Backoff(0.05, 1.0)
        while True:
            batch = self._take()
            if not batch:
                if self._closing.is_set():
                    return
                continue
            self._push(batch, backoff)

    def flush(self, timeout: float) -> bool:
        """Waits until everything is pushed; False when that took longer than `timeout` seconds."""
        return self._idle.wait(timeout)

    def close(self) -> None:
        """Ends `run`; what still waits is given up and counted as dropped."""
        self._closing.set()
        self._wake.set()

    # The reactor's side

    def _offer(
        self,
        origin: Origin,
        frame: Frame,
        raw: bytes,
        event_id: str,
        unique: bool,
        subscriptions: Sequence[Subscription],
    ) -> None:
        received_at = self._clock()
        envelope = wrap(event_id, origin, frame, raw, received_at)
        event = Outgoing(event_id, unique, envelope, received_at, queue_for(frame), subscriptions)
        self.counters.wanted += 1
        weight = _weigh(event)
        with self._lock:
            room = self._weight + weight <= self._buffer
            if room:
                self._weight += weight
                self._waiting.append(event)
                self._idle.clear()
        if room:
            self._wake.set()
        else:
            self._drop(event)

    def _drop(self, event: Outgoing) -> None:
        self.counters.dropped += 1
        if not self._alarmed:
            self._alarmed = True
            logger.error(
                "Dropping events: %s wait for the broker and fill the buffer of %s bytes (first: %s)",
                len(self._waiting),
                self._buffer,
                event.id,
                extra={"action": "publish.drop"},
            )

    # The thread's side

    def _take(self) -> list[Outgoing]:
        """Waits for events and returns a batch; they stay in the buffer until they are pushed."""
        if not (self._waiting or self._closing.is_set()):
            self._wake.wait(1.0)
        self._wake.clear()
        batch: list[Outgoing] = []
        weight = 0
        with self._lock:
            for event in self._waiting:
                batch.append(event)
                weight += len(event.envelope) * len(event.subscriptions)
                if len(batch) >= BATCH_EVENTS or weight >= BATCH_BYTES:
                    break
        return batch

    def _push(self, batch: list[Outgoing], backoff: Backoff) -> None:
        try:
            new = self._sink.push(batch)
        except PublishError as exc:
            self._wait_for_broker(exc, backoff)
            return
        backoff.reset()
        self.counters.published += new
        self.counters.copies += len(batch) - new
        self._forget(batch)
        # Not at the first batch: a broker that is merely too slow would raise an alarm with each.
        if self._alarmed and self._weight <= self._buffer // 2:
            self._alarmed = False
            logger.warning(
                "The broker takes events again; %s were dropped since the start",
                self.counters.dropped,
                extra={"action": "publish.resume"},
            )

    def _wait_for_broker(self, exc: PublishError, backoff: Backoff) -> None:
        delay = backoff.next()
        logger.warning(
            "The broker does not take events (%s); %s wait, trying again in %.1f s",
            exc,
            len(self._waiting),
            delay,
            extra={"action": "publish.retry"},
        )
        if self._closing.wait(delay):
            self._give_up()

    def _give_up(self) -> None:
        with self._lock:
            left = list(self._waiting)
        self.counters.dropped += len(left)
        logger.error(
            "Shut down with %s events that the broker did not take",
            len(left),
            extra={"action": "publish.lost"},
        )
        self._forget(left)

    def _forget(self, batch: Sequence[Outgoing]) -> None:
        with self._lock:
            for event in batch:
                self._waiting.popleft()
                self._weight -= _weigh(event)
            if not self._waiting:
                self._idle.set()


def _weigh(event: Outgoing) -> int:
    return len(event.envelope) + _OVERHEAD
