"""The timers of a fleet in a test: run as the clock passes their due times, by a beat that is never late."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from msgspec import structs

from ..errors import UsageError
from ..model import Schedule
from ..store.base import Store
from ..timers.schedules import next_due
from ..timers.ticker import Ticker
from .clock import Clock

#: The group of the timers in the store.
_GROUP = "handler"
#: Runs in one move of the clock; more than that takes a test's time for nothing.
_MOST_RUNS = 1000
#: Seconds after a due time at which it is surely due, for all the rounding in between.
_SURELY = 1e-3

#: Runs a task: its name, its id, and its argument.
Run = Callable[[str, str, object], None]


class Timers:
    """Runs timers.

    Args:
        store: where they are announced and remembered.
        clock: moved from one due time to the next.
        run: runs a timer's task.
    """

    def __init__(self, store: Store, clock: Clock, run: Run) -> None:
        self._store = store
        self._clock = clock
        self._run = run
        self._ticker = Ticker(store)
        self._schedules: Sequence[Schedule] = ()

    def announce(self, schedules: Sequence[Schedule]) -> None:
        """Takes timers in place of those before; they are first due a period from now."""
        self._schedules = schedules
        self._store.put_timers(_GROUP, schedules, math.inf)
        self._tick()

    def pass_time(self, seconds: float) -> None:
        """Moves the clock, and runs what is due on the way, each at its time.

        Raises:
            UsageError: there would be too many runs.
        """
        until = self._clock() + seconds
        for _ in range(_MOST_RUNS):
            due = self._next_due()
            if due > until:
                self._clock.skip(max(0.0, until - self._clock()))
                return
            self._clock.skip(max(0.0, due + _SURELY - self._clock()))
            self._tick()
        raise UsageError(f"timers are due more than {_MOST_RUNS} times in {seconds:g} s; use clock.skip()")

    def run(self, name: str) -> None:
        """Runs a timer, due or not.

        Raises:
            UsageError: there is none of this name.
        """
        for one in self._schedules:
            if name in (one.task, one.task.rpartition(".")[2]):
                self._run_now(one.task)
                return
        known = ", ".join(one.task for one in self._schedules) or "none"
        raise UsageError(f"there is no timer {name!r}; takes one of {known}")

    def _run_now(self, task: str) -> None:
        self._tick()
        # Two runs of one moment would be taken for two tries of one run, which says nothing twice.
        self._clock.skip(_SURELY)
        state, now = self._store.timer_states([task])[task], self._clock()
        due = {"due_at": now, "sent_at": now, "last_run": state.last_run}
        self._store.replace_timer(task, state, structs.replace(state, last_run=now), math.inf)
        self._run(task, f"{task}:{now:.3f}", due)

    def _tick(self) -> None:
        for due in self._ticker.claim():
            self._run(due.schedule.task, f"{due.schedule.task}:{due.due_at:.3f}", due.as_json())

    def _next_due(self) -> float:
        """When the next timer is due; never, where there are none."""
        states = self._store.timer_states([one.task for one in self._schedules])
        # One that was forgotten begins anew with the next tick.
        dues = (
            next_due(one, states[one.task].due_at) if one.task in states else self._clock()
            for one in self._schedules
        )
        return min(dues, default=math.inf)
