"""Keeps what the benchmarks found, and writes RESULTS.md with its plots from that.

`keep` puts a report into `results/NAME.json`; `write` makes RESULTS.md and `plots/` of all that is kept.
`remarks/NAME.md`, where there is one, is a person's word on a result and goes below its figures.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import measure, plot
from .cases import CASES
from .report import Goal, Report, Series, count_rounds, name_of, shown

HERE = Path(__file__).resolve().parent
_HOW_TO_READ = """\
Each figure is the **median** over its rounds; beside it stand the least and the greatest of them. Peers ran
in the same run, in turn with botfleet (A B C, A B C, …), over the same load, the same server and the same
frames. `x` is a ratio of two medians. Load, holder, broker and peers share the machine's cores, so rates are
those of the whole machine, and the rates *per CPU second* those of one process. In the plots a bar is the
median, a ring a round, a dashed red line the goal. A goal is on the median, where it does not say otherwise.

Run it yourself: `make bench` (all, under 15 minutes), `python -m bench NAME [--quick] [--json] [--rounds N]`;
`python -m bench all --write` writes this page.
"""


def keep(report: Report, folder: Path = HERE) -> None:
    """Keeps a report for `write`."""
    saved = {
        **report.as_saved(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": measure.commit(),
        "versions": measure.versions(),
    }
    place = folder / "results"
    place.mkdir(exist_ok=True)
    (place / f"{report.bench}.json").write_text(json.dumps(saved, indent=1) + "\n")


def write(folder: Path = HERE) -> str:
    """Writes RESULTS.md and the plots; returns what to tell the user."""
    kept = [json.loads(path.read_text()) for path in _kept(folder)]
    if not kept:
        return "nothing is kept yet: run `python -m bench all --write`"
    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    sections = [_section(one, folder) for one in kept]
    page = folder / "RESULTS.md"
    page.write_text("\n".join([_head(kept), *sections]))
    return f"{page} and {len(list(plots.glob('*.svg')))} plots are written"


def _kept(folder: Path) -> Iterator[Path]:
    for name in CASES:
        path = folder / "results" / f"{name}.json"
        if path.is_file():
            yield path


def _head(kept: list[dict[str, Any]]) -> str:
    rows = [row for one in kept for row in _goal_rows(Report.from_saved(one))]
    return "\n".join(
        [
            "# What the benchmarks found",
            "",
            measured(kept),
            "",
            _HOW_TO_READ,
            "## The goals",
            "",
            "| bench | figure | found | must be | |",
            "|---|---|--:|--:|---|",
            *rows,
            "",
        ]
    )


def measured(kept: list[dict[str, Any]]) -> str:
    """Where, with what and when these results were found."""
    machines = list(dict.fromkeys(one["machine"] for one in kept))
    dates = [one["date"] for one in kept]
    newest = max(kept, key=lambda one: str(one["date"]))
    versions = ", ".join(f"{name} {number}" for name, number in newest["versions"].items())
    when = f"Measured {min(dates)} to {max(dates)}"
    return f"{'; '.join(machines)}. {versions}. {when}, {_commits(kept)}."


def _commits(kept: list[dict[str, Any]]) -> str:
    by_commit: dict[str, list[str]] = {}
    for one in kept:
        by_commit.setdefault(one.get("commit", "unknown"), []).append(one["bench"])
    if len(by_commit) == 1:
        return f"all at commit {next(iter(by_commit))}"
    which = "; ".join(f"{commit}: {', '.join(names)}" for commit, names in by_commit.items())
    return f"**at different commits** ({which})"


def _goal_rows(report: Report) -> Iterator[str]:
    bench = f"[{report.bench}](#{report.bench})"
    for goal in report.goals:
        mark = "met" if goal.met else "**missed**"
        name = name_of(goal, report.basis(goal))
        yield f"| {bench} | {name} | {shown(goal.value)} | {bound_of(goal)} | {mark} |"
    for figure, must in report.unmeasured.items():
        yield f"| {bench} | {figure} | – | {_in_signs(must)} | not measured |"


def bound_of(goal: Goal) -> str:
    """What a goal asks for, in signs for people."""
    return _in_signs(goal.must)


def _in_signs(must: str) -> str:
    return must.replace(">=", "≥").replace("<=", "≤")


def _section(saved: dict[str, Any], folder: Path) -> str:
    report = Report.from_saved(saved)
    parts = [
        f"## {report.bench}",
        "",
        f"{sentence(report.title)} {count_rounds(report.rounds).capitalize()}, {saved['date']}, "
        f"commit {saved.get('commit', 'unknown')}.",
        "",
    ]
    if report.figures:
        parts += [*_table(report), ""]
    parts += [f"- {note}." for note in report.notes]
    remark = folder / "remarks" / f"{report.bench}.md"
    if remark.is_file():
        parts += ["", remark.read_text().strip()]
    for number, (title, picture) in enumerate(_plots(report), 1):
        name = f"{report.bench}-{number}.svg"
        (folder / "plots" / name).write_text(picture)
        parts += ["", f"![{title}](plots/{name})"]
    return "\n".join([*parts, ""])


def sentence(text: str) -> str:
    """A title with a great letter and a full stop."""
    return text[0].upper() + text[1:].rstrip(".") + "."


def _table(report: Report) -> list[str]:
    rows = ["| | figure | median | | least – greatest |", "|---|---|--:|---|---|"]
    rows += [_row("botfleet", name, series) for name, series in report.figures.items()]
    for peer, figures in report.peers.items():
        rows += [_row(peer, name, series) for name, series in figures.items()]
    return rows


def _row(who: str, name: str, series: Series) -> str:
    several = len(series.values) > 1
    between = f"{shown(min(series.values))} – {shown(max(series.values))}" if several else ""
    return f"| {who} | {name.strip()} | {shown(series.value)} | {series.unit} | {between} |"


def _plots(report: Report) -> Iterator[tuple[str, str]]:
    """A plot for each figure that peers have too, one for each unit of the others, and the curves.

    Single bars without a goal are left out.
    """
    shared = {name for figures in report.peers.values() for name in figures}
    for name in report.figures:
        if name in shared:
            title = f"{report.bench}: {name}"
            yield title, plot.bars(title, report.figures[name].unit, list(_beside(report, name)))
    units = dict.fromkeys(series.unit for name, series in report.figures.items() if name not in shared)
    for unit in units:
        rows = [
            _bar(report, name.strip(), name, series)
            for name, series in report.figures.items()
            if name not in shared and series.unit == unit
        ]
        if len(rows) == 1 and rows[0].goal is None:
            continue  # A bar beside nothing says no more than the table.
        title = f"{report.bench}: {rows[0].label if len(rows) == 1 else 'ratios' if unit == 'x' else unit}"
        yield title, plot.bars(title, "times" if unit == "x" else unit, rows)
    for curve in report.curves:
        yield f"{report.bench}: {curve.title}", plot.lines(curve)


def _beside(report: Report, figure: str) -> Iterator[plot.Bar]:
    yield _bar(report, "botfleet", figure, report.figures[figure])
    for peer, figures in report.peers.items():
        if figure in figures:
            yield plot.Bar(peer, figures[figure].value, figures[figure].values, False)


def _bar(report: Report, label: str, figure: str, series: Series) -> plot.Bar:
    goal = next((goal.bound for goal in report.goals if goal.figure == figure), None)
    return plot.Bar(label, series.value, series.values, True, goal)
