"""Holders, and who owns what, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..clock import Clock, wall_clock
from ..errors import StoreError
from ..model import HolderInfo, Member
from .memory_base import MemoryBase
from .values import Beat, Handover, Lease, Seat


class MemoryHolders(MemoryBase):
    """The living holders, what they say of themselves, and their seats."""

    def __init__(self, shards: int, clock: Clock = wall_clock) -> None:
        super().__init__(shards, clock)
        self._members: dict[str, tuple[bytes, float]] = {}
        self._members_version = 0
        self._term = 0
        self._drains: set[str] = set()
        self._leases: dict[Seat, Lease] = {}
        self._claims: dict[Seat, str] = {}
        self._holders: dict[str, tuple[bytes, float]] = {}

    def announce(self, holder: HolderInfo, ttl: float) -> None:
        with self._held():
            self._holders[holder.name] = (self._row(holder), self._clock() + ttl)

    def withdraw(self, name: str) -> None:
        with self._held():
            self._holders.pop(name, None)

    def holders(self) -> list[HolderInfo]:
        with self._held():
            now = self._clock()
            self._holders = {name: held for name, held in self._holders.items() if held[1] > now}
            return self._read_holders(row for row, _ in self._holders.values())

    def beat(self, member: Member, ttl: float) -> Beat:
        row = self._row(member)
        with self._held():
            renewed = self._lives(member.owner)
            gone = [one for one in self._members if one != member.owner and not self._lives(one)]
            for one in gone:
                del self._members[one]
                self._drains.discard(one)
            if gone or self._members.get(member.owner, (b"", 0.0))[0] != row:
                self._members_version += 1
            self._members[member.owner] = (row, self._clock() + ttl)
            drain = member.owner in self._drains
            return Beat(renewed, self._members_version, self._term, len(self._claims), drain)

    def leave(self, owner: str) -> None:
        with self._held():
            if self._members.pop(owner, None) is not None:
                self._drains.discard(owner)
                self._members_version += 1

    def members(self) -> list[Member]:
        with self._held():
            return self._read_members(row for owner, (row, _) in self._members.items() if self._lives(owner))

    def ask_to_drain(self, owner: str, wanted: bool) -> None:
        with self._held():
            (self._drains.add if wanted else self._drains.discard)(owner)

    def take(self, owner: str, seats: Sequence[Seat]) -> dict[Seat, int]:
        with self._held():
            if not self._lives(owner):
                raise StoreError(f"NOTALIVE {owner}")
            return {seat: epoch for seat in seats if (epoch := self._take(owner, seat))}

    def _take(self, owner: str, seat: Seat) -> int:
        held = self._leases.get(seat, Lease("", 0))
        if held.owner == owner:
            return held.epoch
        if self._lives(held.owner):
            return 0
        self._leases[seat] = Lease(owner, max(held.epoch + 1, int(self._clock() * 1000)))
        return self._leases[seat].epoch

    def hand_over(self, owner: str, seats: Mapping[Seat, Handover]) -> set[Seat]:
        with self._held():
            return {seat for seat, handover in seats.items() if self._hand_over(owner, seat, handover)}

    def _hand_over(self, owner: str, seat: Seat, handover: Handover) -> bool:
        epoch, to = handover
        if self._leases.get(seat) != Lease(owner, epoch):
            return False
        if to and not (self._claims.get(seat) == to and self._claims.pop(seat) and self._lives(to)):
            return False
        self._leases[seat] = Lease(to, epoch + 1 if to else epoch)
        return True

    def leases(self, seats: Sequence[Seat]) -> dict[Seat, Lease]:
        with self._held():
            return {seat: self._leases[seat] for seat in seats if seat in self._leases}

    def claim(self, owner: str, seats: Sequence[Seat]) -> None:
        with self._held():
            self._claims.update(dict.fromkeys(seats, owner))

    def unclaim(self, owner: str, seats: Sequence[Seat]) -> None:
        with self._held():
            for seat in seats:
                if self._claims.get(seat) == owner:
                    del self._claims[seat]

    def claims(self) -> dict[Seat, str]:
        with self._held():
            return dict(self._claims)

    def forget_owners(self) -> None:
        """Loses members, leases and claims, as a server that was emptied; for tests."""
        with self._held():
            self._members, self._leases, self._claims = {}, {}, {}
            self._term += 1
            self._members_version += 1

    def _lives(self, owner: str) -> bool:
        return owner in self._members and self._members[owner][1] > self._clock()
