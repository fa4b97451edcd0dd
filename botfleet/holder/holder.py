"""The holder: its parts, put together, and the threads that run them.

    connect-N   open websockets                           (connector.py)
    reactor     all sockets and sessions                  (reactor.py, roster.py)
    publisher   events to the broker                      (publishing/)
    reporter    statuses to the store                     (reporter.py)
    courier     commands from the shards' queues to the reactor
    keeper      leases, heartbeat, what changed in the registry and in the subscriptions

No thread but the keeper, the courier and the reporter touches the store, so that its absence stops no socket.
"""

from __future__ import annotations

import logging
import os
import socket

from ..clock import Clock, wall_clock
from ..errors import SlackError, StoreUnavailable
from ..model import Bot, HolderInfo, Status
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
from .keeper import Keeper
from .ownership import Ownership, SoleOwner
from .reactor import Connection, Reactor, own_frame
from .registry import Registry
from .reporter import Reporter
from .roster import Roster
from .threads import WatchedThread, Watcher

logger = logging.getLogger(__name__)

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
        clock: Clock = wall_clock,
    ) -> None:
        self.name = name
        self._settings = settings
        self._store = store
        self._clock = clock
        self._started_at = clock()
        self._sink = sink
        self.publisher = Publisher(sink, settings.publish_buffer, clock)
        self._reporter = Reporter(store)
        self._connector = Connector(
            SlackApi(settings), seal, settings.connect_workers, settings.connect_timeout, on_death
        )
        self.reactor = Reactor(self, timing_of(settings))
        self._roster = Roster(self.reactor, settings.max_connections)
        self._ownership: Ownership = SoleOwner(store, name, settings.lease_ttl)
        self._registry = Registry(store, self.reactor, self._roster)
        self._courier = Courier(store, self._registry)
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
        """Closes the sockets, pushes what is left, gives the shards back; takes a few seconds at most."""
        self._keeper.close()
        self._courier.close()
        self._connector.stop()
        self._join("courier", "keeper")
        self.reactor.wait(self._say_farewell, timeout=2.0)
        self.reactor.stop()
        self._join("reactor")
        alive = self._threads["publisher"].is_alive()
        if not self.publisher.flush(_FLUSH_TIMEOUT if alive else 0.0):
            logger.error("%s events could not be pushed before the end", self.publisher.unsent)
        self.publisher.close()
        self._reporter.close()
        self._join("publisher", "reporter")
        self._withdraw()
        self._sink.close()

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
        frame, raw = own_frame(emitted)
        bot = connection.bot
        # One generation of a bot dies once, whoever sees it.
        event_id = f"{bot.key}:{emitted.type}:{bot.generation}:{bot.fingerprint}"
        self.publisher.publish_own(connection.origin, frame, raw, event_id)

    def report(self, connection: Connection, report: rtm.Report) -> None:
        now, bot = self._clock(), connection.bot
        status = Status(
            state=report.state,
            since=now,
            holder=self.name,
            error=report.error,
            retry_at=now + report.retry_in if report.retry_in is not None else 0.0,
            generation=bot.generation,
        )
        self._log(bot, report)
        self._reporter.report(bot.key, status)

    # For the keeper

    def route(self) -> None:
        """Takes over the subscriptions from the store."""
        groups = self._store.subscriptions()
        # Two roles may run the same handler; its events are to be published once.
        wanted = {
            (one.task, one.bot, one.kwargs.get("method")): one
            for group in sorted(groups)
            for one in groups[group]
        }
        self.publisher.router = Router(wanted.values())

    def info(self) -> HolderInfo:
        """What this holder says of itself."""
        connections = list(self.reactor.connections.values())
        counters = self.publisher.counters
        return HolderInfo(
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            since=self._started_at,
            shards=len(self._ownership.shards),
            bots=len(connections),
            connected=sum(one.session.phase is rtm.Phase.CONNECTED for one in connections),
            events=counters.events,
            published=counters.published,
            dropped=counters.dropped,
            unsent=self.publisher.unsent,
            malformed=self.reactor.malformed,
            standby=not self._ownership.shards,
            subscriptions=self._keeper.subscriptions,
        )

    # Steps

    def _say_farewell(self) -> None:
        now = self._clock()
        for key, connection in self.reactor.connections.items():
            if connection.session.phase not in (rtm.Phase.IDLE, rtm.Phase.DEAD):
                generation = connection.bot.generation
                gone = Status(state="disconnected", since=now, error="holder stopped", generation=generation)
                self._reporter.report(key, gone)

    def _withdraw(self) -> None:
        try:
            self._ownership.release()
            self._store.withdraw(self.name)
        except StoreUnavailable as exc:
            logger.warning("The store is away; the lease of %s will expire: %s", self.name, exc)

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
