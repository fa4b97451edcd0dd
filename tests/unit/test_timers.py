"""Ticks over a store whose clock is moved by hand: what is due, once, and what is remembered."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime

import pytest

from botfleet.errors import StoreUnavailable
from botfleet.model import Schedule
from botfleet.store import MemoryStore
from botfleet.timers.ticker import Ticker
from tests.fleets import NOW, FakeClock

MINUTELY = Schedule(task="tasks.minutely", seconds=60)
MORNING = Schedule(task="tasks.morning", cron="0 9 * * *")


class World:
    """A store, and a role that announces timers."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(4, self.clock)
        self.ticker = Ticker(self.store)

    def announce(self, *schedules: Schedule, group: str = "handler") -> None:
        self.store.put_timers(group, schedules, 1e9)

    def run(self, seconds: float, step: float = 1.0) -> list[tuple[str, float]]:
        """Ticks for some time; what was due, and how long after the start."""
        found, end = [], self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now += step
            found += self.tick()
        return found

    def tick(self) -> list[tuple[str, float]]:
        return [(due.schedule.task.partition(".")[2], due.due_at - NOW) for due in self.ticker.claim()]


@pytest.fixture
def world() -> World:
    return World()


def test_a_timer_is_due_a_period_after_it_was_first_seen_and_then_each_period(world: World) -> None:
    world.announce(MINUTELY)
    assert world.tick() == []
    assert world.run(185) == [("minutely", 60.0), ("minutely", 120.0), ("minutely", 180.0)]


def test_ticks_that_come_late_do_not_shift_it(world: World) -> None:
    world.announce(MINUTELY)
    world.tick()
    assert world.run(250, step=7) == [("minutely", at) for at in (60.0, 120.0, 180.0, 240.0)]


def test_what_was_missed_is_made_up_for_once(world: World) -> None:
    world.announce(MINUTELY, MORNING)
    world.tick()
    world.clock.now += 7 * 86_400 + 30
    assert sorted(world.tick()) == [("minutely", 604_800.0), ("morning", at(7, 9))]
    assert world.run(29) == []
    assert world.run(1) == [("minutely", 604_860.0)]


def at(days: int, hour: int) -> float:
    """Seconds from the start (22:13:20 UTC) to an hour of the last day that had it."""
    start = datetime.fromtimestamp(NOW).astimezone().timestamp()
    return (start // 86_400 + days) * 86_400 + hour * 3600 - start


def test_a_plan_that_changed_begins_anew(world: World) -> None:
    world.announce(MINUTELY)
    world.tick()
    world.run(60)
    world.announce(Schedule(task=MINUTELY.task, seconds=3600))
    # Under the old plan it would have been due by now, under the new one counted from then, too.
    world.clock.now += 5000
    assert world.tick() == []
    assert world.run(3600, step=100) == [("minutely", 60 + 5000 + 3600.0)]


def test_the_last_run_is_the_one_before(world: World) -> None:
    world.announce(MINUTELY)
    world.tick()
    runs = []
    for _ in range(3):
        world.clock.now += 61
        runs += [due.as_json() for due in world.ticker.claim()]
    assert [one["last_run"] for one in runs] == [None, NOW + 61, NOW + 122]
    assert [one["sent_at"] for one in runs] == [NOW + 61, NOW + 122, NOW + 183]
    assert json.loads(json.dumps(runs)) == runs


def test_a_run_is_worth_it_until_shortly_before_the_next(world: World) -> None:
    world.announce(MINUTELY)
    world.tick()
    world.clock.now += 60 + 10
    (due,) = world.ticker.claim()
    assert due.expires == pytest.approx(0.9 * 50)


def test_a_timer_of_two_roles_is_due_once(world: World) -> None:
    world.announce(MINUTELY)
    world.announce(MINUTELY, group="analytics")
    world.tick()
    assert world.run(60) == [("minutely", 60.0)]


def test_two_tickers_share(world: World) -> None:
    world.announce(MINUTELY)
    world.tick()
    world.clock.now += 60
    assert [len(list(Ticker(world.store).claim())) for _ in range(3)] == [1, 0, 0]


def test_a_role_that_is_gone_has_no_timers_and_one_that_comes_back_makes_up_for_one(world: World) -> None:
    world.store.put_timers("handler", [MINUTELY], 15.0)
    world.tick()
    assert world.run(300) == []
    world.announce(MINUTELY)
    assert world.tick() == [("minutely", 300.0)]


def test_a_timer_that_nobody_has_any_more_is_forgotten_in_the_end(world: World) -> None:
    world.announce(MINUTELY)
    world.tick()
    world.store.remember(MINUTELY.task, "seen", b"1")
    world.announce()
    world.clock.now += 31 * 86_400
    assert world.store.timer_states([MINUTELY.task]) == {}
    assert world.store.memory(MINUTELY.task) == {}


def test_one_that_is_seldom_due_is_remembered_for_longer(world: World) -> None:
    world.announce(Schedule(task="t", cron="0 0 1 1 *"))
    world.tick()
    assert len(world.run(60 * 86_400, step=6 * 3600)) == 1
    world.clock.now += 360 * 86_400
    assert "t" in world.store.timer_states(["t"])


@pytest.mark.parametrize(
    "odd",
    [
        Schedule(task="tasks.odd"),
        Schedule(task="tasks.odd", cron="whenever"),
        Schedule(task="tasks.odd", cron="0 9 * * *", timezone="Europe/Atlantis"),
    ],
)
def test_one_that_can_not_be_reckoned_hinders_no_other(
    world: World, odd: Schedule, caplog: pytest.LogCaptureFixture
) -> None:
    world.announce(odd, MINUTELY)
    with caplog.at_level(logging.ERROR):
        world.tick()
        assert world.run(60) == [("minutely", 60.0)]
    assert "tasks.odd is left out" in caplog.text


def test_a_store_that_is_away_forgets_nothing(world: World) -> None:
    world.announce(MINUTELY)
    world.tick()
    world.clock.now += 60
    world.store.down = True
    with pytest.raises(StoreUnavailable):
        world.tick()
    world.store.down = False
    assert world.tick() == [("minutely", 60.0)]


def test_without_timers_a_tick_asks_the_store_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    monkeypatch.setattr(world.store, "timer_states", asked.append)
    assert world.tick() == []
    assert asked == []
