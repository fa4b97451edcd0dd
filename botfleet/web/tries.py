"""How often something may be tried: counted in the store, so for all web processes together."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from starlette.requests import Request

from ..store.base import Store


class Tries(NamedTuple):
    """So many tries within a window are let through.

    Attributes:
        name: what is tried; begins the counter's name in the store.
        most: tries of one address, or of all together.
        window: seconds.
    """

    name: str
    most: int
    window: float = 60.0

    def count(self, store: Store, address: str = "") -> int:
        """Counts one more; returns how many there were within the window. Blocks.

        Args:
            store: of the fleet.
            address: whose tries are counted, from `address_of`; empty where all are counted together.

        Raises:
            StoreError: the store is away.
        """
        return store.hits(f"{self.name}:{address}" if address else self.name, self.window)

    def are_over(self, store: Store, address: str = "") -> bool:
        """Counts one more; returns whether that is too many. Takes and raises what `count` does."""
        return self.count(store, address) > self.most


def address_of(request: Request) -> str:
    """Where a request comes from: an IPv4 address, or the network that an IPv6 one's owner has."""
    try:
        address = ipaddress.ip_address(request.client.host if request.client else "")
    except ValueError:
        return "an unknown address"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))
