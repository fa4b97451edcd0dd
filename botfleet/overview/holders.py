"""The holders, as people see them."""

from __future__ import annotations

from itertools import product

import msgspec

from ..model import HolderInfo, fields_of
from ..store.base import Store
from ..store.values import Seat


class HolderView(msgspec.Struct, frozen=True, kw_only=True):
    """A holder that is alive, as it last said.

    Attributes:
        name: its node name.
        host, pid: where it runs.
        since: when it started, unix seconds.
        state: in a word or two, see `holder_state`.
        draining: it gives its shards away.
        shards: how many it has.
        led: how many of those it leads: whose bots' statuses it reports.
        leads: which those are, by number.
        bots, connected: how many bots those shards have, and how many sockets are open.
        left_out: bots that it has no room for.
        rate: events a second that it read lately.
        events, published, dropped, unsent, malformed: events since it started: read, published as tasks,
            dropped for want of room, waiting to be published, and not understood.
    """

    name: str
    host: str
    pid: int
    since: float
    state: str
    draining: bool
    shards: int
    led: int
    leads: list[int]
    bots: int
    connected: int
    left_out: int
    rate: float
    events: int
    published: int
    dropped: int
    unsent: int
    malformed: int


def holders_of(store: Store) -> list[HolderView]:
    """The holders that are alive, by name.

    Raises:
        StoreError: the store is away.
    """
    leads: dict[str, list[int]] = {}
    names = {one.owner: one.name for one in store.members()}
    leases = store.leases([Seat(*seat) for seat in product(range(store.shards), (0,))])
    for seat, lease in sorted(leases.items()):
        if lease.owner in names:
            leads.setdefault(names[lease.owner], []).append(seat.shard)
    return [_view(one, leads.get(one.name, [])) for one in store.holders()]


def _view(holder: HolderInfo, leads: list[int]) -> HolderView:
    said = fields_of(holder)
    known = {name: said[name] for name in HolderView.__struct_fields__ if name in said}
    return HolderView(**known, state=holder_state(holder), leads=leads)


def holder_state(holder: HolderInfo) -> str:
    """What is to be said of a holder in a word or two.

    >>> holder_state(HolderInfo(name="a")), holder_state(HolderInfo(name="a", draining=True))
    ('holds', 'draining')
    """
    if holder.draining:
        return "drained" if holder.standby else "draining"
    if holder.left_out:
        return f"full: {holder.left_out} left out"
    return "standby" if holder.standby else "holds"
