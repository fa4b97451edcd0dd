"""Events that wait for company: bundles in the making, one for each batch handler and queue."""

from __future__ import annotations

from ..clock import MonotonicClock, monotonic_clock
from ..model import Subscription
from .outgoing import Bundle, Outgoing

#: Bytes of events in a bundle, where one alone has not more: what a worker decodes at once, and what one
#: command of a push carries.
MOST_BYTES = 2**20


class Gathering:
    """Bundles in the making. Not safe for several threads: the publisher's lock guards it.

    Its length is the number of events.

    Args:
        clock: for the time that a bundle lingers.
    """

    def __init__(self, clock: MonotonicClock = monotonic_clock) -> None:
        self._clock = clock
        self._making: dict[tuple[str, str], _Making] = {}

    def __len__(self) -> int:
        return sum(len(making.events) for making in self._making.values())

    def add(self, event: Outgoing) -> Bundle | None:
        """Adds an event to the bundle of its one subscription; returns a bundle that this finished."""
        wanted = event.subscriptions[0]
        queue = wanted.queue or event.queue
        name = (wanted.task, queue)
        making, finished = self._making.get(name), None
        if making is not None and making.size + event.size > MOST_BYTES:
            finished, making = making.finish(), None
        if making is None:
            making = self._making[name] = _Making(wanted, queue, self._clock() + wanted.linger)
        making.add(event)
        if len(making.events) < wanted.batch:
            return finished
        del self._making[name]
        return making.finish()

    def due(self) -> float | None:
        """Seconds until the next bundle has lingered enough; None where there is none."""
        if not self._making:
            return None
        return max(0.0, min(making.until for making in self._making.values()) - self._clock())

    def take(self, all_of_them: bool = False) -> list[Bundle]:
        """Takes out the bundles that have lingered enough."""
        now = self._clock()
        ripe = [name for name, making in self._making.items() if all_of_them or making.until <= now]
        return [self._making.pop(name).finish() for name in ripe]


class _Making:
    """A bundle in the making."""

    def __init__(self, subscription: Subscription, queue: str, until: float) -> None:
        self.subscription = subscription
        self.queue = queue
        self.until = until
        self.events: list[Outgoing] = []
        self.size = 0

    def add(self, event: Outgoing) -> None:
        self.events.append(event)
        self.size += event.size

    def finish(self) -> Bundle:
        return Bundle(self.subscription, self.queue, tuple(self.events))
