"""How many events a second one holder turns into tasks, beside what a user would pick instead."""

from __future__ import annotations

import redis

from ..peers import relax, rounds
from ..processes import BenchError
from ..report import Report
from ..subject import Subject
from . import Options

TITLE = "message events of 500 sockets into the queue of one handler"
SOCKETS = 500
RATE, CPU_RATE = "events/s", "events per CPU second"


def run(options: Options) -> Report:
    """Measures in alternating rounds."""
    report = Report("ingest", TITLE)
    program = relax.executable()
    if program is None:
        report.note(f"{rounds.RELAX} was not run: {relax.VARIABLE} names no executable")
    with Subject() as subject:
        subject.add_bots(SOCKETS)
        subject.subscribe()
        holder = subject.holder(SOCKETS)
        subject.ingest(holder, 5_000, bots=SOCKETS)  # Templates, scripts and caches are made once.
        for number in options.times():
            options.say(f"round {number + 1}")
            took = subject.ingest(holder, options.size(100_000, 30_000), bots=SOCKETS)
            report.add(RATE, "1/s", took.rate)
            report.add(CPU_RATE, "1/s", took.rate_of_cpu)
            report.add("CPU per event, holder", "µs", 1e6 * took.cpu / took.events)
            report.add("CPU per event, server", "µs", 1e6 * took.server_cpu / took.events)
            _run_peers(report, subject, options)
            if program is not None and not run_relax(report, subject, program, options):
                program = None
    _judge(report)
    return report


def _run_peers(report: Report, subject: Subject, options: Options) -> None:
    bots = options.size(SOCKETS, 50)
    found, count = rounds.slack_sdk(subject, bots, options.size(4_000, 2_000))
    _add(report, rounds.SLACK_SDK, found)
    report.note(f"{rounds.SLACK_SDK}: {bots} sockets in one process, {count} threads")
    _add(report, rounds.APPLY_ASYNC, rounds.apply_async(subject, options.size(8_000, 3_000)))
    _add(report, rounds.RAW, rounds.raw(subject, SOCKETS, options.size(100_000, 30_000)))
    _add(report, rounds.LOAD, rounds.load_alone(subject, SOCKETS, options.size(100_000, 30_000)))


def run_relax(report: Report, subject: Subject, program: str, options: Options) -> bool:
    """Runs Relax; tells whether it worked. A failure of its own is no reason to lose all other figures."""
    try:
        found = rounds.relax_round(subject, program, SOCKETS, options.size(100_000, 30_000))
    except (BenchError, redis.RedisError, OSError) as exc:
        report.note(f"{rounds.RELAX} failed: {' '.join(str(exc).split())}")
        return False
    _add(report, rounds.RELAX, found)
    return True


def _add(report: Report, peer: str, found: rounds.Round) -> None:
    report.add_peer(peer, RATE, "1/s", found.rate)
    report.add_peer(peer, CPU_RATE, "1/s", found.rate_of_cpu)


def _judge(report: Report) -> None:
    report.ratio_at_least(RATE, rounds.SLACK_SDK, 20.0)
    report.ratio_at_least(RATE, rounds.APPLY_ASYNC, 12.0)
    report.ratio_at_least(RATE, rounds.RELAX, 2.0)
    report.ratio(RATE, rounds.RAW)
    note_bottleneck(report)


def note_bottleneck(report: Report) -> None:
    """Says so where the load was not much faster than the holder."""
    load, ours = report.peers[rounds.LOAD][RATE].value, report.value(RATE)
    if load < 2 * ours:
        report.note(
            f"The load alone wrote {load / ours:.2f} times as fast as the holder read: it may be the "
            "bottleneck, and the holder faster than this"
        )
