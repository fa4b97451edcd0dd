"""Full jitter under a bound that doubles."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from botfleet.slack.backoff import Backoff


@given(
    base=st.floats(0.01, 10),
    cap=st.floats(10, 1000),
    chances=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=60),
    floor=st.floats(0, 500),
)
def test_each_delay_is_within_its_bound(base: float, cap: float, chances: list[float], floor: float) -> None:
    rolls = iter(chances)
    backoff = Backoff(base, cap, lambda: next(rolls))
    for failure in range(len(chances)):
        assert floor <= backoff.next(floor) <= floor + min(cap, base * 2**failure) + 1e-9


def test_it_never_gives_up_and_never_overflows() -> None:
    backoff = Backoff(1.0, 60.0, lambda: 1.0)
    assert [backoff.next() for _ in range(5000)][-1] == 60.0


def test_a_success_begins_anew() -> None:
    backoff = Backoff(1.0, 60.0, lambda: 0.5)
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert [backoff.next() for _ in range(3)] == [0.5, 1.0, 2.0]


def test_its_own_chance_differs() -> None:
    backoff = Backoff(1.0, 1.0)
    assert len({backoff.next() for _ in range(20)}) > 10
