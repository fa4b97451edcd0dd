"""How long bots are away whose holder is killed outright."""

from __future__ import annotations

import time

from botfleet.settings import Settings

from ..processes import Child, wait_until
from ..report import Report
from ..subject import Subject
from . import Options

TITLE = "one of three holders killed outright, 1,000 bots: until the last of its bots is connected again"
BACK, OTHERS = "until the last bot is back", "others' sockets that broke"
_NAMES = ("one", "two", "three")
#: Seconds that are allowed beyond the lease.
_ALLOWED = 10.0


def run(options: Options) -> Report:
    """Kills one holder after the other; each time the fleet is whole again before."""
    report = Report("failover", TITLE)
    bots = options.size(1_000, 300)
    # Subject leaves the limit of connects away; here it is part of what is measured.
    with Subject(connect_rate=Settings().connect_rate) as subject:
        fleet = _Fleet(subject, options)
        fleet.begin(bots)
        for number in options.times(options.size(2, 1)):
            name = _NAMES[number % len(_NAMES)]
            options.say(f"round {number + 1}: {name} is killed")
            fleet.heal()
            _measure(report, fleet, name)
        settings = subject.settings
    report.at_most(BACK, settings.lease_ttl + _ALLOWED, max(report.figures[BACK].values))
    report.at_most(OTHERS, 0.0, max(report.figures[OTHERS].values))
    report.note(f"{bots:,} bots, {settings.shards} shards; lease_ttl {settings.lease_ttl:g} s")
    report.note(
        f"The ideal is lease_ttl, and then the holder's bots at connect_rate {settings.connect_rate:g}/s"
    )
    return report


class _Fleet:
    """Three holders and what they hold."""

    def __init__(self, subject: Subject, options: Options) -> None:
        self.subject = subject
        self.bots = 0
        self._options = options
        self._holders: dict[str, Child] = {}

    def begin(self, bots: int) -> None:
        """Starts all of it; holders first, so that nothing has to move."""
        self.subject.subscribe()
        self.heal()
        self._options.say(f"{bots:,} bots")
        self.subject.add_bots(bots)
        self.bots = bots
        self._wait()

    def heal(self) -> None:
        """Starts the holders that are not there, and waits until all is in its place."""
        for name in _NAMES:
            if name not in self._holders:
                self._holders[name] = self.subject.worker("holder", "-n", f"{name}@%h")
        self._wait()

    def kill(self, name: str) -> float:
        """Kills a holder outright; returns when, monotonic seconds."""
        killed = time.monotonic()
        self._holders.pop(name).kill()
        return killed

    def _wait(self) -> None:
        child = next(iter(self._holders.values()))
        wait_until("all is in its place", self._is_whole, 90 + self.bots / 20, 0.2, child)

    def _is_whole(self) -> bool:
        found = self.subject.store.holders()
        return (
            len(found) == len(_NAMES)
            and all(one.shards for one in found)
            and sum(one.shards for one in found) == self.subject.settings.shards
            and sum(one.bots for one in found) == sum(one.connected for one in found) == self.bots
            and self.subject.slack.status()["sockets"] == self.bots
        )


def _measure(report: Report, fleet: _Fleet, name: str) -> None:
    subject, slack = fleet.subject, fleet.subject.slack
    member = next(one for one in subject.store.members() if one.name.startswith(f"{name}@"))
    bots = next(one.bots for one in subject.store.holders() if one.name == member.name)
    report.add("bots of the killed holder", "bots", bots)
    slack.reset()
    killed = fleet.kill(name)
    wait_until(
        "its lease expires",
        lambda: all(one.owner != member.owner for one in subject.store.members()),
        3 * subject.settings.lease_ttl,
    )
    report.add("until its lease expired", "s", time.monotonic() - killed)
    slack.wait_for_sockets(fleet.bots, 60 + bots / 10)
    seen = slack.status()
    report.add("until the first bot is sought", "s", seen["first_request"] - killed)
    report.add(BACK, "s", seen["last_opened"] - killed)
    ideal = subject.settings.lease_ttl + bots / subject.settings.connect_rate
    report.add(f"{BACK}, over the ideal", "x", (seen["last_opened"] - killed) / ideal)
    report.add(OTHERS, "sockets", seen["closed"] - bots)
