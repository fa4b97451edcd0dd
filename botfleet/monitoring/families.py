"""Metrics as prometheus-client has them, made anew each time somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

#: Of the text format that `render` makes.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

#: The values of labels, and what is so.
Values = Iterable[tuple[Sequence[str], float]]


class Collector(Protocol):
    """Has metrics to show."""

    def collect(self) -> Iterable[Metric]:
        """The metrics, as they are now."""


def render(collectors: Iterable[Collector]) -> bytes:
    """The metrics of some collectors in Prometheus' text format."""
    # Not the library's own registry, which everything in the process shares.
    registry = CollectorRegistry(auto_describe=False)
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


def gauge(name: str, text: str, value: float) -> Metric:
    """Something that goes up and down."""
    return GaugeMetricFamily(name, text, value=value)


def gauges(name: str, text: str, labels: Sequence[str], values: Values) -> Metric:
    """The same, by labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for found, value in values:
        family.add_metric(found, value)
    return family


def counter(name: str, text: str, value: float) -> Metric:
    """Something that only grows; the name ends with `_total`."""
    return CounterMetricFamily(name, text, value=value)


def counters(name: str, text: str, labels: Sequence[str], values: Values) -> Metric:
    """The same, by labels."""
    family = CounterMetricFamily(name, text, labels=labels)
    for found, value in values:
        family.add_metric(found, value)
    return family


def histogram(
    name: str, text: str, bounds: Sequence[float], counts: Sequence[int], total: float
) -> HistogramMetricFamily:
    """How often something was how much.

    Args:
        name, text: of the metric.
        bounds: upper bounds of the classes.
        counts: one for each class, and for what is above.
        total: everything together.
    """
    buckets: list[tuple[str, float]] = []
    seen = 0
    for bound, found in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        seen += found
        buckets.append((bound, seen))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=total)
