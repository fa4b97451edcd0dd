"""What a worker says of its timers, for as long as it runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from botfleet.model import Schedule
from botfleet.settings import Settings
from botfleet.steps import Announcer
from botfleet.store import MemoryStore
from tests.fleets import FakeClock
from tests.waiting import eventually

MINUTELY = Schedule(task="tasks.minutely", seconds=60)


def announcer(store: MemoryStore, *schedules: Schedule) -> Announcer:
    app: Any = SimpleNamespace(settings=Settings(check_interval=0.5), fleet=SimpleNamespace(store=store))
    return Announcer(app, "handler", [], list(schedules))


def test_timers_are_announced_kept_and_announced_again_where_they_were_lost() -> None:
    clock = FakeClock()
    store = MemoryStore(1, clock)
    worker = announcer(store, MINUTELY)
    worker.start()
    try:
        for _ in range(2):
            eventually(lambda: store.timetable().schedules == {MINUTELY.task: MINUTELY})
            clock.now += 10
            # Not forgotten after 15 s, for it is kept; and back, should it be.
            eventually(lambda: store._timers["handler"][1] == clock.now + 15)
            clock.now += 20
            store.timetable()
    finally:
        worker.stop()


def test_a_role_without_timers_takes_its_former_ones_back() -> None:
    store = MemoryStore(1)
    store.put_timers("handler", [MINUTELY], 30)
    worker = announcer(store)
    worker.start()
    try:
        eventually(lambda: store.timetable().schedules == {})
    finally:
        worker.stop()
