"""Turns to connect: never closer than the pace says, whoever takes them, and whatever the store does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest

from botfleet.errors import StoreError
from botfleet.holder.pace import NAME, SLACK, Pace
from botfleet.store import MemoryStore
from tests.waiting import eventually

#: Turns a second in most tests.
RATE = 100.0
#: So slow that a test which waits for a turn fails.
NEVER = 0.001
LOGGER = "botfleet.holder.pace"


class Turns(MemoryStore):
    """A store that counts the turns it gave, and can be silent or broken.

    Attributes:
        given: how many turns were asked for.
        answering: cleared, the store does not answer.
        late: how many of the next turns are over by a second when they are given.
    """

    def __init__(self) -> None:
        super().__init__(shards=1)
        self.given = 0
        self.answering = threading.Event()
        self.answering.set()
        self.broken = False
        self.late = 0

    def reserve(self, pace: str, rate: float) -> float:
        assert pace == NAME
        self.given += 1
        self.answering.wait(60.0)
        if self.broken:
            raise StoreError("a key of the wrong kind")
        self.late -= 1
        return super().reserve(pace, rate) - (self.late >= 0)


class Rig:
    """Paces over one store, as the holders of a fleet have them.

    Attributes:
        deaths: the threads that died.
    """

    def __init__(self) -> None:
        self.store = Turns()
        self.deaths: list[str] = []
        self._paces: list[Pace] = []

    def pace(self, rate: float = RATE) -> Pace:
        made = Pace(self.store, rate, lambda name, exc: self.deaths.append(name))
        made.start()
        self._paces.append(made)
        return made

    def close(self) -> None:
        self.store.answering.set()
        for pace in self._paces:
            pace.stop()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def always() -> bool:
    return True


def take(*paces: Pace, turns: int, threads: int = 4) -> float:
    """Takes so many turns of all paces together; returns the seconds that it took."""
    left = threading.Semaphore(turns)

    def work(pace: Pace) -> None:
        while left.acquire(blocking=False):
            assert pace.take(always)

    workers = [threading.Thread(target=work, args=(pace,)) for pace in paces for _ in range(threads)]
    began = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30.0)
        assert not worker.is_alive()
    return time.monotonic() - began


def least(turns: int, rate: float = RATE) -> float:
    """Seconds that so many turns take at the least; the first one is there at once."""
    return (turns - 1) * (1.0 + SLACK) / rate


def test_the_first_turn_comes_at_once(rig: Rig) -> None:
    assert take(rig.pace(NEVER), turns=1) < 5.0


@pytest.mark.parametrize("holders", [1, 3])
def test_a_fleet_takes_its_turns_no_faster_than_the_rate(rig: Rig, holders: int) -> None:
    paces = [rig.pace() for _ in range(holders)]
    took = take(*paces, turns=60)
    # A thread that the machine wakes late lets its turn go, and takes another one.
    given = rig.store.given
    assert 60 <= given < 90
    assert least(given) <= took < 10 * least(60)


def test_a_rate_of_nothing_is_no_limit(rig: Rig) -> None:
    rig.store.answering.clear()
    assert take(rig.pace(0.0), turns=1000) < 5.0
    assert rig.store.given == 0


def test_what_is_not_wanted_takes_no_turn(rig: Rig) -> None:
    pace = rig.pace(NEVER)
    assert not pace.take(lambda: False)
    assert rig.store.given == 0
    assert pace.take(always)


def test_what_is_not_wanted_any_more_when_its_turn_comes_is_not_done(rig: Rig) -> None:
    pace = rig.pace(10.0)
    assert pace.take(always)
    answers = iter([True, False])
    assert not pace.take(lambda: next(answers))
    assert rig.store.given == 2


def test_a_turn_that_is_missed_is_let_go(rig: Rig) -> None:
    rig.store.late = 3
    assert rig.pace().take(always)
    assert rig.store.given == 4


def test_what_is_not_wanted_any_more_takes_no_further_turn(rig: Rig) -> None:
    rig.store.late = 1
    answers = iter([True, False])
    assert not rig.pace().take(lambda: next(answers))
    assert rig.store.given == 1


def test_a_stop_ends_the_wait_for_a_turn(rig: Rig) -> None:
    pace = rig.pace(NEVER)
    assert pace.take(always)
    results: list[bool] = []
    waiting = [threading.Thread(target=lambda: results.append(pace.take(always))) for _ in range(3)]
    for one in waiting:
        one.start()
    eventually(lambda: rig.store.given == 4)
    pace.stop()
    for one in waiting:
        one.join(5.0)
    assert results == [False] * 3
    assert not pace.take(always)


class TestWithoutTheStore:
    def test_it_goes_on_at_the_same_rate_and_says_so_once(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        rig.store.down = True
        with caplog.at_level(logging.INFO, LOGGER):
            took = take(rig.pace(), turns=60)
        assert least(60) <= took < 10 * least(60)
        (record,) = caplog.records
        assert (record.levelname, record.action) == ("WARNING", "pace.alone")  # type: ignore[attr-defined]
        assert "87 bots a second" in record.getMessage()

    def test_it_is_asked_again_and_its_return_is_told(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        pace = rig.pace()
        rig.store.down = True
        with caplog.at_level(logging.INFO, LOGGER):
            take(pace, turns=5)
            rig.store.down = False
            eventually(lambda: pace.take(always) and len(caplog.records) == 2)
        assert [record.action for record in caplog.records] == ["pace.alone", "pace.fleet"]  # type: ignore[attr-defined]
        given = rig.store.given
        take(pace, turns=5)
        assert rig.store.given == given + 5

    def test_a_store_that_is_away_is_not_asked_for_each_turn(self, rig: Rig) -> None:
        rig.store.down = True
        took = take(rig.pace(), turns=60)
        assert rig.store.given <= 2 + took

    def test_a_silent_store_holds_nothing_up_for_long(
        self, rig: Rig, caplog: pytest.LogCaptureFixture
    ) -> None:
        pace = rig.pace()
        rig.store.answering.clear()
        with caplog.at_level(logging.INFO, LOGGER):
            assert least(60) <= take(pace, turns=60) < 10.0
            assert [record.action for record in caplog.records] == ["pace.alone"]  # type: ignore[attr-defined]
            rig.store.answering.set()
            eventually(lambda: pace.take(always) and len(caplog.records) == 2)

    def test_a_late_answer_brings_no_two_turns_together(self, rig: Rig) -> None:
        pace = rig.pace(2.0)
        rig.store.down = True
        assert pace.take(always)
        rig.store.down = False
        began = time.monotonic()
        assert pace.take(always)
        assert pace.take(always)
        assert time.monotonic() - began >= least(2, 2.0)

    def test_a_store_that_refuses_is_as_good_as_away(self, rig: Rig) -> None:
        rig.store.broken = True
        pace = rig.pace()
        assert pace.take(always)
        assert pace.take(always)
        assert rig.deaths == []
