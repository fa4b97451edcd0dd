"""How much memory a connection takes, in a holder that has been at work."""

from __future__ import annotations

import time

from ..measure import proportional, resident
from ..processes import Child
from ..report import Report
from ..subject import Subject
from . import Options

TITLE = "resident memory per connection, after each has carried 20 events"
EVENTS_EACH = 20
#: Events a second while the sockets are broken in: what is measured is not a backlog.
_RATE = 8_000
#: Seconds for the last buffers to be given back.
_REST = 2.0
_KIB = 1024
#: Sockets that are connected, and have carried events, before the others are weighed.
_FIRST = 100


def run(options: Options) -> Report:
    """TLS, twice as much TLS in the same process, and plain."""
    report = Report("density", TITLE)
    sockets = options.size(5_000, 400)
    for number in options.times(1):
        options.say(f"round {number + 1}: TLS")
        _measure_tls(report, sockets, options)
        options.say("plain")
        with Subject() as subject:
            holder = subject.start_holder()
            report.add("plain, per connection", "KiB", _per_connection(subject, holder, sockets))
    report.at_most("TLS, per connection", 45.0)
    report.at_most("plain, per connection", 15.0)
    report.at_most(_whole(sockets), 520.0)
    report.note(
        f"Per connection: resident memory (VmRSS) with all, less that of the same process with {_FIRST}, "
        "which has all libraries loaded and all buffers made; the whole process counts everything"
    )
    return report


def _measure_tls(report: Report, sockets: int, options: Options) -> None:
    with Subject(tls=True) as subject:
        holder = subject.start_holder()
        report.add("without connections", "MB", resident(holder.pid) / 1e6)
        report.add("TLS, per connection", "KiB", _per_connection(subject, holder, sockets))
        options.say(f"{2 * sockets} TLS")
        _connect(subject, holder, sockets, sockets)
        report.add(_whole(sockets), "MB", resident(holder.pid) / 1e6)
        report.add(f"{_whole(sockets)}, PSS", "MB", proportional(holder.pid) / 1e6)


def _whole(sockets: int) -> str:
    return f"one process with {2 * sockets:,} TLS"


def _per_connection(subject: Subject, holder: Child, sockets: int) -> float:
    """KiB that each further connection takes, up to so many."""
    _connect(subject, holder, 0, _FIRST)
    before = resident(holder.pid)
    _connect(subject, holder, _FIRST, sockets - _FIRST)
    return (resident(holder.pid) - before) / (sockets - _FIRST) / _KIB


def _connect(subject: Subject, holder: Child, first: int, sockets: int) -> None:
    """Adds bots, and has each of them carry its events."""
    subject.add_bots(sockets, first)
    subject.slack.wait_for_sockets(first + sockets, 60 + sockets / 50, holder)
    subject.wait_for_holder(first + sockets, holder)
    subject.ingest(holder, EVENTS_EACH * sockets, first=first, bots=sockets, rate=_RATE)
    subject.forget()
    time.sleep(_REST)
