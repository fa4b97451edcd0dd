"""The store: what all processes of a fleet know in common.

`Store` is the interface, made of the parts in `interfaces/`; `memory.py` and `redis.py` implement it, and one
contract suite (`tests/integration/test_store.py`) holds for all of them. Bots and statuses are kept in one
map per shard, so that no command ever touches all of them. The store never sees a bare token:
`Bot.sealed_token` is text that `secrets.Seal` made.
"""

from __future__ import annotations

from abc import abstractmethod

from ..model import shard_of
from .interfaces.caches import Caches
from .interfaces.keyring import Keyring
from .interfaces.leases import Leases
from .interfaces.marks import Marks
from .interfaces.notes import Notes
from .interfaces.records import Records
from .interfaces.registry import BotRegistry
from .interfaces.sending import Sending
from .interfaces.subscriptions import SubscriptionRegister
from .interfaces.timers import TimerBook
from .interfaces.watches import Watches


class Store(
    BotRegistry,
    SubscriptionRegister,
    Sending,
    Leases,
    Caches,
    Watches,
    TimerBook,
    Marks,
    Notes,
    Keyring,
    Records,
):
    """The registry of bots, their statuses, subscriptions, queues of shards, leases, keys, records and marks.

    All methods may raise `StoreUnavailable`. All are safe to call from several threads.
    """

    def __init__(self, shards: int) -> None:
        self.shards = shards

    def shard(self, key: str) -> int:
        """The shard that a bot's key lies in."""
        return shard_of(key, self.shards)

    @abstractmethod
    def ping(self) -> None:
        """Returns when the store answers."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of connections; the store can't be used any more."""
