"""Whether one team's flood holds up the other teams' events, for single handlers and for batch handlers."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import NamedTuple

from botfleet.model import Subscription

from .. import frames
from ..measure import median, percentile
from ..processes import BenchError, Child
from ..report import Report
from ..subject import Subject
from . import Options

TITLE = "one team's 10,000 events at once: how long another team's events take into their queue meanwhile"
LONGEST = "longest, above the usual"
#: The flood goes to a handler of single events; to a batch handler that has all teams' events.
SINGLE, BATCH = "single", "batch"
#: What is measured of a batch handler: another handler's events beside it, and its own.
BESIDE, WITHIN = f"{BATCH}: beside it", f"{BATCH}: within it"
_SOCKETS = 50
_LOUD, _QUIET, _ALL = "bench.loud", "bench.quiet", "bench.all"
_BATCH, _LINGER = 100, 0.05
#: The quiet teams' bots, and their events a second.
_FIRST, _TEAMS, _RATE = 1, 10, 200.0
_SECONDS = 3.0
#: Seconds for the flood and the last events to come.
_PATIENCE = 60.0


class Arrival(NamedTuple):
    """When an event was sent and when it was there, unix seconds."""

    sent: float
    there: float

    @property
    def took(self) -> float:
        """Seconds on the way."""
        return self.there - self.sent


class Popped(NamedTuple):
    """A task's message, when it was taken out of which queue."""

    queue: str
    message: bytes
    there: float


def run(options: Options) -> Report:
    """Measures rounds, each with its flood in the midst of a steady stream."""
    report = Report("fairness", TITLE)
    with Subject() as subject:
        subject.add_bots(_SOCKETS)
        subject.subscribe(_single())
        holder = subject.holder(_SOCKETS)
        _round(Report("fairness", "warm"), subject, holder, 2_000)
        for number in options.times(options.size(5, 2)):
            options.say(f"round {number + 1}")
            _subscribe(subject, holder, _single())
            _round(report, subject, holder, 10_000)
            _subscribe(subject, holder, _batch())
            _batch_round(report, subject, holder, 10_000)
    for kind in (SINGLE, BESIDE, WITHIN):
        figure = f"{kind}, {LONGEST}"
        report.at_most(figure, 50.0, max(report.figures[figure].values))
    report.note("From the frame's sending to its task in the queue; the usual is the median without a flood")
    report.note(
        f"Batch: the flood goes to a batch handler ({_BATCH} events, {_LINGER:g} s) of all teams' events; "
        "within it are the others' events that it gets, which wait for company in any case; beside it "
        "are those of a handler of single events"
    )
    return report


def _single() -> list[Subscription]:
    """Two handlers with a queue each, so that what waits in one says nothing of the other."""
    return [Subscription(task=_LOUD, types=("message",), bot=frames.team_id(0), queue=_LOUD), *_quiet()]


def _batch() -> list[Subscription]:
    everything = Subscription(task=_ALL, types=("message",), queue=_ALL, batch=_BATCH, linger=_LINGER)
    return [everything, *_quiet()]


def _quiet() -> list[Subscription]:
    teams = (frames.team_id(number) for number in range(_FIRST, _FIRST + _TEAMS))
    return [Subscription(task=_QUIET, types=("message",), bot=team, queue=_QUIET) for team in teams]


def _subscribe(subject: Subject, holder: Child, wanted: list[Subscription]) -> None:
    subject.subscribe(wanted)
    subject.wait_for_holder(_SOCKETS, holder)


