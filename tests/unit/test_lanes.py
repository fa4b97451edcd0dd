"""Lanes: order within each, and turns between them."""

from __future__ import annotations

from collections import deque

import hypothesis.strategies as st
from hypothesis import given

from botfleet.model import Subscription
from botfleet.publishing.lanes import Lanes
from botfleet.publishing.outgoing import Outgoing

SUBSCRIPTION = Subscription(task="t", types=("*",))


def unit(name: object, size: int = 10) -> Outgoing:
    return Outgoing(str(name), b"x" * size, 1.0, "q", (SUBSCRIPTION,))


def test_one_event_of_another_bot_does_not_wait_for_a_flood() -> None:
    lanes = Lanes()
    for number in range(10_000):
        lanes.put("T1", unit(number))
    lanes.put("T2", unit("other"))
    assert "other" in [one.id for one in lanes.take(100, 10**6) if isinstance(one, Outgoing)]


def test_a_batch_is_bounded_in_bytes() -> None:
    lanes = Lanes()
    for number in range(10):
        lanes.put("T1", unit(number, size=1000))
    assert len(lanes.take(100, 2500)) == 3
    assert len(lanes) == 7


@given(
    st.lists(st.one_of(st.sampled_from("abc"), st.integers(1, 50)), max_size=200),
)
def test_nothing_is_lost_and_each_lane_keeps_its_order(steps: list[str | int]) -> None:
    lanes = Lanes()
    expected: dict[str, deque[str]] = {name: deque() for name in "abc"}
    for number, step in enumerate(steps):
        if isinstance(step, str):
            lanes.put(step, unit(f"{step}{number}"))
            expected[step].append(f"{step}{number}")
            continue
        for taken in lanes.take(step, 10**6):
            assert isinstance(taken, Outgoing)
            assert taken.id == expected[taken.id[0]].popleft()
    assert len(lanes) == sum(map(len, expected.values()))
