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


def run(options: Options) -> Report:
    """TLS, twice as much TLS in the same process, and plain."""
    report = Report("density", TITLE)
    sockets = options.size(5_000, 1_000)
    for number in options.times(1):
        options.say(f"round {number + 1}: TLS")
        _measure_tls(report, sockets, options)
        options.say("plain")
        with Subject() as subject:
            holder, before = _start(subject)
            _connect(subject, holder, 0, sockets)
            report.add("plain, per connection", "KiB", (resident(holder.pid) - before) / sockets / _KIB)
    report.at_most("TLS, per connection", 45.0)
    report.at_most("plain, per connection", 15.0)
    report.at_most(_whole(sockets), 520.0)
    report.note("Resident memory (VmRSS) after, less that of the same process before its first connection")
    return report


def _measure_tls(report: Report, sockets: int, options: Options) -> None:
    with Subject(tls=True) as subject:
        holder, before = _start(subject)
        report.add("without connections", "MB", before / 1e6)
        _connect(subject, holder, 0, sockets)
        report.add("TLS, per connection", "KiB", (resident(holder.pid) - before) / sockets / _KIB)
        options.say(f"{2 * sockets} TLS")
        _connect(subject, holder, sockets, sockets)
        report.add(_whole(sockets), "MB", resident(holder.pid) / 1e6)
        report.add(f"{_whole(sockets)}, PSS", "MB", proportional(holder.pid) / 1e6)


def _whole(sockets: int) -> str:
    return f"one process with {2 * sockets:,} TLS"


def _start(subject: Subject) -> tuple[Child, int]:
    """A holder without bots, and its resident memory."""
    subject.subscribe()
    holder = subject.holder(0)
    time.sleep(_REST)
    return holder, resident(holder.pid)


def _connect(subject: Subject, holder: Child, first: int, sockets: int) -> None:
    """Adds bots, and has each of them carry its events."""
    subject.add_bots(sockets, first)
    subject.slack.wait_for_sockets(first + sockets, 60 + sockets / 50, holder)
    subject.wait_for_holder(first + sockets, holder)
    subject.ingest(holder, EVENTS_EACH * sockets, first=first, bots=sockets, rate=_RATE)
    subject.forget()
    time.sleep(_REST)
