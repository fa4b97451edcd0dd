"""A port where a worker says whether it is well, if the setting `health_port` asks for one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from celery import bootsteps
from celery.worker import state
from prometheus_client.core import Metric

from .errors import ConfigurationError
from .holder.threads import WatchedThread
from .monitoring.families import Collector, counters, gauge
from .monitoring.holders import HolderMetrics
from .monitoring.process import ProcessMetrics
from .monitoring.publishers import PublisherMetrics
from .monitoring.readiness import Check, Readiness, answering
from .monitoring.server import HealthServer
from .worker_state import not_consuming, stop_worker

if TYPE_CHECKING:
    from .celery import FleetApp

_POOL = "celery.worker.components:Pool"


class HealthStep(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Serves `/healthz`, `/readyz` and `/metrics`, from before the worker's own work to after it."""

    requires = (_POOL,)

    def include_if(self, worker: Any) -> bool:
        return worker.app.role is not None and bool(worker.app.settings.health_port)

    def create(self, worker: Any) -> WorkerHealth:
        try:
            return WorkerHealth(worker)
        except ConfigurationError as exc:
            raise click.ClickException(str(exc)) from exc


class WorkerHealth:
    """How a worker is, for those who ask on its port.

    Args:
        worker: Celery's.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        app: FleetApp = worker.app
        settings = app.settings
        checks: dict[str, Check] = {
            "store": answering(app.fleet.store.ping),
            "broker": answering(app.depths.ping),
            "tasks": lambda: not_consuming(worker),
        }
        if app.role is not None and app.role.holds:
            checks["holder"] = lambda: self._holder.unready if self._holder is not None else "not started yet"
        self._metrics: list[Collector] = [
            ProcessMetrics(app.role.name if app.role else "worker"),
            TaskMetrics(worker),
        ]
        self._server = HealthServer(
            settings.health_host, settings.health_port, self._trouble, Readiness(checks), self._collectors
        )
        self._thread = WatchedThread("health", self._server.run, stop_worker)

    def start(self, worker: Any = None) -> None:
        """Begins to answer; returns at once."""
        self._thread.start()

    def stop(self, worker: Any = None) -> None:
        """Answers no more."""
        if self._thread.is_alive():
            self._server.close()

    @property
    def _holder(self) -> Any:
        return getattr(self._worker, "botfleet_holder", None)

    def _trouble(self) -> str:
        return self._holder.trouble if self._holder is not None else ""

    def _collectors(self) -> list[Collector]:
        collectors = [*self._metrics]
        if (holder := self._holder) is not None:
            collectors += [HolderMetrics(holder.info), PublisherMetrics(holder.publisher)]
        return collectors


class TaskMetrics:
    """What the worker's own process knows of its tasks; what became of them, the fleet's metrics tell.

    Args:
        worker: Celery's.
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    def collect(self) -> Iterable[Metric]:
        """The metrics, as they are now."""
        accepted = [((name,), times) for name, times in state.total_count.copy().items()]
        yield counters("botfleet_worker_tasks_total", "Tasks that were begun, by name.", ("task",), accepted)
        yield gauge("botfleet_worker_tasks_active", "Tasks under way.", len(state.active_requests))
        fetched = len(state.reserved_requests)
        yield gauge("botfleet_worker_tasks_reserved", "Tasks fetched and not yet done.", fetched)
        text = "Tasks that the pool runs at a time."
        yield gauge("botfleet_worker_concurrency", text, float(self._worker.concurrency or 0))
