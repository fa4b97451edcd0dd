"""Keeps what the faults did, and writes CHAOS.md from that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import results
from ..report import Report, Series, shown
from .scenarios import SCENARIOS

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "CHAOS.md"
_FIGURES = ("sent", "handled", "missed", "doubled", "longest gap", "longest delay")
_HOW_TO_READ = """\
A sandbox over TLS says numbered messages in every team, at a steady rate over all of them. Real holders
read them through a proxy, another proxy of its own leads each holder to Redis, and a real handler worker
notes what it handles. *Sent* is what the sandbox took as said in a team, whether a socket of the team was
open or not; *heard* is what one was open for. *Doubled* counts runs of the handler beyond the first.
*Longest gap* is the longest time without a handled message of one team, less the usual spacing; *longest
delay* the longest from a message to its handler. Redis here does not wait for the disk (`appendfsync no`):
with `everysec` a server that is killed on a slow disk may lose what it took in its last two seconds.

Run it yourself: `make chaos` (all, under 20 minutes), `python -m bench.chaos NAME [--quick] [--json]`;
`python -m bench.chaos all --write` writes this page. The same in small is part of `make test`.
"""


def keep(report: Report, folder: Path = HERE) -> None:
    """Keeps a report for `write`."""
    results.keep(report, folder)


def write(folder: Path = HERE, page: Path = PAGE) -> str:
    """Writes CHAOS.md; returns what to tell the user."""
    kept = list(_kept(folder))
    if not kept:
        return "nothing is kept yet: run `python -m bench.chaos all --write`"
    reports = [Report.from_saved(one) for one in kept]
    parts = [
        "# Faults",
        "",
        results.measured(kept),
        "",
        _HOW_TO_READ,
        f"| fault | {' | '.join(_FIGURES)} | must hold |",
        f"|---|{'--:|' * len(_FIGURES)}---|",
        *(_row(report) for report in reports),
        "",
        *(line for report in reports for line in _section(report)),
    ]
    page.write_text("\n".join(parts))
    return f"{page} is written"


def _kept(folder: Path) -> Iterator[dict[str, Any]]:
    for name in SCENARIOS:
        path = folder / "results" / f"{name}.json"
        if path.is_file():
            yield json.loads(path.read_text())


def _row(report: Report) -> str:
    cells = [_cell(report.figures[name]) if name in report.figures else "" for name in _FIGURES]
    missed = [goal.figure for goal in report.goals if not goal.met]
    holds = f"**{', '.join(missed)}**" if missed else "holds"
    return f"| [{report.bench}](#{report.bench}) | {' | '.join(cells)} | {holds} |"


def _cell(series: Series) -> str:
    return f"{shown(series.value)} {series.unit}" if series.unit == "s" else shown(series.value)


def _section(report: Report) -> Iterator[str]:
    yield f"## {report.bench}"
    yield ""
    yield results.sentence(report.title)
    yield ""
    yield "| figure | found | must be | |"
    yield "|---|--:|--:|---|"
    goals = {goal.figure: goal for goal in report.goals}
    for name, series in report.figures.items():
        goal = goals.get(name)
        bound = results.bound_of(goal) if goal else ""
        mark = "" if goal is None else "met" if goal.met else "**missed**"
        yield f"| {name} | {shown(series.value)} {series.unit} | {bound} | {mark} |"
    yield ""
    for note in report.notes:
        yield f"- {note}."
    if report.notes:
        yield ""
