"""What came in by HTTP, in figures."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric

from ...monitoring.families import counter, counters
from .counters import Counters


class GatewayMetrics:
    """What this process's gateway has seen.

    Args:
        counted: by the gateway.
    """

    def __init__(self, counted: Counters) -> None:
        self._counted = counted

    def collect(self) -> Iterable[Metric]:
        """The metrics, as they are now."""
        counted = self._counted
        outcomes = [((name,), times) for name, times in counted.outcomes.by_name().items()]
        text = "Requests to Slack's addresses, by what became of them."
        yield counters("botfleet_gateway_requests_total", text, ("outcome",), outcomes)
        text = "Events, slash commands and interactive payloads with a good signature."
        yield counter("botfleet_gateway_received_total", text, counted.received)
        text = "Those of them that Slack sent again."
        yield counter("botfleet_gateway_retries_total", text, counted.retries)
        text = "Bots that were marked as dead: uninstalled, or their token revoked."
        yield counter("botfleet_gateway_deactivated_total", text, counted.deactivated)
