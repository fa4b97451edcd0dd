"""The holder: its parts, put together, and the threads that run them.

    connect-N   open websockets                           (connector.py)
    reactor     all sockets and sessions                  (reactor.py, roster.py)
    publisher   events to the broker                      (publishing/)
    reporter    statuses, and answers to messages, to the store   (reporter.py)
    courier     commands from the shards' queues to the reactor
    keeper      leases, heartbeat, what changed in the registry and in the subscriptions
    tap         events to those who watch, while somebody does

No thread but the keeper, the courier, the reporter and the tap touches the store, so that its absence stops
no socket.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
import threading
from typing import Any

from ..clock import Clock, wall_clock
from ..errors import SlackError, StoreError
from ..model import Bot, Command, Happening, HolderInfo, Status, shard_of
from ..publishing.publisher import Publisher, Sink
from ..publishing.router import Router
from ..secrets import Seal
from ..settings import Settings
from ..slack import session as rtm
from ..slack.envelope import Origin
from ..slack.frames import Frame
from ..store.base import Store
from ..webapi import SlackApi
from .connector import Connector
from .courier import Courier
from .keeper import Keeper, life_of
from .ownership import Ownership
from .pace import Pace
from .rate import Rate
from .reactor import Connection, Reactor
from .registry import Registry
from .reporter import Reporter
from .roster import Roster
from .tap import Tap
from .teller import Teller
from .threads import WatchedThread, Watcher

logger = logging.getLogger(__name__)

#: The part of `dedupe_ttl` for which a process may be stopped and still publish what it reads then.
_AWAKE = 0.8
#: Seconds without a turn of the reactor after which it is stuck; it has one each five seconds at the least.
_STUCK = 30.0
#: Seconds that `stop` waits for a thread; the courier may be in the midst of a call to the store.
_JOIN_TIMEOUT = 3.0
#: Seconds that `stop` gives the publisher to get rid of what is left.
_FLUSH_TIMEOUT = 3.0


def timing_of(settings: Settings) -> rtm.Timing:
    """The sessions' timing from the settings."""
    return rtm.Timing(
        ping_interval=settings.ping_interval,
        hello_timeout=settings.connect_timeout,
        retry_base=settings.retry_base,
        retry_cap=settings.retry_cap,
        send_buffer=settings.send_buffer,
    )


