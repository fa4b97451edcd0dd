"""Holders in Redis, and who owns what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..model import HolderInfo, Member
from .redis_base import RedisBase, milliseconds, parts
from .values import Beat, Handover, Lease, Seat

#: Seats per script call, so that one call takes less than a millisecond.
SEATS_PER_CALL = 500


class RedisHolders(RedisBase):
    """The living holders, what they own, and what people see of them."""

    def announce(self, holder: HolderInfo, ttl: float) -> None:
        keys = [self._own("holder", holder.name), self._own("holders")]
        self._script("announce", keys, [holder.name, self._row(holder), milliseconds(ttl)], again=True)

    def withdraw(self, name: str) -> None:
        commands = [("ZREM", self._own("holders"), name), ("DEL", self._own("holder", name))]
        self._together(commands, again=True)

    def holders(self) -> list[HolderInfo]:
        names = self._script("holders", [self._own("holders")], [], again=True)
        if not names:
            return []
        rows = self._do("MGET", *(self._own("holder", name.decode()) for name in names), again=True)
        return self._read_holders(row for row in rows if row is not None)

    def beat(self, member: Member, ttl: float) -> Beat:
        keys = [*self._member_keys(), self._own("leases"), self._own("claims"), self._own("drains")]
        args = [member.owner, self._row(member), milliseconds(ttl)]
        renewed, version, term, claims, drain = self._script("beat", keys, args, again=False)
        return Beat(bool(renewed), version, term, claims, bool(drain))

    def leave(self, owner: str) -> None:
        self._script("leave", [*self._member_keys(), self._own("drains")], [owner], again=True)

    def members(self) -> list[Member]:
        return self._read_members(self._script("members", self._member_keys()[:2], [], again=True))

    def ask_to_drain(self, owner: str, wanted: bool) -> None:
        words = ("HSET", self._own("drains"), owner, 1) if wanted else ("HDEL", self._own("drains"), owner)
        self._do(*words, again=True)

    def take(self, owner: str, seats: Sequence[Seat]) -> dict[Seat, int]:
        keys = [self._own("leases"), self._own("members")]
        taken = {}
        for part in parts(seats, SEATS_PER_CALL):
            epochs = self._script("take", keys, [owner, *map(str, part)], again=True)
            taken.update({seat: epoch for seat, epoch in zip(part, epochs, strict=True) if epoch})
        return taken

    def hand_over(self, owner: str, seats: Mapping[Seat, Handover]) -> set[Seat]:
        keys = [self._own("leases"), self._own("members"), self._own("claims")]
        given: set[Seat] = set()
        for part in parts(list(seats), SEATS_PER_CALL):
            triples = [word for seat in part for word in (str(seat), *seats[seat])]
            done = self._script("hand_over", keys, [owner, *triples], again=False)
            given.update(seat for seat, one in zip(part, done, strict=True) if one)
        return given

    def leases(self, seats: Sequence[Seat]) -> dict[Seat, Lease]:
        found: dict[Seat, Lease] = {}
        for part in parts(seats, SEATS_PER_CALL):
            rows = self._do("HMGET", self._own("leases"), *map(str, part), again=True)
            found.update({seat: _lease(row) for seat, row in zip(part, rows, strict=True) if row})
        return found

    def claim(self, owner: str, seats: Sequence[Seat]) -> None:
        for part in parts(seats, SEATS_PER_CALL):
            pairs = [word for seat in part for word in (str(seat), owner)]
            self._do("HSET", self._own("claims"), *pairs, again=True)

    def unclaim(self, owner: str, seats: Sequence[Seat]) -> None:
        for part in parts(seats, SEATS_PER_CALL):
            self._script("unclaim", [self._own("claims")], [owner, *map(str, part)], again=True)

    def claims(self) -> dict[Seat, str]:
        found = self._do("HGETALL", self._own("claims"), again=True)
        return {Seat.parse(seat.decode()): owner.decode() for seat, owner in found.items()}

    def _member_keys(self) -> list[str]:
        return [self._own("members"), self._own("members", "rows"), self._own("members", "version")]


def _lease(row: bytes) -> Lease:
    epoch, _, owner = row.decode().partition(" ")
    return Lease(owner, int(epoch))
