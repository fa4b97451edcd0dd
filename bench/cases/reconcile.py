"""What it costs to keep a large fleet in line with its registry."""

from __future__ import annotations

import time
from collections.abc import Iterable
from time import process_time as process_cpu
from typing import Any

import msgspec

from botfleet.fleet import Fleet
from botfleet.model import HolderInfo, Status
from botfleet.reconcile import Reconciler
from botfleet.secrets import Seal

from .. import frames
from ..measure import cpu_seconds
from ..processes import Child, wait_until
from ..report import Report
from ..subject import Subject
from . import Options

TITLE = "one round over 100,000 bots of which 100 changed"
CPU, LONGEST = "CPU, reconcile and holder", "longest single store command"
CHANGED = 100
_HOLDER = "bench@nowhere"


def run(options: Options) -> Report:
    """Beat's side and the holder's side of a round, each as it really runs."""
    report = Report("reconcile", TITLE)
    bots = options.size(100_000, 10_000)
    with Subject(check_interval=3600) as subject:
        options.say(f"{bots:,} bots")
        subject.add_bots(bots)
        for number in options.times():
            options.say(f"round {number + 1}")
            measure(report, subject, bots)
    with Subject(check_interval=3600) as subject:
        options.say("the holder's side")
        holder = stand_by(subject, bots)
        for _ in options.times():
            _follow(report, subject, holder)
    _add_up(report)
    report.at_most(CPU, 2.0)
    report.at_most(LONGEST, 20.0, max(report.figures[LONGEST].values))
    report.note("A round of beat's looks at some bots in rotation; the holder sees each change by itself")
    report.note(f"{bots:,} bots; a store command's time is the server's, by SLOWLOG")
    return report


def measure(report: Report, subject: Subject, bots: int) -> None:
    """Reconciler.run over bots that are all connected, by what the store says."""
    _announce(subject, bots)
    change(subject, range(0, bots, max(1, bots // CHANGED)))
    fleet = Fleet(subject.settings, store=subject.store, seal=Seal(subject.settings.secret_keys))
    _watch_commands(subject.redis)
    cpu, began = process_cpu(), time.monotonic()
    done = Reconciler(fleet).run()
    report.add("CPU, reconcile", "s", process_cpu() - cpu)
    report.add("duration, reconcile", "s", time.monotonic() - began)
    report.add(LONGEST, "ms", _longest_command(subject.redis))
    report.add("bots that a round looks at", "bots", done.looked_at)
    _look_at_all(report, Reconciler(fleet), bots)


def _look_at_all(report: Report, reconciler: Reconciler, bots: int) -> None:
    """So many rounds that every bot has had its turn."""
    cpu, seen = process_cpu(), 0
    while seen < bots:
        seen += reconciler.run().looked_at
    report.add("CPU, rounds until each bot was looked at", "s", process_cpu() - cpu)


def change(subject: Subject, numbers: Iterable[int]) -> None:
    """Changes bots as a program that renames their teams would."""
    for number in list(numbers)[:CHANGED]:
        bot = msgspec.structs.replace(subject.make_bot(number), team_name=f"Changed {time.time()}")
        subject.store.change_bot(bot.key, lambda old, bot=bot: _keep(old, bot))  # type: ignore[misc]


def _keep(old: Any, bot: Any) -> Any:
    return bot if old is None else msgspec.structs.replace(old, team_name=bot.team_name)


def _announce(subject: Subject, bots: int) -> None:
    """A holder that lives, and has all bots connected."""
    subject.store.announce(HolderInfo(name=_HOLDER, bots=bots, connected=bots), ttl=600)
    connected = Status(state="connected", since=time.time(), holder=_HOLDER, generation=1)
    keys = [frames.team_id(number) for number in range(bots)]
    for start in range(0, bots, 10_000):
        subject.store.put_statuses(dict.fromkeys(keys[start : start + 10_000], connected))


def stand_by(subject: Subject, bots: int) -> Child:
    """A holder that holds so many bots, all of them stopped: a process has not that many sockets."""
    for number in range(bots):
        subject.put_bot(msgspec.structs.replace(subject.make_bot(number), desired="stopped"))
    subject.subscribe()
    holder = subject.worker("holder")
    wait_until(
        "the holder has taken all bots",
        lambda: any(one.bots >= bots for one in subject.store.holders()),
        120.0,
        0.5,
        holder,
    )
    _rest(holder)
    return holder


def _follow(report: Report, subject: Subject, holder: Child) -> None:
    """The holder takes over changes; what it does anyway in that time is taken off."""
    seconds = 4.0
    _watch_commands(subject.redis)
    before = cpu_seconds(holder.pid)
    time.sleep(seconds)
    between = cpu_seconds(holder.pid)
    change(subject, range(CHANGED))
    time.sleep(seconds)
    after = cpu_seconds(holder.pid)
    report.add("CPU, holder takes over", "s", max(0.0, (after - between) - (between - before)))
    report.add(LONGEST, "ms", _longest_command(subject.redis))


def _rest(holder: Child) -> None:
    """Waits until the holder has nothing more to do."""
    seen = [cpu_seconds(holder.pid)]

    def calm() -> bool:
        seen.append(cpu_seconds(holder.pid))
        return seen[-1] - seen[-2] < 0.1

    wait_until("the holder has nothing to do", calm, 60.0, 2.0, holder)


def _add_up(report: Report) -> None:
    for one, other in zip(
        report.figures["CPU, reconcile"].values, report.figures["CPU, holder takes over"].values, strict=True
    ):
        report.add(CPU, "s", one + other)


def _watch_commands(client: Any) -> None:
    """Has the server note how long each command takes."""
    client.config_set("slowlog-log-slower-than", 0)
    client.config_set("slowlog-max-len", 100_000)
    client.slowlog_reset()


def _longest_command(client: Any) -> float:
    """The longest since then, milliseconds."""
    noted = client.slowlog_get(100_000)
    client.config_set("slowlog-log-slower-than", 1_000_000)
    return max((entry["duration"] for entry in noted if not _is_own(entry)), default=0) / 1000.0


def _is_own(entry: dict[str, Any]) -> bool:
    return bytes(entry["command"]).startswith((b"SLOWLOG", b"CONFIG"))