class Holder:
    """Keeps the sockets of the shards that it owns.

    Args:
        name: the worker's node name.
        settings, store, seal: of the fleet.
        sink: the broker, for events.
        on_death: told when one of the threads dies; the worker should stop then.
        room: bots that it can connect; `max_connections` where not given.
        host: the machine; a shard's replicas are kept on different ones.
        clock: time for statuses.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        store: Store,
        seal: Seal,
        sink: Sink,
        on_death: Watcher,
        room: int | None = None,
        host: str = "",
        clock: Clock = wall_clock,
    ) -> None:
        self.name = name
        room = settings.max_connections if room is None else room
        self._settings = settings
        self._rate = Rate()
        self._store = store
        self._clock = clock
        self._started_at = clock()
        self._host = host or socket.gethostname()
        self._hurried = threading.Event()
        self._sink = sink
        self._ownership = Ownership(
            store,
            name,
            host=self._host,
            replicas=settings.replicas,
            room=room,
            ttl=life_of(settings),
            since=self._started_at,
        )
        self.publisher = Publisher(
            sink,
            settings.publish_buffer,
            clock,
            may_publish_unmarked=self._leads,
            stale_after=_AWAKE * settings.dedupe_ttl,
            is_ours=lambda key: self._ownership.is_ours(shard_of(key, settings.shards)),
        )
        self.tap = Tap(name, store, self.publisher, clock, on_death)
        self._reporter = Reporter(store, self._leads)
        pace = Pace(store, settings.connect_rate, on_death)
        self._connector = Connector(
            SlackApi(settings), seal, settings.connect_workers, settings.connect_timeout, on_death, pace
        )
        self.reactor = Reactor(
            self, timing_of(settings), asleep_after=max(_AWAKE * settings.dedupe_ttl, 10.0)
        )
        self._roster = Roster(self.reactor, room, settings.handover_timeout / 2, name, self._give_back, clock)
        self._registry = Registry(store, self.reactor, self._roster, self.answer)
        self._teller = Teller(self.publisher.publish_own, self._leads)
        self._courier = Courier(store, self._registry, self._tell)
        self._keeper = Keeper(self, store, settings, self._ownership, self._registry, self._courier)
        self._threads = {
            part: WatchedThread(part, body, on_death)
            for part, body in (
                ("reactor", self.reactor.run),
                ("publisher", self.publisher.run),
                ("reporter", self._reporter.run),
                ("courier", self._courier.run),
                ("keeper", self._keeper.run),
            )
        }

    def start(self, worker: object = None) -> None:
        """Starts all threads; returns at once, whether or not store and broker are there."""
        self._connector.start()
        for thread in self._threads.values():
            thread.start()

    def stop(self, worker: object = None) -> None:
        """Gives the shards to others, closes the sockets, and pushes what is left.

        Waits `handover_timeout` for the others to connect the bots; then, or where there is nobody else, it
        takes a few seconds at most.
        """
        self._hand_over()
        self._courier.close()
        self._connector.stop()
        self._join("courier")
        self.reactor.wait(self._say_farewell, timeout=2.0)
        self._courier.flush()
        self.reactor.stop()
        self._join("reactor")
        alive = self._threads["publisher"].is_alive()
        if not self.publisher.flush(_FLUSH_TIMEOUT if alive else 0.0):
            logger.error("%s events could not be pushed before the end", self.publisher.unsent)
        self.publisher.close()
        self._reporter.close()
        self._join("publisher", "reporter")
        # Last: until here it keeps this holder's seats its own, so that it may say how its bots are.
        self._keeper.close()
        self._join("keeper")
        self.tap.close()
        self._withdraw()
        self._sink.close()

    def hurry(self) -> None:
        """Has `stop` wait for nobody."""
        self._hurried.set()
        self._keeper.relieved.set()

    # Surroundings of the reactor

    def connect(self, connection: Connection, number: int) -> None:
        def wanted() -> bool:
            return connection.session.link == number

        def done(result: socket.socket | SlackError) -> None:
            if isinstance(result, SlackError):
                self.reactor.failed(connection, number, result)
            else:
                self.reactor.opened(connection, number, result)

        self._connector.connect(connection.bot, wanted, done)

    def passes_over(self, kind: bytes) -> bool:
        return self.publisher.passes_over(kind)

    def publish(self, origin: Origin, frame: Frame, raw: bytes) -> None:
        self.publisher.publish(origin, frame, raw)

    def emit(self, connection: Connection, emitted: rtm.Emit) -> None:
        self._teller.emit(connection, emitted)

    def report(self, connection: Connection, report: rtm.Report, age: float = 0.0) -> None:
        now, bot = self._clock(), connection.bot
        status = Status(
            state=report.state,
            since=now - age,
            holder=self.name,
            error=report.error,
            retry_at=now + report.retry_in if report.retry_in is not None else 0.0,
            generation=bot.generation,
        )
        if self._leads(bot.key):
            self._log(bot, report)
            self._reporter.report(bot.key, status)
        self._teller.watch(connection, status)

    def answer(self, answered: rtm.Answered) -> None:
        self._reporter.answer(answered.ticket, answered.answer)

    # For the keeper

    def route(self, router: Router) -> None:
        """Publishes events to the handlers that a router finds, from now on."""
        self.publisher.router = router

    def info(self) -> HolderInfo:
        """What this holder says of itself."""
        connections = list(self.reactor.connections.values())
        counters = self.publisher.counters
        return HolderInfo(
            name=self.name,
            host=self._host,
            pid=os.getpid(),
            since=self._started_at,
            shards=len({seat.shard for seat in self._ownership.epochs}),
            led=len({seat.shard for seat in self._ownership.epochs if seat.slot == 0}),
            draining=self._ownership.draining,
            left_out=self._roster.left_out,
            rate=self._rate.of(counters.events),
            bots=len(connections),
            connected=sum(one.session.phase is rtm.Phase.CONNECTED for one in connections),
            events=counters.events,
            published=counters.published,
            dropped=counters.dropped,
            unsent=self.publisher.unsent,
            malformed=self.reactor.malformed,
            standby=not self._ownership.epochs,
            subscriptions=self._keeper.routed,
            copies=counters.copies,
            reconnects={why: times for why, times in self.reactor.reconnects.items() if times},
        )

    @property
    def trouble(self) -> str:
        """What is wrong with its threads; nothing where all of them work."""
        dead = [part for part, thread in self._threads.items() if not thread.is_alive()]
        if dead:
            return f"the {dead[0]}'s thread is not alive"
        stuck = self.reactor.stuck_for
        return f"the reactor has been stuck for {stuck:.0f} s" if stuck > _STUCK else ""

    @property
    def unready(self) -> str:
        """Why it can't be reckoned with; nothing where it can."""
        if self._ownership.draining:
            return "draining"
        return "" if self._keeper.announced else "not announced yet"

    def describe(self, limit: int) -> dict[str, Any]:
        """What this holder's connections are doing, for people; the first so many bots by key."""
        connections = sorted(self.reactor.connections.copy().items())
        return {
            "bots": len(connections),
            "connections": [self._describe(key, connection) for key, connection in connections[:limit]],
        }

    # Steps

    def _describe(self, key: str, connection: Connection) -> dict[str, Any]:
        said = connection.reported
        return {
            "bot": key,
            "shard": shard_of(key, self._settings.shards),
            "leads": self._leads(key),
            "phase": connection.session.phase.value,
            "sockets": len(connection.links),
            "error": said[0].error if said else "",
            "waiting": connection.session.unsent,
        }

    def _hand_over(self) -> None:
        if self._hurried.is_set() or not all(thread.is_alive() for thread in self._threads.values()):
            return
        self._keeper.leave()
        if not self._keeper.relieved.wait(self._settings.handover_timeout):
            logger.warning(
                "Nobody took over all of the shards within %.0f s", self._settings.handover_timeout
            )

    def _leads(self, key: str) -> bool:
        return self._ownership.leads(shard_of(key, self._settings.shards))

    def _tell(self, told: Happening) -> None:
        # On the reactor's thread, as all that is published.
        self.reactor.call(functools.partial(self._teller.tell, told))

    def _give_back(self, commands: list[Command]) -> None:
        self._courier.give_back(commands)

    def _say_farewell(self) -> None:
        self._give_back(self._roster.take_unsent())
        now = self._clock()
        for key, connection in self.reactor.connections.items():
            # A status of "rate_limited" stays: whoever has the bot next reads there how long to wait.
            limited = connection.reported is not None and connection.reported[0].state == "rate_limited"
            if connection.session.phase not in (rtm.Phase.IDLE, rtm.Phase.DEAD) and not limited:
                generation = connection.bot.generation
                gone = Status(state="disconnected", since=now, error="holder stopped", generation=generation)
                self._reporter.report(key, gone)

    def _withdraw(self) -> None:
        try:
            self._ownership.leave()
            self._store.withdraw(self.name)
        except StoreError as exc:
            logger.warning("The store is away; the leases of %s will expire: %s", self.name, exc)

    def _join(self, *parts: str) -> None:
        for part in parts:
            self._threads[part].join(_JOIN_TIMEOUT)

    def _log(self, bot: Bot, report: rtm.Report) -> None:
        quiet = report.state in ("connecting", "connected", "stopped")
        again = "" if report.retry_in is None else f", next attempt in {report.retry_in:.1f} s"
        logger.log(
            logging.INFO if quiet else logging.WARNING,
            "%s is %s%s%s",
            bot.key,
            report.state,
            f": {report.error}" if report.error else "",
            again,
            extra={"action": f"bot.{report.state}", "bot": bot.key, "holder": self.name},
        )
