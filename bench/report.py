"""What a benchmark found: figures over rounds, peers beside them, goals; as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from . import measure

#: How a machine reads the result is fixed: see `Report.as_json`.
_SUBJECT = "botfleet"


@dataclass
class Series:
    """One figure over the rounds."""

    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def value(self) -> float:
        """The median."""
        return measure.median(self.values)

    @property
    def spread(self) -> float:
        """See `measure.spread`."""
        return measure.spread(self.values)

    def as_json(self) -> dict[str, Any]:
        return {"value": rounded(self.value), "unit": self.unit}


@dataclass(frozen=True)
class Goal:
    """A bound that a figure must keep."""

    figure: str
    value: float
    #: Whether the bound is the least that is allowed, or the most.
    least: bool
    bound: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the figure keeps it."""
        return self.value >= self.bound if self.least else self.value <= self.bound

    @property
    def must(self) -> str:
        """The bound as text.

        >>> Goal("cpu", 3.0, False, 10.0, "%").must
        '<= 10 %'
        """
        return f"{'>=' if self.least else '<='} {self.bound:g} {self.unit}".strip()

    def as_json(self) -> dict[str, Any]:
        return {"figure": self.figure, "value": rounded(self.value), "must": self.must, "met": self.met}


@dataclass
class Curve:
    """Something over something else, for a plot only: `points` by the name of the line."""

    title: str
    x_label: str
    y_label: str
    points: dict[str, list[tuple[float, float]]]
    logarithmic: bool = False


