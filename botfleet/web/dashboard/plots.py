"""Plots of the last hour: what is drawn, and the same in words. Drawings stretch to the width there is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ...model import SAMPLE_EVERY, Sample
from ..wording import figure, whole

#: Seconds that a plot shows, and those that a row of the table does.
SPAN = 3600.0
_ROW = 300.0
#: The drawing's own units.
WIDTH, HEIGHT = 600, 100
#: Seconds without a sample after which a curve is broken.
_GAP = 3.5 * SAMPLE_EVERY
#: Seconds that failures are counted over.
_MINUTE = 60.0

Point = tuple[float, float]


class Plot(NamedTuple):
    """A plot.

    Attributes:
        name: what it shows.
        tone: a class of the style sheet.
        curves, areas: paths of SVG, within `WIDTH` and `HEIGHT`.
        top: what the upper edge stands for.
        now: the newest value.
        words: the plot for who does not see it.
    """

    name: str
    tone: str
    curves: list[str]
    areas: list[str]
    top: str
    now: str
    words: str


class Row(NamedTuple):
    """Five minutes of the last hour.

    Attributes:
        at: their begin, unix seconds.
        rate: events a second, the mean.
        connected: bots, at the end.
        waiting: messages, the most.
        failed: events that handlers gave up.
    """

    at: float
    rate: float
    connected: int
    waiting: int
    failed: int


def plots_of(samples: Sequence[Sample]) -> list[Plot]:
    """The plots of the last hour; empty without samples, the oldest of which comes first."""
    if not samples:
        return []
    end = samples[-1].at
    shown = [one for one in samples if one.at > end - SPAN]
    return [
        _plot("Events a second", "", [(one.at, one.rate) for one in shown], end, figure),
        _plot("Bots connected", "good", [(one.at, _connected(one)) for one in shown], end, whole),
        _plot("Messages waiting", "wait", [(one.at, _waiting(one)) for one in shown], end, whole),
        _plot("Failures a minute", "bad", list(_failures(shown)), end, whole),
    ]


def rows_of(samples: Sequence[Sample]) -> list[Row]:
    """The last hour in figures, five minutes a row, the newest first."""
    groups: dict[float, list[Sample]] = {}
    for one in samples:
        groups.setdefault(one.at // _ROW * _ROW, []).append(one)
    rows, before = [], samples[0].failed if samples else 0
    for at, group in groups.items():
        rows.append(
            Row(
                at=at,
                rate=sum(one.rate for one in group) / len(group),
                connected=_connected(group[-1]),
                waiting=max(map(_waiting, group)),
                failed=max(0, group[-1].failed - before),
            )
        )
        before = group[-1].failed
    return rows[::-1]


def _connected(sample: Sample) -> int:
    return sample.bots.get("connected", 0)


def _waiting(sample: Sample) -> int:
    return sum(sample.queues.values())


def _failures(samples: Sequence[Sample]) -> Iterator[Point]:
    """How many events were given up in the minute before each sample."""
    first = 0
    for one in samples:
        while samples[first].at < one.at - _MINUTE:
            first += 1
        # A store that was emptied meanwhile counts from 0 again.
        yield one.at, max(0, one.failed - samples[first].failed)


def _plot(name: str, tone: str, points: Sequence[Point], end: float, say: Callable[[float], str]) -> Plot:
    values = [value for _, value in points]
    top = round_up(max(values))
    runs = [[_place(point, end, top) for point in run] for run in _unbroken(points)]
    return Plot(
        name=name,
        tone=tone,
        curves=[_curve(run) for run in runs],
        areas=[f"{_curve(run)}V{HEIGHT}H{run[0][0]:.1f}Z" for run in runs],
        top=say(top),
        now=say(values[-1]),
        words=f"{name} over the last hour: now {say(values[-1])}, "
        f"between {say(min(values))} and {say(max(values))}.",
    )


def round_up(value: float) -> float:
    """The next round number that is not below a value; 1 at least.

    >>> round_up(0), round_up(3.2), round_up(50), round_up(1201)
    (1.0, 4.0, 50.0, 1500.0)
    """
    if value <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value)


def _place(point: Point, end: float, top: float) -> Point:
    at, value = point
    return WIDTH * (1 - (end - at) / SPAN), HEIGHT * (1 - value / top)


def _unbroken(points: Sequence[Point]) -> list[list[Point]]:
    runs = [[points[0]]]
    for before, after in pairwise(points):
        if after[0] - before[0] > _GAP:
            runs.append([])
        runs[-1].append(after)
    return runs


def _curve(run: Sequence[Point]) -> str:
    # The first point twice, for a run of one: its round end is a dot.
    (x, y), *_ = run
    return f"M{x:.1f} {y:.1f}" + "".join(f"L{x:.1f} {y:.1f}" for x, y in run)
