"""How a fleet's holders share its shards, for people: what is about to move, and giving a holder's away."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from .errors import UsageError
from .holder.placement import Placement
from .store.base import Store
from .store.values import Seat


class Move(NamedTuple):
    """A seat that is not where it should be.

    Attributes:
        seat: the shard, and its slot.
        bots: how many the shard has.
        holder: the name of who has it; empty where nobody has.
        to: the name of who should have it; empty where it is one too many.
    """

    seat: Seat
    bots: int
    holder: str
    to: str


def moves(store: Store, replicas: int) -> Iterator[Move]:
    """What has to move for each seat to be where it should be; the holders see to it by themselves.

    Raises:
        StoreUnavailable: the store is away.
    """
    members = store.members()
    living = {one.owner: one.name for one in members}
    placement = Placement(store.shards, replicas)
    placement.update(members)
    seats = [Seat(*seat) for seat in product(range(store.shards), range(replicas))]
    leases = store.leases(seats)
    found = []
    for seat in seats:
        holder = living.get(leases[seat].owner, "") if seat in leases else ""
        to = "".join(placement.owners(seat.shard)[seat.slot : seat.slot + 1])
        if holder != to:
            found.append((seat, holder, to))
    counts = store.counts([seat.shard for seat, _, _ in found]) if found else []
    return (Move(seat, bots, holder, to) for (seat, holder, to), bots in zip(found, counts, strict=True))


def drain(store: Store, name: str, wanted: bool = True) -> str:
    """Asks a holder to give all of its shards to others, or to take some again.

    Args:
        name: its node name, as `botfleet holders` shows it; or what stands before the `@`.

    Returns:
        Its node name.

    Raises:
        UsageError: no living holder has this name, or several have.
        StoreUnavailable: the store is away.
    """
    members = store.members()
    asked = [one for one in members if name in (one.name, one.name.partition("@")[0])]
    if len({one.name for one in asked}) != 1:
        names = ", ".join(sorted({one.name for one in (asked or members)}))
        problem = "several holders are" if asked else "no living holder is"
        raise UsageError(f"{problem} called {name!r}; there {_is(names)}")
    # One that was started again stands there twice, until it is known that the first one died.
    for one in asked:
        store.ask_to_drain(one.owner, wanted)
    return asked[0].name


def _is(names: str) -> str:
    return f"are {names}" if "," in names else f"is {names}" if names else "is none"
