"""Plots as SVG, without a library: bars with rounds and goals, and lines; readable in light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from .report import Curve, shown

_WIDTH = 860
_LEFT = 330
_RIGHT = 90
_TOP = 44
_ROW = 26
_BOTTOM = 52
_STYLE = """
  text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px } .faint { fill: #59636e; font-size: 12px }
  .ground { fill: #ffffff } .grid { stroke: #d1d9e0; stroke-width: 1 } .ours { fill: #0969da }
  .peer { fill: #9aa4ae } .round { fill: #ffffff; stroke: #1f2328; stroke-width: 1 }
  .goal { stroke: #cf222e; stroke-width: 2; stroke-dasharray: 3 2 }
  .line { fill: none; stroke-width: 2 } .c0 { stroke: #0969da } .c1 { stroke: #bc4c00 }
  .c2 { stroke: #1a7f37 } .c3 { stroke: #8250df } .f0 { fill: #0969da } .f1 { fill: #bc4c00 }
  .f2 { fill: #1a7f37 } .f3 { fill: #8250df }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .faint { fill: #9198a1 } .ground { fill: #0d1117 } .grid { stroke: #30363d }
    .ours { fill: #4493f8 } .peer { fill: #656c76 } .round { fill: #0d1117; stroke: #e6edf3 }
    .goal { stroke: #f85149 } .c0 { stroke: #4493f8 } .c1 { stroke: #f0883e } .c2 { stroke: #3fb950 }
    .c3 { stroke: #ab7df8 } .f0 { fill: #4493f8 } .f1 { fill: #f0883e } .f2 { fill: #3fb950 }
    .f3 { fill: #ab7df8 }
  }
"""


class Bar(NamedTuple):
    """One row of a bar plot."""

    label: str
    value: float
    #: What each round gave.
    rounds: Sequence[float]
    #: Ours, or a peer's.
    ours: bool
    #: The bound that the value must keep; None without one.
    goal: float | None = None


def ticks(highest: float, wanted: int = 5) -> list[float]:
    """Round numbers from 0 to at least `highest`.

    >>> ticks(43.0)
    [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    """
    if highest <= 0:
        return [0.0, 1.0]
    raw = highest / wanted
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= raw * 0.999)
    count = math.ceil(highest / step - 1e-9)
    return [float(f"{n * step:.12g}") for n in range(count + 1)]


def decades(lowest: float, highest: float) -> list[float]:
    """Powers of ten around two numbers.

    >>> decades(3.0, 250.0)
    [1.0, 10.0, 100.0, 1000.0]
    """
    first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(highest) - 1e-9)
    return [10.0**n for n in range(first, max(last, first + 1) + 1)]


class Axis:
    """Where a value lies on the page."""

    def __init__(self, marks: Sequence[float], begin: float, end: float, logarithmic: bool = False) -> None:
        self.marks = marks
        self._begin, self._end = begin, end
        self._logarithmic = logarithmic

    def __call__(self, value: float) -> float:
        low, high, value = self.marks[0], self.marks[-1], max(value, self.marks[0])
        if self._logarithmic:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self._begin + (self._end - self._begin) * (value - low) / (high - low)


def bars(title: str, unit: str, rows: Sequence[Bar]) -> str:
    """A horizontal bar for each row; a ring for each round, a dashed line where the goal is."""
    marks = ticks(max(max(row.value, row.goal or 0.0, *row.rounds) for row in rows))
    height = _TOP + _ROW * len(rows) + _BOTTOM
    bottom = height - _BOTTOM
    x = Axis(marks, _LEFT, _WIDTH - _RIGHT)
    parts = _frame(title, height)
    for mark in marks:
        parts.append(_grid(x(mark), _TOP - 6, x(mark), bottom))
        parts.append(_text(x(mark), bottom + 17, shown(mark), "faint", "middle"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, bottom + 37, unit, "faint", "middle"))
    for number, row in enumerate(rows):
        parts += _bar(row, _TOP + _ROW * number, x)
    return _whole(parts, height, title)


def _bar(row: Bar, top: float, x: Axis) -> list[str]:
    middle, kind = top + _ROW / 2, "ours" if row.ours else "peer"
    width = max(1.0, x(row.value) - _LEFT)
    parts = [
        _text(_LEFT - 8, middle + 4, row.label, "", "end"),
        f'<rect class="{kind}" x="{_LEFT}" y="{top + 5:.1f}" width="{width:.1f}" height="{_ROW - 10}"/>',
    ]
    if len(row.rounds) > 1:
        parts += [f'<circle class="round" cx="{x(one):.1f}" cy="{middle:.1f}" r="3"/>' for one in row.rounds]
    if row.goal is not None:
        at = x(row.goal)
        parts.append(
            f'<line class="goal" x1="{at:.1f}" y1="{top + 1:.1f}" x2="{at:.1f}" y2="{top + _ROW - 1:.1f}"/>'
        )
    end = max(x(row.value), *map(x, row.rounds)) + 8
    if row.goal is not None and -8 < x(row.goal) - end < 70:
        end = x(row.goal) + 8
    parts.append(_text(end, middle + 4, shown(row.value), "", "start"))
    return parts


def lines(curve: Curve) -> str:
    """A line for each of a curve's series, with a legend."""
    left, height, plot_bottom = 80, 380, 310
    xs = [x for points in curve.points.values() for x, _ in points]
    ys = [y for points in curve.points.values() for _, y in points]
    marks = decades(min(xs), max(xs)) if curve.logarithmic else ticks(max(xs))
    across = Axis(marks, left, _WIDTH - 30, curve.logarithmic)
    top = _TOP + 16
    up = Axis(ticks(max(ys)), plot_bottom, top)
    parts = _frame(curve.title, height)
    for mark in across.marks:
        parts.append(_grid(across(mark), top, across(mark), plot_bottom))
        parts.append(_text(across(mark), plot_bottom + 17, shown(mark), "faint", "middle"))
    for mark in up.marks:
        parts.append(_grid(left, up(mark), _WIDTH - 30, up(mark)))
        parts.append(_text(left - 8, up(mark) + 4, shown(mark), "faint", "end"))
    parts.append(_text((left + _WIDTH) / 2, plot_bottom + 36, curve.x_label, "faint", "middle"))
    parts.append(_text(left, top - 8, curve.y_label, "faint", "start"))
    place = float(left)
    for number, (name, points) in enumerate(curve.points.items()):
        parts += _line(points, number % 4, across, up)
        parts.append(
            f'<rect class="f{number % 4}" x="{place:.0f}" y="{height - 21}" width="11" height="11"/>'
        )
        parts.append(_text(place + 16, height - 11, name, "", "start"))
        place += 40 + 7.2 * len(name)
    return _whole(parts, height, curve.title)


def _line(points: Sequence[tuple[float, float]], color: int, across: Axis, up: Axis) -> list[str]:
    places = [(across(x), up(y)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline class="line c{color}" points="{path}"/>']
    if len(places) <= 10:
        parts += [f'<circle class="f{color}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in places]
    return parts


def _frame(title: str, height: float) -> list[str]:
    return [
        f'<rect class="ground" width="{_WIDTH}" height="{height}" rx="6"/>',
        _text(16, 24, title, "title", "start"),
    ]


def _grid(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _whole(parts: Sequence[str], height: float, title: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" role="img" aria-label={_quoted(title)}>'
    )
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>", ""])


def _quoted(text: str) -> str:
    return '"' + escape(text, {'"': "&quot;"}) + '"'
