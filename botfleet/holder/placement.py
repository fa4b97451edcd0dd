"""Which holder should own which seat: rendezvous hashing of the shards over the holders that are alive.

A seat is a shard and a slot: slot 0 is the shard's first owner, the others (with `replicas` above 1) hold
the same bots beside it. No I/O: each holder reckons all seats by itself, and all that see the same members
come to the same result, whatever they saw before. Who does own a seat, its lease says.
"""

from __future__ import annotations

import hashlib
import operator
import sys
from array import array
from collections.abc import Collection, Iterable, Mapping
from itertools import compress, repeat
from typing import NamedTuple

from ..model import Member

#: A holder's place among those that want a shard: (-weight, name), the best is the least.
_Rank = tuple[int, str]


def weights(name: str, shards: int) -> array[int]:
    """A holder's weights for the first so many shards; whoever has the greatest should own the shard.

    They are the first bytes of SHAKE-128 over the name in UTF-8, eight for each shard, low byte first. So any
    language can reckon them, one call makes all, and those of fewer shards begin those of more.

    >>> [f"{weight:016x}" for weight in weights("holder@one", 2)]
    ['c1860d117a0ff6fc', '2d67c5926b40c629']
    """
    made = array("Q", hashlib.shake_128(name.encode()).digest(8 * shards))
    if sys.byteorder == "big":
        made.byteswap()
    return made


def seated(ranks: Iterable[_Rank], hosts: Mapping[str, str]) -> list[_Rank]:
    """Puts those that want a shard, given from the best on, into the order in which they get its seats.

    The best of each host come before all others, so that no host has two seats before each has one.

    >>> seated([(-9, "a"), (-7, "b"), (-4, "c")], {"a": "one", "b": "one", "c": "two"})
    [(-9, 'a'), (-4, 'c'), (-7, 'b')]
    """
    firsts: list[_Rank] = []
    others: list[_Rank] = []
    used: set[str] = set()
    for rank in ranks:
        host = hosts[rank[1]]
        (others if host in used else firsts).append(rank)
        used.add(host)
    return firsts + others


class _Standing(NamedTuple):
    """What counts of a name."""

    host: str
    declines: frozenset[int]


_Standings = dict[str, _Standing]