def _round(report: Report, subject: Subject, holder: Child, events: int) -> None:
    """A flood for a handler of single events."""
    subject.forget(_LOUD, _QUIET)
    slack = subject.slack
    stream = slack.begin("stamped", rate=_RATE, seconds=_SECONDS, first=_FIRST, bots=_TEAMS)
    popped = _pop(subject, holder, time.monotonic() + _SECONDS / 3)
    began = time.time()
    flood = slack.begin("flood", events=events, first=0, bots=1)
    while subject.length(_LOUD) < events:
        popped += _pop(subject, holder, time.monotonic() + 0.02)
        if time.time() > began + _PATIENCE:
            raise BenchError(f"{subject.length(_LOUD)} of {events} events of the flood came")
    ended = time.time()
    while len(popped) < round(_RATE * _SECONDS):
        popped += _pop(subject, holder, time.monotonic() + 0.1)
        if time.time() > began + _PATIENCE:
            raise BenchError(f"{len(popped)} events of the other teams came")
    slack.sent(flood, events)
    slack.wait_for(stream)
    _note(report, SINGLE, [one for each in popped for one in _quiet_in(each)], began, ended)


def _batch_round(report: Report, subject: Subject, holder: Child, events: int) -> None:
    """A flood for a batch handler that has the others' events, too."""
    subject.forget(_ALL, _QUIET)
    slack = subject.slack
    stream = slack.begin("stamped", rate=_RATE, seconds=_SECONDS, first=_FIRST, bots=_TEAMS)
    popped = _pop(subject, holder, time.monotonic() + _SECONDS / 3)
    began = time.time()
    flood = slack.begin("flood", events=events, first=0, bots=1)
    # Looked into only afterwards: that takes longer than the holder takes.
    popped += _pop(subject, holder, time.monotonic() + _SECONDS)
    slack.sent(flood, events)
    slack.wait_for(stream)
    expected = events + 2 * round(_RATE * _SECONDS)
    while sum(len(_events_in(each.message)) for each in popped) < expected:
        popped += _pop(subject, holder, time.monotonic() + 0.2)
        if time.time() > began + _PATIENCE:
            raise BenchError(f"not all of {expected} events came, in {len(popped)} messages")
    ended = max(one.there for one in popped if any(map(_is_loud, _events_in(one.message))))
    for kind, queue in ((BESIDE, _QUIET), (WITHIN, _ALL)):
        arrivals = [one for each in popped if each.queue == queue for one in _quiet_in(each)]
        _note(report, kind, arrivals, began, ended)


def _pop(subject: Subject, holder: Child, until: float) -> list[Popped]:
    """Takes tasks out of the queues as they come, up to a time (monotonic seconds); not the flood's own."""
    found = []
    while (left := until - time.monotonic()) > 0:
        popped = subject.redis.brpop([_QUIET, _ALL], timeout=max(left, 0.01))
        if popped is not None:
            found.append(Popped(popped[0].decode(), popped[1], time.time()))
    holder.check()
    return found


def _events_in(message: bytes) -> list[dict[str, str]]:
    """The payloads of the events that a task's message carries."""
    args, _, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
    envelopes = args[0] if isinstance(args[0], list) else args[:1]
    return [envelope["payload"] for envelope in envelopes]


def _is_loud(payload: dict[str, str]) -> bool:
    return payload["team"] == frames.team_id(0)


def _quiet_in(popped: Popped) -> Iterator[Arrival]:
    """The other teams' events in a message, by the time at which the load sent them."""
    for payload in _events_in(popped.message):
        if not _is_loud(payload):
            yield Arrival(float(payload["ts"]), popped.there)


def _note(report: Report, kind: str, arrivals: list[Arrival], began: float, ended: float) -> None:
    during = [one.took for one in arrivals if began <= one.there and one.sent <= ended]
    usual = median([one.took for one in arrivals if one.there < began or one.sent > ended])
    if not during:
        raise BenchError("the flood was over before another team's event came")
    report.add(f"{kind}, usual", "ms", usual * 1000)
    report.add(f"{kind}, median in the flood", "ms", median(during) * 1000)
    report.add(f"{kind}, p99 in the flood", "ms", percentile(during, 0.99) * 1000)
    report.add(f"{kind}, {LONGEST}", "ms", (max(during) - usual) * 1000)
    report.add(f"{kind}, flood in the queue after", "ms", (ended - began) * 1000)
