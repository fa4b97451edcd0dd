"""From what bots hear to what handlers are given: a holder's publisher, without a broker."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ..clock import Clock
from ..model import Subscription
from ..publishing.router import Router, wanted_by
from ..slack.envelope import Identifier, Origin, wrap
from ..slack.frames import Frame
from ..store.base import Store


class Delivery(NamedTuple):
    """An event on its way to a handler."""

    event_id: str
    envelope: bytes
    wanted: Subscription


class Deliveries:
    """The events that wait for their handlers.

    Args:
        store: knows what the handlers want.
        clock: when events come.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._identifier = Identifier()
        self._router = Router()
        self._version = -1
        # Copies of events are told by their ids.
        self._seen: set[str] = set()
        self._waiting: deque[Delivery] = deque()
        # By task: what waits for batch handlers, which are run when nothing else waits.
        self._gathered: dict[str, list[Delivery]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting or self._gathered)

    def publish(self, origin: Origin, frame: Frame, raw: bytes, event_id: str = "") -> None:
        """Takes an event for all handlers that want it, unless it is a copy.

        Args:
            origin: where it comes from.
            frame, raw: as decoded, and as it came.
            event_id: its id, where that does not follow from the event.
        """
        self._read_subscriptions()
        event_id = event_id or self._identifier.identify(origin, frame)
        if event_id in self._seen:
            return
        self._seen.add(event_id)
        envelope = wrap(event_id, origin, frame, raw, self._clock())
        for wanted in self._router.match(origin, frame):
            self._add(Delivery(event_id, envelope, wanted))

    def take(self) -> list[Delivery]:
        """What is run next: one event, or those that wait for a batch handler once nothing else waits."""
        if self._waiting:
            return [self._waiting.popleft()]
        task, gathered = self._gathered.popitem()
        size = gathered[0].wanted.batch
        if gathered[size:]:
            self._gathered[task] = gathered[size:]
        return gathered[:size]

    def _add(self, delivery: Delivery) -> None:
        if delivery.wanted.batch:
            self._gathered.setdefault(delivery.wanted.task, []).append(delivery)
        else:
            self._waiting.append(delivery)

    def _read_subscriptions(self) -> None:
        version = self._store.subscriptions_version()
        if version != self._version:
            self._router = Router(wanted_by(self._store.subscriptions()))
            self._version = version
