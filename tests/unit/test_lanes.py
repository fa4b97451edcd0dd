"""Lanes: order within each, and turns between them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
from hypothesis import given

from botfleet.model import Subscription
from botfleet.publishing.lanes import Lanes
from botfleet.publishing.outgoing import Bundle, Outgoing

SUBSCRIPTION = Subscription(task="t", types=("*",))


def unit(name: object, size: int = 10, lane: str = "", handlers: int = 1) -> Outgoing:
    return Outgoing(str(name), b"x" * size, 1.0, "q", (SUBSCRIPTION,) * handlers, lane)


def names(taken: list[Outgoing | Bundle]) -> list[str]:
    return [one.id for one in taken if isinstance(one, Outgoing)]


@dataclass
class Clock:
    """A clock that stands still until somebody moves it."""

    now: float = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("handlers", [1, 10])
def test_one_event_of_another_bot_does_not_wait_for_a_flood(handlers: int) -> None:
    lanes = Lanes()
    for number in range(10_000):
        lanes.put("T1", unit(number, handlers=handlers))
    lanes.put("T2", unit("other"))
    assert "other" in [one.id for one in lanes.take(100, 10**6) if isinstance(one, Outgoing)]


def test_a_batch_is_bounded_in_bytes() -> None:
    lanes = Lanes()
    for number in range(10):
        lanes.put("T1", unit(number, size=1000))
    assert len(lanes.take(100, 2500)) == 3
    assert len(lanes) == 7


def test_a_batch_is_bounded_in_messages() -> None:
    lanes = Lanes()
    for number in range(100):
        lanes.put("T1", unit(number, handlers=8))
    assert len(lanes.take(100, 10**6)) == 13


def test_a_bundle_that_is_given_back_counts_its_events() -> None:
    lanes = Lanes(Clock())
    bundle = Bundle(SUBSCRIPTION, "q", (unit("a"), unit("b")))
    lanes.give_back([bundle], 5.0)
    assert len(lanes) == 2
    assert lanes.take(1, 10**6, all_of_them=True) == [bundle]
    assert len(lanes) == 0


def test_what_is_given_back_comes_first_when_its_lane_has_paused() -> None:
    clock = Clock()
    lanes = Lanes(clock)
    for name in ("a1", "b1", "a2", "a3", "b2"):
        lanes.put(name[0], unit(name, lane=name[0]))
    taken = lanes.take(4, 10**6)
    assert names(taken) == ["a1", "a2", "a3", "b1"]
    lanes.give_back([taken[1], taken[2]], 5.0)
    lanes.put("a", unit("a4", lane="a"))
    assert (len(lanes), lanes.due()) == (4, 0.0)
    assert names(lanes.take(10, 10**6)) == ["b2"], "nothing of a lane that pauses"
    assert (len(lanes), lanes.due()) == (3, 5.0)
    clock.now += 5.0
    assert lanes.due() == 0.0
    assert names(lanes.take(10, 10**6)) == ["a2", "a3", "a4"]
    assert (len(lanes), lanes.due()) == (0, None)


def test_all_of_them_is_all_of_them() -> None:
    lanes = Lanes(Clock())
    lanes.put("b", unit("b1", lane="b"))
    lanes.give_back([unit("a1", lane="a")], 5.0)
    lanes.give_back([], 5.0)
    assert names(lanes.take(10, 10**6, all_of_them=True)) == ["b1", "a1"]


@given(
    st.lists(
        st.one_of(
            st.sampled_from("abc"),
            st.tuples(st.integers(1, 50), st.sets(st.sampled_from("abc"))),
            st.floats(0.0, 2.0),
        ),
        max_size=200,
    ),
)
def test_nothing_is_lost_and_each_lane_keeps_its_order(
    steps: list[str | tuple[int, set[str]] | float],
) -> None:
    """Units come, are taken, and given back from one on in some lanes; time passes."""
    clock = Clock()
    lanes = Lanes(clock)
    expected: dict[str, deque[str]] = {name: deque() for name in "abc"}
    for number, step in enumerate(steps):
        if isinstance(step, str):
            lanes.put(step, unit(f"{step}{number}", lane=step))
            expected[step].append(f"{step}{number}")
        elif isinstance(step, float):
            clock.now += step
        else:
            most, given_back = step
            taken = lanes.take(most, 10**6)
            lanes.give_back([one for one in taken if one.lane in given_back], 1.0)
            for one in taken:
                if one.lane not in given_back:
                    assert isinstance(one, Outgoing)
                    assert one.id == expected[one.lane].popleft()
        assert len(lanes) == sum(map(len, expected.values()))
        assert (lanes.due() is None) == (len(lanes) == 0)
    for one in lanes.take(1000, 10**6, all_of_them=True):
        assert isinstance(one, Outgoing)
        assert one.id == expected[one.lane].popleft()
    assert not any(expected.values())
