"""Whether a bot, or an event, costs more in a larger fleet."""

from __future__ import annotations

import time

from ..measure import resident
from ..report import Curve, Report
from ..subject import Subject
from . import Options, reconcile

TITLE = "ingest, memory and reconciliation at 100, 1,000 and 10,000 bots: cost per event or bot"
MEMORY, EVENT, ROUND = "memory per bot", "CPU per event", "reconcile, CPU per bot"
FLOOD = "events/s in a flood"
#: Events a second for the cost of one: a load that all sizes bear, so that every read finds about one frame.
#: In a flood few sockets have many frames for each read, many have few.
_RATE = 8_000
_NO_GOAL = " (no goal)"
_REST = 2.0


def run(options: Options) -> Report:
    """Measures each size in each round."""
    report = Report("growth", TITLE)
    sizes = (100, 500, 2_000) if options.quick else (100, 1_000, 10_000)
    for number in options.times(1):
        for bots in sizes:
            options.say(f"round {number + 1}: {bots:,} bots")
            _measure(report, bots, options)
    report.note(f"CPU per event is at {_RATE:,} events a second; a cost that falls has a growth below 1")
    _tell_of_floods(report, sizes)
    for figure in (EVENT, MEMORY, ROUND):
        _judge(report, figure, sizes)
    return report


def _tell_of_floods(report: Report, sizes: tuple[int, ...]) -> None:
    """What the goal leaves out."""
    rates = {bots: report.value(_named(FLOOD, bots)) for bots in sizes}
    growth = max(rates[smaller] / rates[larger] for smaller in sizes for larger in sizes if larger > smaller)
    report.add(f"time per event in a flood, growth{_NO_GOAL}", "x", growth)
    report.note(
        "The goal for an event is on its CPU at that paced load. In a flood the events take up to "
        f"{growth:.2f} times as long in a larger fleet: reads find fewer frames each"
    )


def _measure(report: Report, bots: int, options: Options) -> None:
    with Subject() as subject:
        holder = subject.start_holder()
        before = resident(holder.pid)
        subject.add_bots(bots)
        subject.slack.wait_for_sockets(bots, 60 + bots / 50, holder)
        subject.wait_for_holder(bots, holder)
        time.sleep(_REST)
        report.add(_named(MEMORY, bots), "KiB", (resident(holder.pid) - before) / bots / 1024)
        subject.ingest(holder, 5_000)
        report.add(_named(FLOOD, bots), "1/s", subject.ingest(holder, options.size(100_000, 20_000)).rate)
        for _ in range(options.size(3, 1)):
            paced = subject.ingest(holder, 2 * _RATE, rate=_RATE)
            report.add(_named(EVENT, bots), "µs", 1e6 * paced.cpu / paced.events)
        holder.kill()
        _reconcile(report, subject, bots)


def _reconcile(report: Report, subject: Subject, bots: int) -> None:
    inner = Report("reconcile", "")
    reconcile.measure(inner, subject, bots)
    cpu = inner.value("CPU, reconcile")
    report.add(_named(ROUND, bots), "µs", 1e6 * cpu / bots)


def _named(figure: str, bots: int) -> str:
    return f"{figure}, {bots:,} bots"


def _judge(report: Report, figure: str, sizes: tuple[int, ...]) -> None:
    """The dearest size over the cheapest before it: a cost that falls does not grow."""
    costs = [report.value(_named(figure, bots)) for bots in sizes]
    growth = max(later / earlier for n, earlier in enumerate(costs) for later in costs[n + 1 :])
    report.add(f"{figure}, growth", "x", growth)
    report.at_most(f"{figure}, growth", 1.3)
    points = [(float(bots), cost) for bots, cost in zip(sizes, costs, strict=True)]
    unit = report.figures[_named(figure, sizes[0])].unit
    report.curves.append(Curve(figure, "bots", unit, {"botfleet": points}, logarithmic=True))
