"""What it costs to keep connections on which nothing happens."""

from __future__ import annotations

import time

from ..measure import cpu_seconds
from ..report import Report
from ..subject import Subject
from . import Options

TITLE = "CPU of a holder with 10,000 connected idle TLS sockets, pings included"


def run(options: Options) -> Report:
    """Measures windows one after another, each as long as the interval between a socket's pings."""
    report = Report("idle", TITLE)
    sockets = options.size(10_000, 1_000)
    with Subject(tls=True) as subject:
        subject.add_bots(sockets)
        subject.subscribe()
        holder = subject.holder(sockets)
        options.say("all are connected")
        # Until every socket has been pinged once.
        time.sleep(1.2 * subject.settings.ping_interval)
        window = subject.settings.ping_interval
        for _ in options.times(options.size(3, 1)):
            subject.slack.reset()
            cpu, began = cpu_seconds(holder.pid), time.monotonic()
            time.sleep(window)
            took = time.monotonic() - began
            report.add("CPU of one core", "%", 100 * (cpu_seconds(holder.pid) - cpu) / took)
            report.add("pings", "1/s", subject.slack.status()["pings"] / took)
        report.note(f"{sockets:,} sockets; {subject.slack.status()['sockets']:,} at the end")
    report.at_most("CPU of one core", 10.0)
    return report
