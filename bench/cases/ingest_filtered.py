"""How many events a second one holder reads when nobody wants most of them."""

from __future__ import annotations

from ..peers import rounds
from ..report import Report
from ..subject import Subject
from . import Options
from .ingest import CPU_RATE, RATE, SOCKETS, note_bottleneck

TITLE = "as ingest, with 9 in 10 events that nobody wants: presence and typing"
UNWANTED = 0.9
#: The same holder with nothing but messages, measured in turn.
INGEST = "ingest, messages only"


def run(options: Options) -> Report:
    """Measures in alternating rounds, beside ingest itself."""
    report = Report("ingest-filtered", TITLE)
    events = options.size(300_000, 60_000)
    with Subject() as subject:
        subject.add_bots(SOCKETS)
        subject.subscribe()
        holder = subject.holder(SOCKETS)
        subject.ingest(holder, 5_000, bots=SOCKETS)
        for number in options.times():
            options.say(f"round {number + 1}")
            took = subject.ingest(holder, events, UNWANTED, bots=SOCKETS)
            report.add(RATE, "1/s", took.rate)
            report.add(CPU_RATE, "1/s", took.rate_of_cpu)
            plain = subject.ingest(holder, options.size(100_000, 20_000), bots=SOCKETS)
            report.add_peer(INGEST, RATE, "1/s", plain.rate)
            report.add_peer(INGEST, CPU_RATE, "1/s", plain.rate_of_cpu)
            _run_peers(report, subject, options)
    report.ratio_at_least(RATE, INGEST, 3.0)
    report.ratio(CPU_RATE, INGEST)
    report.ratio(RATE, rounds.SLACK_SDK)
    report.ratio(RATE, rounds.RAW)
    note_bottleneck(report)
    report.note("All frames count, wanted or not; the last frame is a wanted one")
    return report


def _run_peers(report: Report, subject: Subject, options: Options) -> None:
    bots = options.size(SOCKETS, 50)
    found, _ = rounds.slack_sdk(subject, bots, options.size(15_000, 3_000), UNWANTED)
    events = options.size(300_000, 60_000)
    raw = rounds.raw(subject, SOCKETS, events, UNWANTED)
    load = rounds.load_alone(subject, SOCKETS, events, UNWANTED)
    for peer, one in ((rounds.SLACK_SDK, found), (rounds.RAW, raw), (rounds.LOAD, load)):
        report.add_peer(peer, RATE, "1/s", one.rate)
        report.add_peer(peer, CPU_RATE, "1/s", one.rate_of_cpu)
