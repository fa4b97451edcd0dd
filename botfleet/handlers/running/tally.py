"""What handlers' tasks count of themselves."""

from __future__ import annotations

from typing import Any

from ..tally import Tally
from .counters import failed_counter, retried_counter, runs_counter
from .retries import only_waits


class Counted:
    """Part of a handler's task: counts its runs.

    Attributes:
        tally: where they are counted; None counts nothing.
    """

    name: str
    tally: Tally | None = None

    def count_runs(self, events: int = 1) -> None:
        """Counts events that were handled well."""
        if self.tally is not None:
            self.tally.count(runs_counter(self.name), events)

    def count_retry(self, exc: BaseException | None) -> None:
        """Counts a run that is tried again, unless nothing failed and it only waits."""
        if self.tally is not None and exc is not None and not only_waits(exc):
            self.tally.count(retried_counter(self.name))

    def on_retry(self, exc: Exception | None, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Counts a run that is tried again."""
        self.count_retry(exc)


class CountedBatch(Counted):
    """The same for tasks of batches."""

    def on_success(self, retval: object, task_id: str, args: Any, kwargs: Any) -> None:
        """Counts the events of a run that ended well."""
        self.count_runs(len(args[0]))


class CountedOnce(Counted):
    """The same for tasks of one event, which is given up by itself."""

    def on_success(self, retval: object, task_id: str, args: Any, kwargs: Any) -> None:
        """Counts the event of a run that ended well."""
        self.count_runs()

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Counts an event that is not tried again."""
        if self.tally is not None:
            self.tally.count(failed_counter(self.name))
