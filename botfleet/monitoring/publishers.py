"""What a process publishes, in figures: a holder, and the web role's gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from prometheus_client.core import Metric

from ..publishing.lag import BOUNDS, Lag
from ..publishing.publisher import Counters
from .families import counter, histogram


class MeasuredPublisher(Protocol):
    """A publisher, as far as its metrics go."""

    counters: Counters
    lag: Lag


_EVENTS: Mapping[str, str] = {
    "events": "Events that came in.",
    "wanted": "Events that at least one handler wants.",
    "published": "Events that were published as tasks.",
    "copies": "Events left out because they were published already, by this process or another.",
    "dropped": "Events lost: no room while the broker was away, or too old to tell their copies.",
}


class PublisherMetrics:
    """What a publisher of this process has seen.

    Args:
        publisher: the process's own.
    """

    def __init__(self, publisher: MeasuredPublisher) -> None:
        self._publisher = publisher

    def collect(self) -> Iterable[Metric]:
        """The metrics, as they are now."""
        counted = self._publisher.counters
        for name, text in _EVENTS.items():
            yield counter(f"botfleet_publisher_{name}_total", text, getattr(counted, name))
        lag = self._publisher.lag
        yield histogram(
            "botfleet_publish_lag_seconds",
            "From the moment an event came in to the moment the broker had it.",
            BOUNDS,
            list(lag.counts),
            lag.seconds,
        )
