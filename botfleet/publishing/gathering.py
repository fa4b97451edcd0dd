"""Events that wait for company: bundles in the making, one for each batch handler and queue."""

from __future__ import annotations

from ..clock import MonotonicClock, monotonic_clock
from ..model import Subscription
from .outgoing import Bundle, Outgoing


class Gathering:
    """Bundles in the making. Not safe for several threads: the publisher's lock guards it.

    Args:
        clock: for the time that a bundle lingers.
    """

    def __init__(self, clock: MonotonicClock = monotonic_clock) -> None:
        self._clock = clock
        self._bundles: dict[tuple[str, str], tuple[float, Subscription, list[Outgoing]]] = {}

    def __len__(self) -> int:
        return sum(len(events) for _, _, events in self._bundles.values())

    def add(self, event: Outgoing, subscription: Subscription) -> Bundle | None:
        """Adds an event; returns the bundle that this made full."""
        queue = subscription.queue or event.queue
        name = (subscription.task, queue)
        if name not in self._bundles:
            self._bundles[name] = (self._clock() + subscription.linger, subscription, [])
        _, _, events = self._bundles[name]
        events.append(event)
        if len(events) < subscription.batch:
            return None
        del self._bundles[name]
        return Bundle(subscription, queue, tuple(events))

    def due(self) -> float | None:
        """Seconds until the next bundle has lingered enough; None where there is none."""
        if not self._bundles:
            return None
        return max(0.0, min(until for until, _, _ in self._bundles.values()) - self._clock())

    def take(self, all_of_them: bool = False) -> list[Bundle]:
        """Takes out the bundles that have lingered enough."""
        now = self._clock()
        ripe = [name for name, (until, _, _) in self._bundles.items() if all_of_them or until <= now]
        taken = [(name, self._bundles.pop(name)) for name in ripe]
        return [Bundle(wanted, queue, tuple(events)) for (_, queue), (_, wanted, events) in taken]
