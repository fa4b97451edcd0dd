"""What handlers need of the process that they run in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..clock import Clock, wall_clock
from ..secrets import Seal
from ..settings import Settings
from ..store.base import Store
from ..webapi import SlackApi
from .recent import Recent
from .tally import Tally

if TYPE_CHECKING:
    # Handlers of a bot that orders nothing need no Redis.
    from ..publishing.ordered import OrderedLanes


class DirectMessages:
    """The direct message channels that this process has opened, by bot and user; bounded."""

    MOST = 10_000

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[tuple[str, str], str] = {}

    def get(self, key: str, user: str) -> str | None:
        """The channel, where it is known."""
        with self._lock:
            return self._channels.get((key, user))

    def put(self, key: str, user: str, channel: str) -> None:
        """Notes a channel; the oldest one goes when there are too many."""
        with self._lock:
            self._channels[key, user] = channel
            if len(self._channels) > self.MOST:
                del self._channels[next(iter(self._channels))]


@dataclass(frozen=True, kw_only=True)
class HandlerContext:
    """One per process; shared by all its handlers and threads.

    Attributes:
        store: where the bots are.
        seal: opens their tokens.
        settings: of the fleet.
        api: Slack's Web API.
        clock: decides which events are too old.
        lanes: of ordered handlers; None where no Redis is at hand for them.
        sleep: waits for a turn to send.
        direct_messages: channels opened so far.
        recent: what was looked up in directories a moment ago.
        tally: counts what becomes of events and of what is sent; None counts nothing that is sent.
    """

    store: Store
    seal: Seal
    settings: Settings
    api: SlackApi
    clock: Clock = wall_clock
    lanes: OrderedLanes | None = None
    sleep: Callable[[float], None] = time.sleep
    direct_messages: DirectMessages = field(default_factory=DirectMessages, repr=False)
    recent: Recent = field(default_factory=Recent, repr=False)
    tally: Tally | None = None
