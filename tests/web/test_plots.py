"""What the plots of the last hour draw, and the same in words."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from botfleet.model import Sample
from botfleet.web.dashboard.plots import HEIGHT, WIDTH, plots_of, round_up, rows_of

END = 7200.0


def sample(before: float, **fields: object) -> Sample:
    return Sample(at=END - before, **fields)  # type: ignore[arg-type]


def test_without_samples_there_is_nothing_to_draw() -> None:
    assert plots_of([]) == []
    assert rows_of([]) == []


def test_one_sample_is_a_dot_at_the_right_edge() -> None:
    rate, *_ = plots_of([sample(0, rate=1.0)])
    assert rate.curves == ["M600.0 0.0L600.0 0.0"]
    assert (rate.top, rate.now) == ("1", "1")


def test_a_curve_is_broken_where_nobody_took_samples() -> None:
    rate, *_ = plots_of([sample(100, rate=1), sample(90, rate=1), sample(40, rate=1), sample(30, rate=1)])
    assert len(rate.curves) == len(rate.areas) == 2


def test_what_is_older_than_an_hour_is_left_out() -> None:
    _, connected, *_ = plots_of([sample(3601, bots={"connected": 900}), sample(0, bots={"connected": 3})])
    assert connected.words == "Bots connected over the last hour: now 3, between 3 and 3."


def test_failures_are_those_of_a_minute_even_if_the_store_was_emptied() -> None:
    counts = [5, 5, 6, 6, 9, 9, 9, 9, 0, 2]
    samples = [sample(90 - 10 * n, failed=count) for n, count in enumerate(counts)]
    *_, failures = plots_of(samples)
    assert failures.words == "Failures a minute over the last hour: now 0, between 0 and 4."


def test_the_hour_in_rows_of_five_minutes() -> None:
    samples = [
        sample(700, rate=1.0, failed=3, queues={"a": 5}),
        sample(310, rate=2.0, failed=4, queues={"a": 1, "b": 1}, bots={"connected": 1}),
        sample(301, rate=4.0, failed=6, bots={"connected": 2}),
        sample(0, rate=8.0, failed=6),
    ]
    newest, middle, oldest = rows_of(samples)
    assert (newest.at, newest.rate, newest.failed) == (END, 8.0, 0)
    assert (middle.rate, middle.connected, middle.waiting, middle.failed) == (3.0, 2, 2, 3)
    assert (oldest.waiting, oldest.failed) == (5, 0)


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0, 1e9)), min_size=1, max_size=30))
def test_nothing_is_drawn_outside(points: list[tuple[float, float]]) -> None:
    samples = [sample(before, rate=rate) for before, rate in sorted(points, reverse=True)]
    for plot in plots_of(samples):
        for x, y in re.findall(r"[ML](\S+) (\S+?)(?=[ML]|$)", "".join(plot.curves)):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT


@given(st.floats(0, 1e12))
def test_the_upper_edge_is_near(value: float) -> None:
    assert value <= round_up(value) <= max(1.0, value * 2)
