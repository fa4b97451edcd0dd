"""The gateway as a whole: its addresses, and the two threads beside the loop."""

from __future__ import annotations

import functools
import logging
import socket
import threading

from starlette.types import ASGIApp, Receive, Scope, Send

from ...apps import SlackApp
from ...clock import Clock, wall_clock
from ...errors import StoreError
from ...fleet import Fleet
from ...holder.rate import Rate
from ...holder.tap import Tap
from ...holder.threads import WatchedThread, Watcher
from ...publishing.confirmed import ConfirmedPublisher
from ...publishing.publisher import Sink
from ...sampling import HTTP_COUNTER
from ..blocking import Run
from .bodies import Reader
from .counters import Counters
from .directory import Directory
from .endpoint import Endpoint
from .handling import Handling
from .signature import Signed

logger = logging.getLogger(__name__)

#: Seconds between two looks at what has changed in the store.
_LOOK = 0.5
#: Seconds that a thread has to end.
_JOIN_TIMEOUT = 3.0


class Gateway:
    """Takes what Slack sends by HTTP.

    Args:
        fleet: whose bots are served, and whose Slack apps.
        sink: the broker.
        run: does what blocks, in a thread.
        clock: the time that signatures and events are measured by.

    Attributes:
        publisher: takes the events.
        counters: what came, and what became of it.
        endpoints: by the paths of all apps that are known here.
        dead: the name of the thread that died; empty while all is well.
    """

    def __init__(self, fleet: Fleet, sink: Sink, run: Run, clock: Clock = wall_clock) -> None:
        self.counters = Counters()
        self.publisher = ConfirmedPublisher(sink, fleet.store, clock=clock)
        self.dead = ""
        self._store = fleet.store
        self._clock = clock
        self._directory = Directory(fleet.store, run)
        handling = Handling(fleet, self.publisher, self._directory, self.counters, run)
        self.endpoints: dict[str, Endpoint] = {}
        reader = Reader()
        for namespace, app in fleet.settings.slack_apps.items():
            made = self._endpoints_of(app, handling, reader)
            self.endpoints |= {f"{path}/{namespace}": one for path, one in made.items() if namespace}
            if namespace == fleet.settings.namespace:
                self.endpoints |= made
        self._tap = Tap(f"web@{socket.gethostname()}", fleet.store, self.publisher, clock, self._die)
        self._rate = Rate()
        self._on_death: Watcher = lambda name, exc: None
        self._closing = threading.Event()
        self._store_away = False
        # So much of what was received the store has been told of.
        self._told = 0
        self._threads = [
            WatchedThread("confirmed-publisher", self.publisher.run, self._die),
            WatchedThread("gateway-look", self._follow, self._die),
        ]

    @property
    def is_ready(self) -> bool:
        """Whether events can be taken, as far as this process goes."""
        return self.publisher.router is not None and all(thread.is_alive() for thread in self._threads)

    def rate(self) -> float:
        """Events, slash commands and interactive payloads a second, lately; to be asked now and then."""
        return self._rate.of(self.counters.received)

    def start(self, on_death: Watcher) -> None:
        """Starts its threads; returns at once, whether or not store and broker are there.

        Args:
            on_death: told when one of them dies; the process should end then.
        """
        self._on_death = on_death
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Ends its threads; what waits for the broker is pushed before that."""
        self._closing.set()
        self.publisher.close()
        self._tap.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_JOIN_TIMEOUT)

    def look(self) -> None:
        """Takes over what has changed in the store: what handlers want, the bots, and who watches.

        Raises:
            StoreError: what was known holds.
        """
        self.publisher.look()
        self._directory.look()
        self._tap.look(self._store.watches())

    # Steps

    def _endpoints_of(self, app: SlackApp, handling: Handling, reader: Reader) -> dict[str, Endpoint]:
        signed = Signed(app.signing_secret, self._clock) if app.signing_secret.strip() else None
        kinds = {"events": handling.event, "commands": handling.command, "interactive": handling.interaction}
        return {
            f"/slack/{kind}": Endpoint(
                signed,
                functools.partial(handle, app.namespace),
                self.counters,
                reader,
                forms=kind != "events",
            )
            for kind, handle in kinds.items()
        }

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                self.look()
                self._tell_count()
                self._store_away = False
            except StoreError as exc:
                if not self._store_away:
                    logger.error("The store is away: %s", exc, extra={"action": "store.away"})
                self._store_away = True
            self._closing.wait(_LOOK)

    def _tell_count(self) -> None:
        """Tells the store how much has come, for the fleet's samples."""
        received = self.counters.received
        if received > self._told:
            self._store.advance(HTTP_COUNTER, received - self._told)
            self._told = received

    def _die(self, name: str, exc: BaseException) -> None:
        self.dead = name
        self._on_death(name, exc)


class Shortcut:
    """Leads what is for the gateway there, past all that is for people, and the rest to the app behind it."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self._app = app
        self._endpoints = gateway.endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] == "http" and scope["method"] == "POST":
            endpoint = self._endpoints.get(scope["path"])
            if endpoint is not None:
                await endpoint(scope, receive, send)
                return
        await self._app(scope, receive, send)