class Placement:
    """The seats that each holder should own.

    Kept are those who have seats, with their weights. A holder that joins is compared with these; where one
    leaves, its own shards are reckoned anew. Nothing else is needed: who has no seat of a shard changes
    nothing there by leaving, and who has one keeps it until somebody better joins.

    >>> ann, bob, eve = (Member(name=name, owner=name, host=name) for name in ("ann", "bob", "eve"))
    >>> placement = Placement(shards=6, replicas=2)
    >>> placement.update([ann, bob])
    >>> [placement.owners(shard) for shard in range(3)]
    [('ann', 'bob'), ('bob', 'ann'), ('ann', 'bob')]
    >>> placement.update([ann, bob, eve])
    >>> [placement.owners(shard) for shard in range(3)]
    [('ann', 'eve'), ('bob', 'ann'), ('ann', 'eve')]
    >>> placement.seats("eve")
    {0: 1, 2: 1, 5: 0}

    Args:
        shards: how many there are.
        replicas: seats of each.
    """

    def __init__(self, shards: int, replicas: int = 1) -> None:
        self._shards = shards
        self._replicas = replicas
        # As last given, so that a call that brings nothing new costs next to nothing.
        self._members: list[Member] = []
        self._standings: _Standings = {}
        self._hosts: dict[str, str] = {}
        # By shard, who has its seats, by slot; and the same with weights.
        self._owners: list[tuple[str, ...]] = [()] * shards
        self._ranks: list[tuple[_Rank, ...]] = [()] * shards
        # Shards with the same owners share one tuple: less memory to search in `seats`, five times as fast.
        self._same: dict[tuple[str, ...], tuple[str, ...]] = {}
        # By shard, the weight that a newcomer must reach to change anything there (but see `_crowded`).
        self._bars = array("Q", bytes(8 * shards))
        # Shards with two seats on one host, which whoever comes from another host changes.
        self._crowded: set[int] = set()
        # What `seats` found since the last change.
        self._found: dict[str, dict[int, int]] = {}

    def update(self, members: Collection[Member]) -> None:
        """Takes over who is alive; several members of one name (a holder that was restarted) count once."""
        given = sorted(members, key=operator.attrgetter("owner"))
        if given == self._members:
            return
        self._members = given
        before, after = self._standings, self._standings_of(given)
        if before != after:
            self._standings = after
            self._hosts = {name: standing.host for name, standing in after.items()}
            self._found.clear()
            self._same.clear()
            self._change(before, after)

    def owners(self, shard: int) -> tuple[str, ...]:
        """The names that should own a shard, by slot.

        Fewer than `replicas` where there are too few holders, none where nobody can.
        """
        return self._owners[shard]

    def seats(self, name: str) -> dict[int, int]:
        """The seats that a holder should own: its slot by shard."""
        if name not in self._found:
            owned = map(operator.contains, self._owners, repeat(name))
            shards = compress(range(self._shards), owned)
            self._found[name] = {shard: self._owners[shard].index(name) for shard in shards}
        return self._found[name].copy()

    def _standings_of(self, members: Iterable[Member]) -> _Standings:
        """Those that take shards. Of members with one name, all must decline a shard to keep it away."""
        found: _Standings = {}
        for member in members:
            if member.draining:
                continue
            # With one seat for each shard hosts mean nothing: let it be the same for all.
            host = member.host if self._replicas > 1 else ""
            declines = frozenset(shard for shard in member.declines if 0 <= shard < self._shards)
            if member.name in found:
                declines &= found[member.name].declines
            found[member.name] = _Standing(host, declines)
        return found

    def _change(self, before: _Standings, after: _Standings) -> None:
        staying = {name for name in before.keys() & after.keys() if before[name].host == after[name].host}
        vacant = self._vacate(before, after, staying)
        # Hosts of which somebody has had every shard offered that is given out.
        settled: set[str] = set()
        for name in (*staying, *(after.keys() - staying)):
            host, declines = after[name]
            wanted = vacant | before[name].declines if name in staying else range(self._shards)
            shards = set(wanted) - declines if declines else wanted
            if shards:
                self._offer(name, shards, apart=host not in settled)
            if not declines:
                settled.add(host)

    def _vacate(self, before: _Standings, after: _Standings, staying: set[str]) -> set[int]:
        """Empties the shards that somebody must give up, and returns them."""
        vacant: set[int] = set()
        if gone := before.keys() - staying:
            vacant = {shard for shard, owners in enumerate(self._owners) if not gone.isdisjoint(owners)}
        for name in staying:
            for shard in after[name].declines - before[name].declines:
                if name in self._owners[shard]:
                    vacant.add(shard)
        for shard in vacant:
            self._owners[shard] = ()
            self._ranks[shard] = ()
            self._bars[shard] = 0
        self._crowded -= vacant
        return vacant

    def _offer(self, name: str, shards: Collection[int], apart: bool) -> None:
        """Gives a holder those of the shards that it should own; `apart`: perhaps the first from its host."""
        heavy, bars = weights(name, max(shards) + 1), self._bars
        if len(shards) == self._shards:
            shards = range(self._shards)
            enough = map(operator.ge, heavy, bars)
        else:
            enough = map(operator.ge, map(heavy.__getitem__, shards), map(bars.__getitem__, shards))
        wanted = set(compress(shards, enough))
        if apart:
            wanted |= self._crowded.intersection(shards)
        for shard in wanted:
            self._settle(shard, (-heavy[shard], name))

    def _settle(self, shard: int, newcomer: _Rank) -> None:
        """Gives out a shard's seats among those who have them and one more."""
        ranks = sorted((*self._ranks[shard], newcomer))
        if self._replicas > 1:
            ranks = self._spread(shard, ranks)
        del ranks[self._replicas :]
        self._ranks[shard] = tuple(ranks)
        names = tuple([name for _, name in ranks])
        self._owners[shard] = self._same.setdefault(names, names)
        self._bars[shard] = -max(ranks)[0] if len(ranks) == self._replicas else 0

    def _spread(self, shard: int, ranks: list[_Rank]) -> list[_Rank]:
        ranks = seated(ranks, self._hosts)
        used = [self._hosts[name] for _, name in ranks[: self._replicas]]
        if len(set(used)) < len(used):
            self._crowded.add(shard)
        else:
            self._crowded.discard(shard)
        return ranks
