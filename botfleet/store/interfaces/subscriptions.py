"""What handlers want to hear."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ...model import Subscription


class SubscriptionRegister(ABC):
    """What handlers want to hear."""

    @abstractmethod
    def put_subscriptions(self, group: str, subscriptions: Sequence[Subscription]) -> None:
        """Replaces all subscriptions of a group (a role's handlers, or one bot's listeners)."""

    @abstractmethod
    def subscriptions(self) -> dict[str, tuple[Subscription, ...]]:
        """All subscriptions by group."""

    @abstractmethod
    def subscriptions_version(self) -> int:
        """Grows with each change of the subscriptions."""
