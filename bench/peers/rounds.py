"""One round of each peer over a subject's server and load."""

from __future__ import annotations

import time
from typing import NamedTuple

from ..measure import cpu_seconds, threads
from ..processes import Child, bench_environment, bench_module
from ..subject import Subject
from . import relax

#: Peers' bots have numbers of their own, so that all may be connected at once.
SLACK_SDK_FIRST = 100_000
RAW_FIRST = 200_000
RELAX_FIRST = 300_000

SLACK_SDK = "slack_sdk + .delay()"
APPLY_ASYNC = "bare apply_async"
RAW = "raw selector + LPUSH"
LOAD = "the load alone"
RELAX = "Relax"


class Round(NamedTuple):
    """Events a second, and per CPU second of the peer."""

    rate: float
    rate_of_cpu: float


def start_slack_sdk(subject: Subject, bots: int, queue: str = "bench.slack_sdk") -> Child:
    """Starts slack_sdk's client and waits until all its sockets are connected."""
    command = bench_module(
        "peers.slack_sdk_rtm",
        *("--api", subject.slack.api_url),
        *("--broker", subject.server.url),
        *("--queue", queue),
        *("--bots", str(bots)),
        *("--first", str(SLACK_SDK_FIRST)),
    )
    child = Child("slack_sdk", command, subject.folder, bench_environment(), talks=True)
    try:
        child.hear(120.0)
    except BaseException:
        child.kill()
        raise
    return child


def slack_sdk(subject: Subject, bots: int, events: int, unwanted: float = 0.0) -> tuple[Round, int]:
    """A flood into slack_sdk's client; returns also how many threads it had."""
    queue = "bench.slack_sdk"
    subject.forget(queue)
    with start_slack_sdk(subject, bots) as child:
        cpu = cpu_seconds(child.pid)
        command = subject.slack.begin(
            "flood", events=events, unwanted=unwanted, first=SLACK_SDK_FIRST, bots=bots
        )
        last = subject.wait_for_tasks(round(events * (1.0 - unwanted)), child, queue)
        sent = subject.slack.sent(command, events)
        used, count = cpu_seconds(child.pid) - cpu, threads(child.pid)
    subject.forget(queue)
    return Round(events / (last - sent.began), events / used), count


def apply_async(subject: Subject, events: int) -> Round:
    """So many messages by `apply_async`."""
    queue = "bench.apply_async"
    command = bench_module("peers.apply_async", "--broker", subject.server.url, "--queue", queue)
    with Child("apply_async", command, subject.folder, bench_environment(), talks=True) as child:
        child.hear(30.0)
        child.tell(events=events)
        took = child.hear(120.0)
    subject.forget(queue)
    return Round(events / took["seconds"], events / took["cpu"])


def raw(subject: Subject, bots: int, events: int, unwanted: float = 0.0) -> Round:
    """A flood into the bare loop."""
    queue = "bench.raw"
    options = ["--redis", subject.socket_path, "--queue", queue]
    with _start_raw(subject, bots, *options) as child:
        subject.forget(queue)
        cpu = cpu_seconds(child.pid)
        command = subject.slack.begin("flood", events=events, unwanted=unwanted, first=RAW_FIRST, bots=bots)
        last = subject.wait_for_tasks(round(events * (1.0 - unwanted)), child, queue)
        sent = subject.slack.sent(command, events)
        used = cpu_seconds(child.pid) - cpu
    subject.forget(queue)
    return Round(events / (last - sent.began), events / max(used, 0.01))


def load_alone(subject: Subject, bots: int, events: int, unwanted: float = 0.0) -> Round:
    """A flood into a client that only reads: how fast the load itself is."""
    with _start_raw(subject, bots) as child:
        time.sleep(0.5)
        child.hear(5.0)  # The hellos.
        sent = subject.slack.flood(events, unwanted=unwanted, first=RAW_FIRST, bots=bots)
        took = child.hear(30.0)
    return Round(events / (took["last"] - sent.began), events / sent.cpu)


def _start_raw(subject: Subject, bots: int, *options: str) -> Child:
    command = bench_module(
        "peers.raw",
        *("--url", subject.slack.sockets_url, "--bots", str(bots), "--first", str(RAW_FIRST)),
        *options,
    )
    child = Child("raw", command, subject.folder, bench_environment(), talks=True)
    try:
        child.hear(60.0)
    except BaseException:
        child.kill()
        raise
    return child


def relax_round(subject: Subject, program: str, bots: int, events: int) -> Round:
    """A flood into Relax."""
    broker = relax.Relax(program, subject.folder, subject.slack, RELAX_FIRST, bots)
    try:
        broker.forget()
        cpu = cpu_seconds(broker.child.pid)
        command = subject.slack.begin("flood", events=events, first=RELAX_FIRST, bots=bots)
        last = broker.wait_for_events(events)
        sent = subject.slack.sent(command, events)
        used = cpu_seconds(broker.child.pid) - cpu
    finally:
        broker.close()
    return Round(events / (last - sent.began), events / max(used, 0.01))
