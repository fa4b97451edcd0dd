"""The benchmarks, a module each; `run` in it measures and returns a report."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ..report import Report

#: By name: the module beside this one, in the order in which `all` runs them.
CASES = {
    "ingest": "ingest",
    "ingest-filtered": "ingest_filtered",
    "density": "density",
    "idle": "idle",
    "latency": "latency",
    "fairness": "fairness",
    "handle": "handle",
    "handle-batch": "handle_batch",
    "gateway": "gateway",
    "connect": "connect",
    "reconcile": "reconcile",
    "growth": "growth",
    "simulate": "simulate",
    "failover": "failover",
    "stages": "stages",
}


@dataclass(frozen=True)
class Options:
    """How a benchmark is run.

    Attributes:
        quick: smaller, in under 40 seconds.
        rounds: how often; None takes the benchmark's own number.
    """

    quick: bool = False
    rounds: int | None = None

    def times(self, usual: int = 3) -> range:
        """The rounds."""
        return range(self.rounds or usual)

    def size(self, usual: int, quick: int) -> int:
        """A number that is smaller for a quick run."""
        return quick if self.quick else usual

    def say(self, text: str) -> None:
        """Says on standard error what is going on."""
        print(f"  … {text}", file=sys.stderr, flush=True)


def find(name: str) -> Callable[[Options], Report]:
    """The `run` of a benchmark."""
    module = importlib.import_module(f"{__name__}.{CASES[name]}")
    run: Callable[[Options], Report] = module.run
    return run


def title_of(name: str) -> str:
    """What a benchmark measures, one line."""
    module = importlib.import_module(f"{__name__}.{CASES[name]}")
    return str(module.TITLE)
