"""What a large fleet's holders do when one of them comes or goes, by their own code."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import closing

from botfleet.holder.placement import Placement
from botfleet.model import Member, Status
from botfleet.settings import Settings
from botfleet.store.redis import RedisStore

from ..measure import median
from ..processes import wait_until
from ..report import Curve, Report
from ..simulated import SimulatedFleet, bots_by_shard
from ..subject import Subject
from . import Options

TITLE = "200 holders share 131,072 shards with 1,000,000 bots: what moves when one comes or goes"
IMBALANCE, NEEDLESS = "imbalance of bots", "shards moved without need"
_NEWCOMER = "newcomer"
#: Rounds in which nothing happens.
_REST = 20
#: Seconds for which a real holder is watched at rest.
_WINDOW = 5.0
#: Holders of the small fleets that show how many shards a fleet needs, and shards for each holder there.
_SMALL = 20
_SHARES = (10, 30, 100, 300, 1_000)
#: Bots that are weighed.
_WEIGHED = 5_000


def run(options: Options) -> Report:
    """Fleets with other names in each round: names decide who owns what."""
    report = Report("simulate", TITLE)
    holders, shards = options.size(200, 50), options.size(131_072, 32_768)
    bots = bots_by_shard(options.size(1_000_000, 100_000), shards)
    for number in options.times(options.size(2, 1)):
        options.say(f"round {number + 1}: {holders} holders begin")
        names = [f"holder-{number}-{one}@host-{one}" for one in range(holders)]
        _measure(report, SimulatedFleet(names, bots, Settings()), options)
    options.say("with fewer shards")
    _spread(report, options)
    options.say("a real holder with its share of the shards")
    _measure_server(report, shards, holders, sum(bots))
    report.at_most(IMBALANCE, 15.0, max(report.figures[IMBALANCE].values))
    report.at_most(NEEDLESS, 0.0, max(report.figures[NEEDLESS].values))
    report.note(f"{holders} holders, {shards:,} shards, {sum(bots):,} bots; time is simulated, CPU is not")
    report.note(
        "Imbalance: the bots of the fullest holder over the mean, less one; with 20: the median of fleets"
    )
    report.note(
        "A store command is what RedisStore would send; a script counts once, a pipeline as what is in it"
    )
    report.note(
        f"A real holder at rest: with {shards // holders} shards and no bots. The server's commands count "
        "with those that its scripts run, its CPU without what it takes alone"
    )
    report.note("A bot is connected at once: a real fleet moves a shard when its bots are connected")
    return report


def _measure(report: Report, fleet: SimulatedFleet, options: Options) -> None:
    fleet.settle()
    report.add(IMBALANCE, "%", _imbalance(fleet.shares().values()))
    _rest(report, fleet)
    leaver, victim = random.Random(0).sample(list(fleet.holders)[1:], 2)
    options.say("one joins, one leaves, one is killed")
    needless = _follow(report, fleet, _NEWCOMER, "joins", lambda: fleet.add(_NEWCOMER))
    needless += _follow(report, fleet, leaver, "leaves", lambda: fleet.drain(leaver))
    needless += _follow(report, fleet, victim, "is killed", lambda: fleet.kill(victim))
    report.add(NEEDLESS, "shards", needless)


def _spread(report: Report, options: Options) -> None:
    """How even a fleet is by how many shards there are for each holder."""
    points = []
    for share in _SHARES:
        bots = bots_by_shard(_SMALL * 5_000, _SMALL * share)
        found = median([_imbalance_of(bots, number) for number in range(options.size(10, 3))])
        report.add(_with_shards(share), "%", found)
        points.append((float(share), found))
    curve = {f"{_SMALL} holders": points}
    report.curves.append(Curve(IMBALANCE, "shards for each holder", "%", curve, logarithmic=True))


def _imbalance_of(bots: Sequence[int], number: int) -> float:
    """Of a small fleet with bots by shard; each number has other names."""
    placement = Placement(len(bots))
    names = [f"holder-{one}@host-{number}" for one in range(_SMALL)]
    placement.update([Member(name=name, owner=name) for name in names])
    return _imbalance([sum(bots[shard] for shard in placement.seats(name)) for name in names])


def _with_shards(share: int) -> str:
    return f"{IMBALANCE}, {_SMALL} holders, {share} shards for each"


def _imbalance(shares: Collection[int]) -> float:
    """The greatest over the mean, less one; per cent."""
    return 100 * (max(shares) * len(shares) / sum(shares) - 1)


def _rest(report: Report, fleet: SimulatedFleet) -> None:
    fleet.run(2)
    commands, rounds = fleet.store.commands, len(fleet.first.cpu)
    fleet.run(_REST)
    seconds = _REST * fleet.interval
    report.add("store commands at rest", "1/s", (fleet.store.commands - commands) / seconds)
    report.add("CPU of a round at rest", "ms", 1000 * median(fleet.first.cpu[rounds:]))


def _follow(report: Report, fleet: SimulatedFleet, who: str, what: str, change: Callable[[], None]) -> int:
    """Has the fleet settle after a change of one holder; returns the shards that moved between others."""
    before, commands, rounds = fleet.owners(), fleet.store.commands, len(fleet.first.cpu)
    count = len(fleet.holders)
    change()
    took = fleet.settle()
    moves = [(was, now) for was, now in zip(before, fleet.owners(), strict=True) if was != now]
    report.add(
        f"shards moved, one {what}, over 1/N",
        "x",
        len(moves) * max(count, len(fleet.holders)) / fleet.store.shards,
    )
    report.add(f"until settled, one {what}", "s", took)
    at_rest = report.value("store commands at rest") * took
    report.add(f"store commands for it, one {what}", "commands", fleet.store.commands - commands - at_rest)
    report.add(f"longest round's CPU, one {what}", "ms", 1000 * max(fleet.first.cpu[rounds:]))
    return sum(who not in move for move in moves)


def _measure_server(report: Report, shards: int, holders: int, bots: int) -> None:
    """What a real server has to do for one holder, for one bot, and for a question about all shards."""
    share = shards // holders
    with Subject(shards=share) as subject:
        alone = subject.server_load(_WINDOW)
        holder = subject.start_holder()
        wait_until(
            "the holder has all shards", lambda: subject.store.holders()[0].shards == share, 30.0, 0.1, holder
        )
        load = subject.server_load(_WINDOW)
        report.add("server's commands, a real holder at rest", "1/s", load.commands)
        report.add("server's CPU, a real holder at rest", "ms/s", 1000 * (load.cpu - alone.cpu))
        holder.kill()
        _ask_all(report, subject, shards)
        _weigh(report, subject, _WEIGHED * shards // bots)


def _ask_all(report: Report, subject: Subject, shards: int) -> None:
    with closing(RedisStore.from_url(subject.settings.store_url, shards)) as store:
        began, cpu = time.monotonic(), subject.server_cpu()
        store.counts()
        report.add("asking for the size of each shard", "s", time.monotonic() - began)
        report.add("server's CPU, asking for the size of each shard", "s", subject.server_cpu() - cpu)


def _weigh(report: Report, subject: Subject, shards: int) -> None:
    """Weighs bots with their statuses, as many in a shard as in the whole fleet."""
    with closing(RedisStore.from_url(subject.settings.store_url, shards)) as store:
        before = subject.redis.info("memory")["used_memory"]
        connected = Status(state="connected", since=time.time(), holder="holder@host", generation=1)
        made = {bot.key: bot for bot in map(subject.make_bot, range(_WEIGHED))}
        for key, bot in made.items():
            store.change_bot(key, lambda old, bot=bot: bot)  # type: ignore[misc]
        store.put_statuses(dict.fromkeys(made, connected))
        used = subject.redis.info("memory")["used_memory"] - before
        report.add("server's memory for a bot", "bytes", used / _WEIGHED)
