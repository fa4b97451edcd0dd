"""The holders, and who owns what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from ...model import HolderInfo, Member
from ..values import Beat, Handover, Lease, Seat


class Leases(ABC):
    """The holders, and who owns what."""

    @abstractmethod
    def announce(self, holder: HolderInfo, ttl: float) -> None:
        """Says what people are to see of a holder, for `ttl` seconds."""

    @abstractmethod
    def withdraw(self, name: str) -> None:
        """Takes back what was announced of a holder."""

    @abstractmethod
    def holders(self) -> list[HolderInfo]:
        """The holders that are announced, by name."""

    @abstractmethod
    def beat(self, member: Member, ttl: float) -> Beat:
        """Keeps a holder among the living, and its seats its own, for `ttl` seconds by the store's clock."""

    @abstractmethod
    def leave(self, owner: str) -> None:
        """Takes a holder out of the living; its seats are free."""

    @abstractmethod
    def members(self) -> list[Member]:
        """The living holders, by name."""

    @abstractmethod
    def ask_to_drain(self, owner: str, wanted: bool) -> None:
        """Asks a holder to give its seats away, or to take some again; `beat` tells it."""

    @abstractmethod
    def take(self, owner: str, seats: Sequence[Seat]) -> dict[Seat, int]:
        """Takes those of the seats that are free, whose owner is gone, or that are the owner's own already.

        Returns:
            Their epochs. An epoch grows each time a seat changes hands, and never goes back.

        Raises:
            StoreError: `owner` is not alive; it must `beat` first.
        """

    @abstractmethod
    def hand_over(self, owner: str, seats: Mapping[Seat, Handover]) -> set[Seat]:
        """Gives seats to others, or back; returns those that changed hands.

        The others were not the owner's (any more), or who was to get them is gone, or does not claim them.
        """

    @abstractmethod
    def leases(self, seats: Sequence[Seat]) -> dict[Seat, Lease]:
        """Who has these seats, or had them last; seats that nobody ever had are left out."""

    @abstractmethod
    def claim(self, owner: str, seats: Sequence[Seat]) -> None:
        """Says that a holder is ready to take these seats over."""

    @abstractmethod
    def unclaim(self, owner: str, seats: Sequence[Seat]) -> None:
        """Takes claims back, where they still are this owner's."""

    @abstractmethod
    def claims(self) -> dict[Seat, str]:
        """The owners that are ready to take seats over."""
