"""How long an event is on its way, from the frame's sending to the handler."""

from __future__ import annotations

import sys
from pathlib import Path

from ..measure import percentile
from ..peers import rounds
from ..processes import Child, bench_environment, wait_until
from ..report import Curve, Report
from ..slack import FakeSlack
from ..subject import Subject
from . import Options

TITLE = "frame sent to handler entered, 300 events/s, 500 sockets, a real handler worker"
RATE = 300.0
SOCKETS = 500
#: Sockets with which slack_sdk is fastest here: four threads each, so few.
PEER_SOCKETS = (20, SOCKETS)
#: Seconds at the beginning that don't count: first imports, first connections.
_WARM = 2.0
_SHARES = (0.5, 0.9, 0.99, 0.999)

#: Both sides' handler notes when an event was sent (its ts) and when the handler was entered.
_NOTING = """
import os, time

_notes = os.open({notes!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def note(ts):
    os.write(_notes, f"{{ts}} {{time.time():.6f}}\\n".encode())
"""
_HANDLERS = """
from botfleet import Event, on


@on("message")
def handle(event: Event) -> None:
    note(event.ts)
"""
_BARE = """
from celery import Celery

app = Celery("bench", broker={broker!r})
app.conf.task_default_queue = {queue!r}


@app.task(name="bench.handle", ignore_result=True)
def handle(event):
    note(event["ts"])
"""
_QUEUE = "bench.latency"


def run(options: Options) -> Report:
    """Measures in alternating rounds."""
    report = Report("latency", TITLE)
    taken: dict[str, list[float]] = {}
    with Subject(handlers="benchhandlers") as subject:
        _write_handlers(subject)
        subject.add_bots(SOCKETS)
        handler = subject.worker("handler")
        store = subject.store
        wait_until("the handlers are announced", lambda: bool(store.subscriptions()), 30, 0.1, handler)
        subject.holder(SOCKETS)
        _measure(subject.slack, _notes(subject), _WARM, 0)
        for number in options.times(options.size(3, 2)):
            options.say(f"round {number + 1}")
            found = _measure(subject.slack, _notes(subject), options.size(30, 5), 0)
            _note(report, None, found)
            taken.setdefault("botfleet", []).extend(found)
            for peer, values in _measure_peers(subject, options, number):
                _note(report, peer, values)
                taken.setdefault(peer, []).extend(values)
    _judge(report)
    report.curves.append(_distribution(taken))
    return report


def _write_handlers(subject: Subject) -> None:
    text = _NOTING.format(notes=str(_notes(subject))) + _HANDLERS
    (subject.folder / "benchhandlers.py").write_text(text)


def _notes(subject: Subject) -> Path:
    return subject.folder / "notes.txt"


def _measure(slack: FakeSlack, notes: Path, seconds: float, first: int, bots: int = SOCKETS) -> list[float]:
    """Sends for so long; returns how long each event took, seconds."""
    notes.open("w").close()
    command = slack.begin("stamped", rate=RATE, seconds=seconds, first=first, bots=bots)
    sent = int(slack.wait_for(command, seconds + 30)["sent"])
    wait_until("all events are handled", lambda: notes.read_bytes().count(b"\n") >= sent, 30, 0.1)
    pairs = (line.split() for line in notes.read_text().splitlines())
    return [float(entered) - float(ts) for ts, entered in pairs]


def _measure_peers(subject: Subject, options: Options, number: int) -> list[tuple[str, list[float]]]:
    """slack_sdk with few sockets, and once with all, into a bare Celery worker."""
    notes = subject.folder / "notes-bare.txt"
    text = _BARE.format(broker=subject.server.url, queue=_QUEUE)
    (subject.folder / "benchbare.py").write_text(_NOTING.format(notes=str(notes)) + text)
    found = []
    command = [sys.executable, "-m", "celery", "-A", "benchbare", "worker", "--loglevel", "WARNING"]
    notes.touch()
    with Child("bare", command, subject.folder, bench_environment()) as worker:
        for bots in PEER_SOCKETS if number == 0 and not options.quick else PEER_SOCKETS[:1]:
            with rounds.start_slack_sdk(subject, bots, _QUEUE):
                _measure(subject.slack, notes, _WARM, rounds.SLACK_SDK_FIRST, bots)
                seconds = options.size(10, 4)
                values = _measure(subject.slack, notes, seconds, rounds.SLACK_SDK_FIRST, bots)
            worker.check()
            found.append((f"{rounds.SLACK_SDK}, {bots} sockets", values))
    return found


def _note(report: Report, peer: str | None, seconds: list[float]) -> None:
    for share in _SHARES:
        figure, value = f"p{share * 100:g}", percentile(seconds, share) * 1000
        if peer is None:
            report.add(figure, "ms", value)
        else:
            report.add_peer(peer, figure, "ms", value)


def _judge(report: Report) -> None:
    for figure, bound in (("p50", 6.0), ("p99", 40.0)):
        report.at_most(figure, bound)
    for figure in ("p50", "p99"):
        best = min(report.peers, key=lambda peer: report.peers[peer][figure].value)
        report.ratio(figure, best)
        report.at_most(f"{figure}, over {best}", 1.0)


def _distribution(taken: dict[str, list[float]]) -> Curve:
    """Which share of the events took how long at most."""
    shares = [n / 200 for n in range(1, 200)]
    points = {
        name: [(percentile(values, share) * 1000, share * 100) for share in shares]
        for name, values in taken.items()
    }
    return Curve("latency, all rounds", "ms", "% of events", points, logarithmic=True)
