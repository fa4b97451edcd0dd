"""Which shards a holder holds, and which of them it leads: decided together with all other holders.

Rendezvous hashing (`placement.py`) says who *should* have a seat, a lease in the store who *does*. Slot 0
leads its shard: it reports statuses, takes what waits in the shard's queue, and publishes what carries no
time of its own. With `replicas` above 1 further holders sit beside it.

A planned move is made before it is broken: who should have a seat holds the shard's bots, and says so
(`claim`) once they are connected; its owner hands it over; then the owner lets go. A seat whose owner is gone
is taken at once. A holder's seats are its own for as long as it beats: by its own clock, which began to count
before the store's did, it stops to lead before anybody else can begin.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import msgspec

from ..clock import MonotonicClock, monotonic_clock
from ..errors import StoreError
from ..model import Member
from ..store.base import Store
from ..store.values import Beat, Handover, Lease, Seat
from .placement import Placement

#: Of its room a holder uses so much before it takes shards again that it declined.
_ROOM_AGAIN = 0.95

NOTHING: frozenset[int] = frozenset()


#: Given shards, and those among them whose owner waits for its end, says which are ready to be taken over.
Ready = Callable[[Collection[int], Collection[int]], Collection[int]]


class Holdings(NamedTuple):
    """What a holder is to do.

    Attributes:
        held: shards whose bots it connects.
        led: those of them that it leads.
    """

    held: frozenset[int] = NOTHING
    led: frozenset[int] = NOTHING


class Ownership:
    """One holder's part in sharing the shards out.

    Driven by one thread (`tick`); `leads` is for any.

    Args:
        store: where the leases are.
        name, host: the holder's.
        replicas: seats of each shard.
        room: bots that the holder can take.
        ttl: seconds for which it is alive without a beat.
        since: when it started, unix seconds: of two with one name the older one has the better right.
        clock: monotonic.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        host: str = "",
        replicas: int = 1,
        room: int = 10_000,
        ttl: float = 10.0,
        since: float = 0.0,
        clock: MonotonicClock = monotonic_clock,
    ) -> None:
        self._store = store
        self._ttl = ttl
        self._clock = clock
        self._room = room
        # A holder that was killed and started again has the same name and yet is another owner.
        self._me = Member(name=name, owner=f"{name}/{uuid.uuid4().hex[:12]}", host=host, since=since)
        self._placement = Placement(store.shards, replicas)
        self._members: dict[str, Member] = {}
        #: What the store said last: about the members, and about the leases.
        self._seen: Beat | None = None
        # Owners that were alive before the store was away, and until when they are taken for alive still.
        self._former: dict[str, Member] = {}
        self._former_until = 0.0
        self._store_was_away = False
        #: The seats that are this holder's, by the last that it knows, with their epochs.
        self._epochs: dict[Seat, int] = {}
        # Seats that were asked for, perhaps without hearing the answer.
        self._asked: set[Seat] = set()
        # Who has the seats that this holder wants.
        self._owners: dict[Seat, str] = {}
        # Whether somebody may have taken some of them meanwhile.
        self._doubtful = False
        self._left = False
        #: Another living holder of this name, with the better right to it.
        self.rival: Member | None = None
        #: How often this holder had to find out what is still its own.
        self.doubts = 0
        self._claimed: set[Seat] = set()
        self._claimed_at = clock()
        # Bots of shards that are not here, and when they were counted.
        self._counts: dict[int, int] = {}
        self._counted_at = clock()
        self._valid_until = clock()
        self._led = NOTHING
        #: Gives away what it has and takes nothing: asked for by people, or by the holder's own end.
        self.leaving = False

    @property
    def owner(self) -> str:
        """What the leases say where this holder has one."""
        return self._me.owner

    @property
    def draining(self) -> bool:
        """Whether it takes nothing new."""
        return self._me.draining

    @property
    def epochs(self) -> Mapping[Seat, int]:
        """The seats that are this holder's, with their epochs."""
        return self._epochs

    @property
    def is_moving(self) -> bool:
        """Whether it waits for others to hand seats over."""
        return bool(self._claimed)

    @property
    def is_alone(self) -> bool:
        """Whether there is nobody who could take anything over."""
        return not any(one.owner != self.owner and not one.draining for one in self._members.values())

    @property
    def is_valid(self) -> bool:
        """Whether this holder's seats are its own for sure."""
        return self._clock() < self._valid_until

    def leads(self, shard: int) -> bool:
        """Whether this holder leads a shard now, for sure."""
        return shard in self._led and self.is_valid

    def is_ours(self, shard: int) -> bool | None:
        """Whether this holder leads a shard; None while it does not know for sure."""
        if self.leads(shard):
            return True
        return None if self._doubtful or not self.is_valid else False

    def tick(
        self,
        ready: Ready,
        loaded: Mapping[int, int],
    ) -> Holdings:
        """Beats, and takes, claims and hands over seats.

        Args:
            ready: says which of some shards have all their bots connected here.
            loaded: bots by shard, of those that are held here now.

        Raises:
            StoreError: what is held stays so, and what is led as long as that is valid.
        """
        try:
            self._beat()
            self._look_at_members(loaded)
            self._take_free()
            self._claim(ready)
            self._hand_over()
        except StoreError:
            self.doubt()
            raise
        wanted = self._my_seats()
        self._led = frozenset(seat.shard for seat in self._epochs if seat.slot == 0)
        return Holdings(frozenset(seat.shard for seat in self._epochs) | wanted.keys(), self._led)

    def doubt(self) -> None:
        """The store was away: nothing is known, and what was asked for last may have been done or not."""
        self._store_was_away = self._doubtful = True

    def leave(self) -> None:
        """Gives everything back, at the end.

        Raises:
            StoreError: others take it when its time is over.
        """
        self._left = True
        self._led = NOTHING
        self._epochs.clear()
        self._store.unclaim(self.owner, list(self._claimed))
        self._store.leave(self.owner)

    # Steps

    def _beat(self) -> None:
        started = self._clock()
        if self._left:
            raise StoreError("this holder has left")
        lapsed = started >= self._valid_until
        beat = self._store.beat(self._me, self._ttl)
        lost = self._seen is not None and (lapsed or not beat.renewed or beat.term != self._seen.term)
        if lost or self._store_was_away:
            self._doubtful = True
            self._spare_the_silent(started)
        wants_drain = self.leaving or beat.drain
        if wants_drain != self._me.draining:
            self._me = _replace(self._me, draining=wants_drain)
            beat = self._store.beat(self._me, self._ttl)._replace(renewed=beat.renewed)
        seen = self._seen
        if seen is None or beat.members != seen.members or beat.term != seen.term:
            self._members = {one.owner: one for one in self._store.members()}
        self._seen = beat
        if self._doubtful:
            self._make_sure()
        self._valid_until = started + self._ttl

    def _spare_the_silent(self, now: float) -> None:
        """Others could not beat either while the store was away (or emptied): they are given time to."""
        self._former = {**self._former, **self._members}
        self._former_until = now + self._ttl
        self._store_was_away = False

    def _make_sure(self) -> None:
        """Finds out which seats are still this holder's."""
        self._led = NOTHING
        perhaps = list(self._epochs.keys() | self._asked)
        self._epochs = self._store.take(self.owner, perhaps) if perhaps else {}
        self._asked.clear()
        if self._claimed:
            self._take_back(list(self._claimed))
        self._doubtful = False
        self.doubts += 1

    def _look_at_members(self, loaded: Mapping[int, int]) -> None:
        alive = self._alive()
        self._placement.update(alive)
        declines = self._choose(loaded)
        if declines != self._me.declines:
            self._me = _replace(self._me, declines=declines)
            self._placement.update([self._me if one.owner == self.owner else one for one in alive])

    def _alive(self) -> list[Member]:
        if self._former and self._clock() >= self._former_until:
            self._former.clear()
        known = {**self._former, **self._members, self.owner: self._me}
        self.rival = min(
            (
                one
                for one in self._members.values()
                if one.name == self._me.name and not one.draining and _right(one) < _right(self._me)
            ),
            key=_right,
            default=None,
        )
        return list(known.values())

    def _choose(self, loaded: Mapping[int, int]) -> tuple[int, ...]:
        """The shards for which there is no room here, and that somebody else may take."""
        seats = self._placement.seats(self._me.name)
        asked = {*seats, *self._me.declines}
        self._count([shard for shard in asked if shard not in loaded])
        sizes = {shard: loaded.get(shard, self._counts.get(shard, 0)) for shard in asked}
        if sum(sizes.values()) <= self._room * (_ROOM_AGAIN if self._me.declines else 1.0):
            return ()
        others = [one for one in self._members.values() if one.owner != self.owner and not one.draining]
        free, declined = self._room, []
        # What is here already stays rather than what is not.
        for shard in sorted(asked, key=lambda shard: (shard not in loaded, shard)):
            if sizes[shard] <= free:
                free -= sizes[shard]
            elif any(shard not in one.declines for one in others):
                declined.append(shard)
        return tuple(sorted(declined))

    def _count(self, shards: Collection[int]) -> None:
        """Asks how many bots shards have that are not here."""
        now = self._clock()
        if now - self._counted_at > self._ttl:
            self._counts.clear()
            self._counted_at = now
        unknown = [shard for shard in shards if shard not in self._counts]
        if unknown:
            self._counts.update(zip(unknown, self._store.counts(unknown), strict=True))

    def _wanted(self) -> list[Seat]:
        """The seats that should be this holder's and are not."""
        seats = self._my_seats()
        return [seat for shard, slot in seats.items() if (seat := Seat(shard, slot)) not in self._epochs]

    def _my_seats(self) -> dict[int, int]:
        """The seats that this holder should have; they may be meant for another one of its name."""
        if self.rival is not None or self._me.draining:
            return {}
        return self._placement.seats(self._me.name)

    def _take_free(self) -> None:
        """Takes the seats that should be this holder's and whose owner is gone."""
        wanted = self._wanted()
        leases = self._store.leases(wanted) if wanted else {}
        self._owners = {seat: lease.owner for seat, lease in leases.items()}
        free = [seat for seat in wanted if self._is_free(leases.get(seat))]
        if free:
            self._asked.update(free)
            self._epochs |= self._store.take(self.owner, free)
            self._asked.clear()
        # A claim is taken away with the handover, but not where the former owner died before it.
        if done := self._claimed & self._epochs.keys():
            self._store.unclaim(self.owner, list(done))
            self._claimed -= done

    def _is_free(self, lease: Lease | None) -> bool:
        if lease is None or lease.owner == self.owner:
            return True
        return lease.owner not in self._members and lease.owner not in self._former

    def _claim(self, ready: Ready) -> None:
        """Says which seats of others could be taken over, now that the bots are connected here too."""
        wanted = set(self._wanted())
        if stale := self._claimed - wanted:
            self._take_back(list(stale))
        waiting = [seat for seat in wanted if seat not in self._claimed]
        pressing = {seat.shard for seat in waiting if self._is_leaving(self._owners.get(seat, ""))}
        connected = set(ready({seat.shard for seat in waiting}, pressing)) if waiting else set()
        claimed = {seat for seat in waiting if seat.shard in connected}
        now = self._clock()
        if now - self._claimed_at >= self._ttl:
            # Once more, should a claim have got lost.
            claimed |= self._claimed
            self._claimed_at = now
        if claimed:
            self._claimed |= claimed
            self._store.claim(self.owner, list(claimed))

    def _is_leaving(self, owner: str) -> bool:
        member = self._members.get(owner)
        return member is not None and member.draining

    def _take_back(self, stale: list[Seat]) -> None:
        """Takes claims back; a seat that was handed over just before is this holder's all the same."""
        self._store.unclaim(self.owner, stale)
        leases = self._store.leases(stale).items()
        self._epochs |= {seat: lease.epoch for seat, lease in leases if lease.owner == self.owner}
        self._claimed.difference_update(stale)

    def _hand_over(self) -> None:
        """Gives seats to those who should have them and are ready."""
        claims = self._store.claims() if self._seen and self._seen.claims else {}
        given = {
            seat: Handover(epoch, claims.get(seat, ""))
            for seat, epoch in self._epochs.items()
            if (seat in claims and self._may_have(seat, claims[seat])) or self._is_useless(seat)
        }
        for seat, owner in claims.items():
            if seat not in given and owner not in self._members and owner not in self._former:
                self._store.unclaim(owner, [seat])
        if not given:
            return
        # Before it is asked for: from then on the other may lead.
        self._led -= {seat.shard for seat in given if seat.slot == 0}
        gone = self._store.hand_over(self.owner, given)
        for seat in gone:
            del self._epochs[seat]
        if len(gone) < len(given):
            self.doubts += 1  # Of some shards nobody spoke for a moment.

    def _is_useless(self, seat: Seat) -> bool:
        """Whether a seat beside the leader is one too many: there are fewer holders than replicas."""
        return seat.slot > 0 and 0 < len(self._placement.owners(seat.shard)) <= seat.slot

    def _may_have(self, seat: Seat, owner: str) -> bool:
        """Whether a seat is to go to who claims it; also where that one is gone, for then the claim goes."""
        member = self._members.get(owner)
        owners = self._placement.owners(seat.shard)
        return member is None or (len(owners) > seat.slot and owners[seat.slot] == member.name)


def _right(member: Member) -> tuple[float, str]:
    """What decides between two holders of one name; the lower one goes first."""
    return member.since, member.owner


def _replace(member: Member, **changes: object) -> Member:
    return msgspec.structs.replace(member, **changes)
