"""What requests need, made once for a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

import anyio
import anyio.to_thread

from ..clock import Clock, wall_clock
from ..fleet import Fleet
from ..monitoring.families import Collector
from ..monitoring.fleet import FleetMetrics
from ..monitoring.process import ProcessMetrics
from ..monitoring.publishers import PublisherMetrics
from ..monitoring.readiness import Readiness, answering
from ..overview import Census, HandlerBook
from ..publishing.publisher import Sink
from ..settings import Settings
from .gateway.gateway import Gateway
from .gateway.metrics import GatewayMetrics

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

P = ParamSpec("P")
T = TypeVar("T")

#: Threads that wait for the store or for Slack: for people and programs, for what Slack sends, for probes.
#: Each kind has its own, so that none waits where others wait in vain.
_THREADS = 40
_GATEWAY_THREADS = 20
_PROBE_THREADS = 2


class Threads:
    """Threads for what blocks; more work than there are threads waits for one of them."""

    def __init__(self, count: int) -> None:
        self._count = count

    @cached_property
    def _limiter(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(self._count)

    async def run(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does what blocks, in a thread. When the request is given up, it still runs to its end."""
        return await anyio.to_thread.run_sync(lambda: do(*args, **kwargs), limiter=self._limiter)


class WebContext:
    """What requests need.

    Args:
        fleet: whose web role it is.
        sink: the broker, for events.
        depths: looks how many messages wait, by queue; blocks.
        open: whether everybody may do everything: on this machine only.
        clock: for ages and expiries.
        broker: returns when the broker answers; blocks.

    Attributes:
        run: does what blocks.
        probe: the same, for looks at whether all is well.
        gateway: takes what Slack sends; whoever serves starts and closes it.
        readiness: whether requests may come; whoever serves says when that is over.
    """

    def __init__(
        self,
        fleet: Fleet,
        sink: Sink,
        depths: Callable[[], Mapping[str, int]] = dict,
        open: bool = False,
        clock: Clock = wall_clock,
        broker: Callable[[], None] = lambda: None,
    ) -> None:
        self.fleet = fleet
        self.sink = sink
        self.depths = depths
        self.open = open
        self.clock = clock
        self.run = Threads(_THREADS).run
        self.gateway = Gateway(fleet, sink, Threads(_GATEWAY_THREADS).run, clock)
        self.probe = Threads(_PROBE_THREADS).run
        self.readiness = Readiness(
            {
                "store": answering(fleet.store.ping),
                "broker": answering(broker),
                "gateway": lambda: "" if self.gateway.is_ready else "not started, or without the store",
            }
        )

    @property
    def settings(self) -> Settings:
        """The fleet's settings."""
        return self.fleet.settings

    @property
    def is_https(self) -> bool:
        """Whether people reach this role by https."""
        return self.settings.web_url.startswith("https:")

    @cached_property
    def census(self) -> Census:
        """All bots, as pages show them."""
        return Census(self.fleet.store, self.clock)

    @cached_property
    def handler_book(self) -> HandlerBook:
        """The handlers, with their rates."""
        return HandlerBook(self.fleet.store)

    @cached_property
    def metrics(self) -> list[Collector]:
        """What this process and the fleet do, in figures."""
        gateway = self.gateway
        return [
            ProcessMetrics("web"),
            FleetMetrics(self.fleet.store),
            GatewayMetrics(gateway.counters),
            PublisherMetrics(gateway.publisher),
        ]


def context_of(connection: HTTPConnection) -> WebContext:
    """The context of a request's app."""
    return cast(WebContext, connection.app.state.context)
