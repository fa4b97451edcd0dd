"""Whether one team's flood holds up the other teams' events."""

from __future__ import annotations

import base64
import json
import time
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
_SOCKETS = 50
_LOUD, _QUIET = "bench.loud", "bench.quiet"
#: The quiet teams' bots, and their events a second.
_FIRST, _TEAMS, _RATE = 1, 10, 200.0
_SECONDS = 3.0


class Arrival(NamedTuple):
    """When an event was sent and when it was there, unix seconds."""

    sent: float
    there: float

    @property
    def took(self) -> float:
        """Seconds on the way."""
        return self.there - self.sent


def run(options: Options) -> Report:
    """Measures rounds, each with its flood in the midst of a steady stream."""
    report = Report("fairness", TITLE)
    with Subject() as subject:
        subject.add_bots(_SOCKETS)
        subject.subscribe(_subscriptions())
        holder = subject.holder(_SOCKETS)
        _round(Report("fairness", "warm"), subject, holder, 2_000)
        for number in options.times(options.size(5, 3)):
            options.say(f"round {number + 1}")
            _round(report, subject, holder, 10_000)
    report.at_most(LONGEST, 50.0, max(report.figures[LONGEST].values))
    report.note("From the frame's sending to its task in the queue; the usual is the median without a flood")
    return report


def _subscriptions() -> list[Subscription]:
    """Two handlers with a queue each, so that what waits in one says nothing of the other."""
    loud = Subscription(task=_LOUD, types=("message",), bot=frames.team_id(0), queue=_LOUD)
    quiet = (frames.team_id(number) for number in range(_FIRST, _FIRST + _TEAMS))
    return [loud, *(Subscription(task=_QUIET, types=("message",), bot=one, queue=_QUIET) for one in quiet)]


def _round(report: Report, subject: Subject, holder: Child, events: int) -> None:
    subject.forget(_LOUD, _QUIET)
    slack = subject.slack
    stream = slack.begin("stamped", rate=_RATE, seconds=_SECONDS, first=_FIRST, bots=_TEAMS)
    arrivals = _take(subject, holder, time.monotonic() + _SECONDS / 3)
    began = time.time()
    flood = slack.begin("flood", events=events, first=0, bots=1)
    while subject.length(_LOUD) < events:
        arrivals += _take(subject, holder, time.monotonic() + 0.02)
        if time.time() > began + 60:
            raise BenchError(f"{subject.length(_LOUD)} of {events} events of the flood came")
    ended = time.time()
    while len(arrivals) < round(_RATE * _SECONDS):
        arrivals += _take(subject, holder, time.monotonic() + 0.1)
        if time.time() > began + 60:
            raise BenchError(f"{len(arrivals)} events of the other teams came")
    slack.sent(flood, events)
    slack.wait_for(stream)
    _note(report, arrivals, began, ended)


def _take(subject: Subject, holder: Child, until: float) -> list[Arrival]:
    """Takes the quiet teams' tasks out of their queue as they come, up to a time (monotonic seconds)."""
    found = []
    while (left := until - time.monotonic()) > 0:
        popped = subject.redis.brpop([_QUIET], timeout=max(left, 0.01))
        if popped is not None:
            found.append(Arrival(_time_in(popped[1]), time.time()))
    holder.check()
    return found


def _time_in(message: bytes) -> float:
    """When the load sent the event of a task's message."""
    args, _, _ = json.loads(base64.b64decode(json.loads(message)["body"]))
    return float(args[0]["payload"]["ts"])


def _note(report: Report, arrivals: list[Arrival], began: float, ended: float) -> None:
    during = [one.took for one in arrivals if began <= one.there and one.sent <= ended]
    usual = median([one.took for one in arrivals if one.there < began or one.sent > ended])
    if not during:
        raise BenchError("the flood was over before another team's event came")
    report.add("usual", "ms", usual * 1000)
    report.add("median in the flood", "ms", median(during) * 1000)
    report.add("p99 in the flood", "ms", percentile(during, 0.99) * 1000)
    report.add(LONGEST, "ms", (max(during) - usual) * 1000)
    report.add("flood in the queue after", "ms", (ended - began) * 1000)
