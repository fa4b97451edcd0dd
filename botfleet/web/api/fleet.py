"""The fleet as a whole: how it is, its holders, handlers and queues."""

from __future__ import annotations

from ... import __version__
from ...errors import BotfleetError, StoreError
from ...overview import holders_of
from ..named import ask_to_drain
from ..problems import LATER, Problem
from .operations import Call, Reply, operation
from .values import (
    BotCounts,
    Drain,
    FleetStatus,
    Handlers,
    HolderCounts,
    Holders,
    Links,
    Queues,
)

_PREFIX = "/api"


@operation("Show where everything is", {200: Links})
def show_links(call: Call[None, None]) -> Reply:
    """Addresses of what there is; it needs no key."""
    return Reply(Links(**{name: f"{_PREFIX}/{_PLACES.get(name, name)}" for name in Links.__struct_fields__}))


_PLACES = {"openapi": "openapi.json"}


@operation("Show how the fleet is", {200: FleetStatus})
def show_status(call: Call[None, None]) -> Reply:
    """Bots by status, holders, and botfleet's version."""
    counted = call.context.census.now()
    holders = call.context.fleet.store.holders()
    return Reply(
        FleetStatus(
            version=__version__,
            at=counted.at,
            bots=BotCounts(total=counted.total, by_status=counted.counts),
            holders=HolderCounts(
                total=len(holders),
                draining=sum(one.draining for one in holders),
                connected=sum(one.connected for one in holders),
                rate=round(sum(one.rate for one in holders), 1),
            ),
        )
    )


@operation("List the holders", {200: Holders})
def list_holders(call: Call[None, None]) -> Reply:
    """The holders that are alive, with what each said of itself lately and the shards that it leads."""
    return Reply(Holders(holders=holders_of(call.context.fleet.store)))


@operation("Drain a holder", {200: Drain}, (404,))
def drain_holder(call: Call[None, None]) -> Reply:
    """Has a holder give its bots to the others, and take none. It goes on running."""
    return _drain(call, True)


@operation("Let a holder take bots again", {200: Drain}, (404,))
def undo_drain(call: Call[None, None]) -> Reply:
    """Takes back that a holder is to be drained."""
    return _drain(call, False)


@operation("List the handlers", {200: Handlers})
def list_handlers(call: Call[None, None]) -> Reply:
    """The handlers that workers have announced, with their counts and their rates in the last minute.

    Rates are null until this process has looked twice.
    """
    return Reply(Handlers(handlers=call.context.handler_book.now()))


@operation("Show the queues", {200: Queues})
def list_queues(call: Call[None, None]) -> Reply:
    """How many messages wait for handlers, by queue."""
    try:
        return Reply(Queues(queues=dict(call.context.depths())))
    except StoreError:
        raise
    except BotfleetError as exc:
        message = "The broker can't be reached just now."
        raise Problem(503, "broker_unavailable", message, retry_after=LATER) from exc


def _drain(call: Call[None, None], wanted: bool) -> Reply:
    asked = ask_to_drain(call.context.fleet.store, call.path["name"], wanted)
    call.log(asked)
    return Reply(Drain(holder=asked, draining=wanted))