class Report:
    """The result of one benchmark.

    Args:
        bench: its name.
        title: what was measured, one line.
    """

    def __init__(self, bench: str, title: str) -> None:
        self.bench = bench
        self.title = title
        self.machine = measure.machine()
        self.figures: dict[str, Series] = {}
        self.peers: dict[str, dict[str, Series]] = {}
        self.goals: list[Goal] = []
        #: Goals whose figure was not measured: the bound by the figure.
        self.unmeasured: dict[str, str] = {}
        self.notes: list[str] = []
        self.curves: list[Curve] = []

    @property
    def rounds(self) -> int:
        """How often the figure with the most rounds was measured."""
        return max((len(one.values) for one in self.figures.values()), default=0)

    @property
    def met(self) -> bool:
        """Whether all goals are met."""
        return all(goal.met for goal in self.goals)

    def add(self, figure: str, unit: str, value: float) -> None:
        """Adds one round's value of a figure."""
        self.figures.setdefault(figure, Series(unit)).values.append(value)

    def add_peer(self, peer: str, figure: str, unit: str, value: float) -> None:
        """Adds one round's value of a peer's figure."""
        self.peers.setdefault(peer, {}).setdefault(figure, Series(unit)).values.append(value)

    def value(self, figure: str) -> float:
        """A figure's median."""
        return self.figures[figure].value

    def ratio(self, figure: str, peer: str, peer_figure: str | None = None) -> float:
        """Our median over a peer's; kept as a figure of its own, where the peer's is not 0."""
        of_peer = self.peers[peer][peer_figure or figure].value
        if not of_peer:
            self.note(f"{peer}: its {figure} is 0, so there is no ratio")
            return math.inf
        ratio = self.value(figure) / of_peer
        self.figures[f"{figure}, over {peer}"] = Series("x", [ratio])
        return ratio

    def at_least(self, figure: str, bound: float, value: float | None = None) -> None:
        """States that a figure must reach a bound."""
        self._state(figure, bound, value, least=True)

    def at_most(self, figure: str, bound: float, value: float | None = None) -> None:
        """States that a figure must not exceed a bound."""
        self._state(figure, bound, value, least=False)

    def ratio_at_least(self, figure: str, peer: str, bound: float) -> None:
        """States that a figure must be so many times a peer's, which may not have been there."""
        if figure in self.peers.get(peer, {}):
            self.ratio(figure, peer)
        self.at_least(f"{figure}, over {peer}", bound)

    def note(self, text: str) -> None:
        """Adds a remark, once."""
        if text not in self.notes:
            self.notes.append(text)

    def _state(self, figure: str, bound: float, value: float | None, least: bool) -> None:
        series = self.figures.get(figure)
        if value is None and series is None:
            # Only ratios may be missing: those to a peer that was not there.
            self.unmeasured[figure] = Goal(figure, 0.0, least, bound, "x").must
            return
        found = value if value is not None else self.value(figure)
        self.goals.append(Goal(figure, found, least, bound, series.unit if series else ""))

    def basis(self, goal: Goal) -> str:
        """Which of several rounds a goal's value is, where it is not their median; else empty.

        >>> report = Report("fairness", "delays")
        >>> for delay in (3.0, 9.0, 4.0):
        ...     report.add("longest", "ms", delay)
        >>> report.at_most("longest", 50.0, 9.0)
        >>> report.basis(report.goals[0])
        'greatest of 3 rounds'
        """
        values = self.figures[goal.figure].values if goal.figure in self.figures else []
        if len(values) < 2 or goal.value == measure.median(values):
            return ""
        names = {max(values): "greatest", min(values): "least"}
        return f"{names[goal.value]} of {count_rounds(len(values))}" if goal.value in names else ""

    # For machines

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "bench": self.bench,
            "machine": self.machine,
            "rounds": self.rounds,
            "figures": {name: series.as_json() for name, series in self.figures.items()},
            "peers": {
                peer: {name: series.as_json() for name, series in figures.items()}
                for peer, figures in self.peers.items()
            },
            "goals": [goal.as_json() for goal in self.goals],
        }

    def as_saved(self) -> dict[str, Any]:
        """All that is known, for `results.py`."""
        return {
            "bench": self.bench,
            "title": self.title,
            "machine": self.machine,
            "figures": {name: asdict(series) for name, series in self.figures.items()},
            "peers": {
                peer: {name: asdict(series) for name, series in figures.items()}
                for peer, figures in self.peers.items()
            },
            "goals": [asdict(goal) for goal in self.goals],
            "unmeasured": self.unmeasured,
            "notes": self.notes,
            "curves": [asdict(curve) for curve in self.curves],
        }

    @classmethod
    def from_saved(cls, saved: dict[str, Any]) -> Report:
        """The reverse of `as_saved`."""
        report = cls(saved["bench"], saved["title"])
        report.machine = saved["machine"]
        report.figures = {name: Series(**series) for name, series in saved["figures"].items()}
        report.peers = {
            peer: {name: Series(**series) for name, series in figures.items()}
            for peer, figures in saved["peers"].items()
        }
        report.goals = [Goal(**goal) for goal in saved["goals"]]
        report.unmeasured = saved.get("unmeasured", {})
        report.notes = saved["notes"]
        report.curves = [Curve(**curve) for curve in saved["curves"]]
        return report

    # For people

    def table(self) -> str:
        """Figures, peers and goals in columns."""
        rows = [("", "figure", "median", "unit", "spread")]
        for name, series in self.figures.items():
            rows.append((_SUBJECT, name, shown(series.value), series.unit, spread_of(series)))
        for peer, figures in self.peers.items():
            for name, series in figures.items():
                rows.append((peer, name, shown(series.value), series.unit, spread_of(series)))
        parts = [f"{self.bench}: {self.title} ({count_rounds(self.rounds)})", columns(rows)]
        goals = [goal_row(goal, self.basis(goal)) for goal in self.goals]
        goals += [("not measured", figure, "", must) for figure, must in self.unmeasured.items()]
        if goals:
            parts.append(columns(goals))
        parts += [f"  note: {note}" for note in self.notes]
        return "\n\n".join(parts[:2]) + "\n\n" + "\n".join(parts[2:])


def goal_row(goal: Goal, basis: str = "") -> tuple[str, ...]:
    """One goal as a row."""
    return ("met" if goal.met else "MISSED", name_of(goal, basis), shown(goal.value), goal.must)


def name_of(goal: Goal, basis: str) -> str:
    """A goal's figure, and which of its rounds is meant, where that is not the median."""
    return f"{goal.figure} ({basis})" if basis else goal.figure


def count_rounds(number: int) -> str:
    """So many rounds.

    >>> count_rounds(1), count_rounds(3)
    ('1 round', '3 rounds')
    """
    return f"{number} round{'' if number == 1 else 's'}"


def spread_of(series: Series) -> str:
    """A series' spread, where there is one."""
    return f"± {series.spread / 2:.0%}" if len(series.values) > 1 else ""


def rounded(value: float) -> float | None:
    """Four significant digits and all before the point; None for what JSON has no number for.

    >>> rounded(12345.678), rounded(0.0123456), rounded(math.inf)
    (12346.0, 0.01235, None)
    """
    if not math.isfinite(value):
        return None
    return float(f"{value:.4g}") if abs(value) < 1000 else float(round(value))


def shown(value: float) -> str:
    """A number for people.

    >>> shown(61234.5), shown(999.6), shown(3.14159), shown(0.00123)
    ('61,234', '1,000', '3.14', '0.00123')
    """
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows with their columns under each other."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
