"""The faults, and what must hold for each."""

from __future__ import annotations

import signal
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress

from botfleet.store.values import Seat

from ..processes import BenchError, wait_until
from .account import Said
from .fleet import Call, Fleet
from .proxy import Proxy
from .run import Run, Scenario

#: By name, in the order in which `all` plays them.
SCENARIOS: dict[str, Scenario] = {}
#: Seconds for which an event may have been in the hands of a holder that was killed, and is lost with it.
_IN_HAND = 0.5
#: What a lease, a member and a subscription are in Redis.
_FLUSHED = (
    "botfleet:leases",
    "botfleet:claims",
    "botfleet:members*",
    "botfleet:holders",
    "botfleet:holder:*",
    "botfleet:subscriptions*",
)


def scenario(name: str, title: str) -> Callable[[Callable[[Run], None]], Callable[[Run], None]]:
    """Gives a body its name and title."""

    def add(body: Callable[[Run], None]) -> Callable[[Run], None]:
        SCENARIOS[name] = Scenario(name, title, body)
        return body

    return add


# Planned


@scenario("rolling-restart", "3 holders are restarted by SIGTERM, one after the other")
def rolling_restart(run: Run) -> None:
    with run.fleet(run.size(), "a", "b", "c") as fleet:
        with run.load(fleet):
            ends = [_restart(run, fleet, name) for name in ("a", "b", "c")]
        run.account(fleet)
    run.report.add("holders that ended with 0", "", ends.count(0))
    run.none("missed", "doubled")
    run.report.at_least("holders that ended with 0", len(ends))


def _restart(run: Run, fleet: Fleet, name: str) -> int:
    began = time.monotonic()
    [status] = fleet.stop_holders(name)
    run.report.add("a holder's end", "s", time.monotonic() - began)
    fleet.start_holders(name)
    fleet.settle()
    run.say(f"{name} was restarted, {time.monotonic() - began:.1f} s")
    return status


@scenario("scale", "1 holder becomes 4, then 2, by SIGTERM to two at once")
def scale(run: Run) -> None:
    # As over a long way, where each connection takes a quarter of a second.
    delay = run.seconds(0.02, 0.0)
    with run.fleet(run.size(delay=delay), "a") as fleet:
        with run.load(fleet):
            fleet.start_holders("b", "c", "d")
            fleet.settle()
            run.say("there are 4 holders")
            ends = fleet.stop_holders("a", "c")
            fleet.settle()
        run.account(fleet)
    run.report.add("holders that ended with 0", "", ends.count(0))
    run.none("missed", "doubled")
    run.report.at_least("holders that ended with 0", len(ends))


# Outright


@scenario("kill", "one of 3 holders is killed outright; every shard is in one holder")
def kill(run: Run) -> None:
    with run.fleet(run.size(), "a", "b", "c") as fleet:
        holder_of, node = fleet.holder_of(), fleet.holders["b"].node
        with run.load(fleet):
            at = fleet.kill_holder("b")
            bound = fleet.size.lease_ttl + 10.0
            run.time("all bots back", lambda: fleet.sockets() == fleet.size.bots, 2 * bound, at)
            fleet.settle()
            connects = fleet.connects(at)
        account = run.account(fleet)
    returned = _first_of(connects)
    outside = [one for one in account.missed if not _in_gap(one, at, holder_of, node, returned)]
    touched = {call.team for call in connects if holder_of[call.team] != node}
    run.report.add("bots of the killed one", "", list(holder_of.values()).count(node))
    run.report.add("bots of others that connected anew", "", len(touched))
    run.report.add("missed outside of the gap", "events", len(outside))
    run.none("bots of others that connected anew", "missed outside of the gap", "doubled")
    run.report.at_most("all bots back", bound)


def _first_of(calls: Sequence[Call]) -> dict[str, float]:
    """When each team called first."""
    return {call.team: call.at for call in reversed(calls)}


def _in_gap(
    one: Said, killed: float, holder_of: dict[str, str], node: str, returned: dict[str, float]
) -> bool:
    """Whether an event of a killed holder's bot came between the kill and the bot's return."""
    return holder_of[one.team] == node and killed - _IN_HAND <= one.at <= returned.get(one.team, one.at)


@scenario("kill-replicas", "one of 3 holders is killed outright; every shard is in two holders")
def kill_replicas(run: Run) -> None:
    with run.fleet(run.size(replicas=2), "a", "b", "c") as fleet:
        with run.load(fleet):
            at = fleet.kill_holder("b")
            run.time("two sockets for each bot again", fleet.is_settled, 90.0, at)
        run.account(fleet)
    run.none("missed", "doubled")
    run.report.at_most("two sockets for each bot again", run.size().lease_ttl + 10.0)


# Gone for a while


@scenario("pause", "one of 3 holders is stopped by SIGSTOP, then goes on")
def pause(run: Run) -> None:
    with run.fleet(run.size(), "a", "b", "c") as fleet:
        before = fleet.owners()
        with run.load(fleet):
            fleet.holders["b"].send(signal.SIGSTOP)
            taken = _wait_in_silence(run, fleet, before, "b")
            fleet.holders["b"].send(signal.SIGCONT)
            fleet.settle()
        run.account(fleet)
    run.report.add("seats that others took", "", taken)
    run.none("doubled")
    run.report.at_least("seats that others took", 1)


