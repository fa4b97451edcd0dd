"""How fast a holder connects a whole fleet after a cold start."""

from __future__ import annotations

import signal
import time

from ..measure import cpu_seconds
from ..report import Report
from ..subject import Subject
from . import Options

TITLE = "cold start of 5,000 bots, TLS, connect limit off"
RATE = "bots/s"
#: Seconds that a holder may take to end; it has nobody to hand its bots to.
_END = 90.0


def run(options: Options) -> Report:
    """Starts a holder anew in each round."""
    report = Report("connect", TITLE)
    bots = options.size(5_000, 1_000)
    with Subject(tls=True) as subject:
        subject.add_bots(bots)
        subject.subscribe()
        for number in options.times(options.size(3, 2)):
            options.say(f"round {number + 1}")
            _round(report, subject, bots)
    report.at_least(RATE, 200.0)
    report.note(
        f"{bots:,} bots; from the first rtm.connect to the last hello sent, without the process's start"
    )
    return report


def _round(report: Report, subject: Subject, bots: int) -> None:
    subject.slack.reset()
    began = time.monotonic()
    holder = subject.worker("holder")
    subject.slack.wait_for_sockets(bots, 60 + bots / 20, holder)
    seen = subject.slack.status()
    report.add(RATE, "1/s", bots / (seen["last_opened"] - seen["first_request"]))
    report.add("process start to last hello", "s", seen["last_opened"] - began)
    report.add("CPU per bot", "ms", cpu_seconds(holder.pid) / bots * 1000)
    # Not killed: the next one would wait until what this one holds is taken from it.
    holder.send(signal.SIGTERM)
    holder.wait(_END)
    subject.slack.wait_for_no_sockets()
