"""What each process tells of itself."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric

from .. import __version__
from .families import gauges


class ProcessMetrics:
    """Which release runs here, as what, and what it costs: CPU, memory, open files.

    Args:
        role: what the process was started as.
    """

    def __init__(self, role: str) -> None:
        self._role = role
        # Without a registry: this class is what is asked.
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterable[Metric]:
        """The metrics, as they are now."""
        labels = (__version__, platform.python_version(), self._role)
        yield gauges(
            "botfleet_build_info",
            "Which botfleet runs here, on which Python, and as what; always 1.",
            ("version", "python", "role"),
            [(labels, 1)],
        )
        yield from self._process.collect()
