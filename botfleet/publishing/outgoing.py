"""What is on its way to the broker: single events, and bundles for batch handlers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..model import Subscription

#: What an event weighs in memory beside its bytes (objects, deque, subscriptions), bytes; measured.
_OVERHEAD = 600


class Outgoing(NamedTuple):
    """One event on its way: a message for each subscription."""

    id: str
    envelope: bytes
    received_at: float
    #: The queue for subscriptions that name none.
    queue: str
    subscriptions: Sequence[Subscription]
    #: Events of one lane keep their order: it is the bot's key.
    lane: str = ""
    #: Where its one handler is an ordered one: the lane (`ordered.lane_of`) that it is handled in.
    ordered_lane: str = ""

    @property
    def event_count(self) -> int:
        """Events in it."""
        return 1

    @property
    def work(self) -> int:
        """What it costs the broker, in messages of one event."""
        return len(self.subscriptions)

    @property
    def weight(self) -> int:
        """Bytes of memory that it takes."""
        return len(self.envelope) + _OVERHEAD

    @property
    def size(self) -> int:
        """Bytes that its messages carry."""
        return len(self.envelope) * len(self.subscriptions)


class Bundle(NamedTuple):
    """Events that one message carries to a batch handler."""

    subscription: Subscription
    queue: str
    events: tuple[Outgoing, ...]

    @property
    def lane(self) -> str:
        """Bundles of one lane keep their order."""
        return self.subscription.task

    @property
    def ordered_lane(self) -> str:
        """None: a batch handler is not an ordered one."""
        return ""

    @property
    def event_count(self) -> int:
        """Events in it."""
        return len(self.events)

    @property
    def work(self) -> int:
        """What it costs the broker, in messages of one event."""
        return len(self.events)

    @property
    def weight(self) -> int:
        """Bytes of memory that it takes."""
        return sum(event.weight for event in self.events)

    @property
    def size(self) -> int:
        """Bytes that its message carries."""
        return sum(len(event.envelope) for event in self.events)


def mark_of(event: Outgoing, subscription: Subscription | None = None) -> str:
    """What tells that an event was pushed: to all its handlers at once, or to one of them.

    Also for an event whose copies have other ids: a push whose answer was lost is tried again. It names the
    bot, too: ids that came by HTTP are what the sender says, and one app's are not to hush another's.
    """
    lane = event.lane
    name = event.id if not lane or event.id.startswith(f"{lane}:") else f"{lane}:{event.id}"
    if subscription is None:
        if not event.ordered_lane:
            return name
        subscription = event.subscriptions[0]
    method = subscription.kwargs.get("method")
    return f"{name}:{subscription.task}:{method}" if method else f"{name}:{subscription.task}"
