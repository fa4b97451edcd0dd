"""Ticks: which timers are due now, each due time for one asker only.

The roles that run timers announce them in the store. Whoever runs a tick reads them there, reckons by the
store's clock, and takes what is due by compare and set. So ticks may come twice, late, or from two beats.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import NamedTuple

from ..model import Schedule, TimerState
from ..store.base import Store
from .schedules import latest_due, next_due

logger = logging.getLogger(__name__)

#: Beat's task that runs a tick, and seconds between two of them.
TICK_TASK = "botfleet.tick"
TICK = 1.0
#: The part of the time until the next due time for which a run is worth it.
_WORTH = 0.9
#: Seconds for which a timer is remembered that is not announced any more; more where it is seldom due.
_KEPT = 30 * 86_400.0
_PERIODS_KEPT = 3


class Due(NamedTuple):
    """A due time that is this process's to send.

    Attributes:
        schedule: what is to be run.
        due_at: since when it is due.
        sent_at: the time, by the store's clock.
        expires: seconds after which the run is not worth it any more: the next one is near.
        before: the state before this one; what `Ticker.give_back` goes back to.
    """

    schedule: Schedule
    due_at: float
    sent_at: float
    expires: float
    before: TimerState

    def as_json(self) -> dict[str, float | None]:
        """The argument of the timer's task."""
        return {"due_at": self.due_at, "sent_at": self.sent_at, "last_run": self.before.last_run}


class Ticker:
    """Takes due times.

    Args:
        store: where timers are announced and remembered.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self) -> Iterator[Due]:
        """Takes what is due now, one by one; what one caller got, no other will get.

        Raises:
            StoreUnavailable: the store is away; what was not taken stays due.
        """
        now, schedules = self._store.timetable()
        states = self._store.timer_states(list(schedules)) if schedules else {}
        for name, schedule in schedules.items():
            if (due := self._claim(schedule, states.get(name), now)) is not None:
                yield due

    def give_back(self, due: Due) -> None:
        """Makes a due time due again that could not be sent."""
        self._replace(due.schedule, _after(due), due.before, due.sent_at)

    def _claim(self, schedule: Schedule, state: TimerState | None, now: float) -> Due | None:
        try:
            if state is None or state.plan != schedule.plan:
                self._begin(schedule, state, now)
                return None
            due_at = latest_due(schedule, state.due_at, now)
            if due_at is None:
                return None
            due = Due(schedule, due_at, now, _WORTH * (next_due(schedule, due_at) - now), state)
            return due if self._replace(schedule, state, _after(due), now) else None
        except ValueError as exc:  # Of a newer release; it must not keep the others.
            logger.error("Timer %s is left out: %s", schedule.task, exc, extra={"action": "timer.unknown"})
            return None

    def _begin(self, schedule: Schedule, state: TimerState | None, now: float) -> None:
        """A new timer, or one with a new plan, is first due a period from now."""
        last_run = state.last_run if state else None
        self._replace(schedule, state, TimerState(plan=schedule.plan, due_at=now, last_run=last_run), now)

    def _replace(self, schedule: Schedule, old: TimerState | None, new: TimerState, now: float) -> bool:
        keep = max(_KEPT, _PERIODS_KEPT * (next_due(schedule, new.due_at) - now))
        return self._store.replace_timer(schedule.task, old, new, keep)


def _after(due: Due) -> TimerState:
    return TimerState(plan=due.schedule.plan, due_at=due.due_at, last_run=due.sent_at)