@scenario("cut", "one of 3 holders is cut from Redis, half-open, and healed; every shard is in one holder")
def cut(run: Run) -> None:
    _cut(run, 1, Proxy.heal)
    run.none("missed of those heard", "doubled")


@scenario("cut-replicas", "one of 3 holders is cut from Redis, half-open, and healed; every shard is in two")
def cut_replicas(run: Run) -> None:
    _cut(run, 2, _heal_by_reset)
    run.none("missed", "doubled")


def _heal_by_reset(way: Proxy) -> None:
    """What was under way is lost; else it arrives when everybody has given it up."""
    way.reset()
    way.heal()


def _cut(run: Run, replicas: int, heal: Callable[[Proxy], None]) -> None:
    with run.fleet(run.size(replicas=replicas), "a", "b", "c") as fleet:
        before = fleet.owners()
        with run.load(fleet):
            fleet.holders["b"].to_redis.half_open()
            taken = _wait_in_silence(run, fleet, before, "b")
            heal(fleet.holders["b"].to_redis)
            fleet.settle()
        run.account(fleet)
    run.report.add("seats that others took", "", taken)
    run.report.at_least("seats that others took", 1)


def _wait_in_silence(run: Run, fleet: Fleet, before: dict[Seat, str], name: str) -> int:
    """Waits while a holder is away; gives how many of the seats that it had are another's by the end."""
    node = fleet.holders[name].node

    def count() -> int:
        owners = fleet.owners()
        return sum(owners.get(seat, node) != node for seat, owner in before.items() if owner == node)

    time.sleep(run.seconds(30.0, 3.0))
    with suppress(BenchError):  # Then the goal says that there were none.
        wait_until("others took seats", lambda: count() > 0, 2 * fleet.size.lease_ttl)
    return count()


# The surroundings


@scenario("slack-restart", "the sandbox is killed and started again with all bots")
def slack_restart(run: Run) -> None:
    size = run.size(bots=120 if run.quick else 2000, direct=True)
    ideal = size.bots / size.connect_rate
    with run.fleet(size, "a", "b", "c") as fleet:
        with run.load(fleet):
            pass
        fleet.kill_sandbox()
        time.sleep(run.seconds(5.0, 1.0))
        fleet.start_sandbox()
        began = time.time()
        run.time("all bots back", lambda: fleet.sockets() >= size.bots, 4 * ideal, began)
        connects = fleet.connects()
        fleet.settle()
        with run.load(fleet):
            pass
        run.account(fleet)
    run.report.add("connects in one second, most", "", most_in_a_second([call.at for call in connects]))
    run.report.add("connects", "", len(connects))
    run.none("missed of those heard", "doubled")
    run.report.at_most("connects in one second, most", size.connect_rate)
    run.report.at_most("all bots back", 2 * ideal)


def most_in_a_second(times: Sequence[float]) -> int:
    """The greatest number of times in any window of one second.

    >>> most_in_a_second([0.0, 0.5, 0.9, 1.0, 1.4, 3.0])
    4
    """
    ordered = sorted(times)
    return max((bisect_left(ordered, at + 1.0) - n for n, at in enumerate(ordered)), default=0)


@scenario("redis-restart", "Redis is killed under load and started again with its append-only file")
def redis_restart(run: Run) -> None:
    with run.fleet(run.size(), "a", "b", "c") as fleet:
        before = fleet.owners()
        opened = fleet.control.counts()["connections_opened"]
        # Celery loses what is on its way to a worker when Redis dies, and this is about the way there.
        fleet.stop_handler()
        with run.load(fleet):
            fleet.kill_server()
            time.sleep(run.seconds(15.0, 3.0))
            fleet.start_server()
            began = time.time()
            run.time(
                "owned as before",
                lambda: fleet.owners() == before and fleet.is_owned(),
                4 * fleet.size.lease_ttl,
                began,
            )
            fleet.start_handler()
            fleet.settle()
            opened = fleet.control.counts()["connections_opened"] - opened
        run.account(fleet)
    run.report.note("No handler runs while Redis is away and shortly after: gap and delay are its absence")
    run.report.add("sockets opened", "", opened)
    run.none("missed of those heard", "doubled")
    run.report.at_most("owned as before", fleet.size.lease_ttl)


@scenario("flush", "the keys of leases, members and subscriptions are deleted")
def flush(run: Run) -> None:
    with run.fleet(run.size(), "a", "b", "c") as fleet:
        with run.load(fleet):
            began = time.time()
            fleet.forget(*_FLUSHED)
            bound = 2 * fleet.size.check_interval
            healed = lambda: fleet.knows_subscriptions() and fleet.is_owned()  # noqa: E731
            run.time("healed", healed, 4 * bound, began)
            fleet.settle()
        run.account(fleet)
    run.none("doubled")
    run.report.at_most("healed", bound)
