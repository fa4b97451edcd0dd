"""The courier: from the queues of the owned shards to the sockets and to the publisher."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable

from ..errors import StoreError, StoreUnavailable
from ..model import Command, Happening
from ..store.base import Store
from .registry import Registry

logger = logging.getLogger(__name__)

#: Seconds that one call to the store waits for commands; `Holder.stop` has to wait for it.
_WAIT = 1.0


class Courier:
    """Takes commands out of the owned shards' queues.

    Args:
        store: has the queues.
        registry: gets what is for bots.
        tell: gets what became of bots.

    Attributes:
        shards: the shards whose queues are read; the keeper replaces the list as a whole, once the bots of
            a shard are known.
    """

    def __init__(self, store: Store, registry: Registry, tell: Callable[[Happening], None]) -> None:
        self.shards: list[int] = []
        self._store = store
        self._registry = registry
        self._tell = tell
        self._closing = threading.Event()
        # Taken here and not sent; the shard's next owner will see to them.
        self._returned: deque[Command] = deque()

    def run(self) -> None:
        """Carries until `close`; the body of the courier's thread."""
        while not self._closing.is_set():
            if self._returned:
                self.flush()
            shards = self.shards
            if not shards:
                self._closing.wait(0.1)
                continue
            try:
                for command in self._store.receive(shards, _WAIT):
                    self._deliver(command)
            except StoreError:
                # The keeper says so in the log.
                self._closing.wait(1.0)

    def give_back(self, commands: Iterable[Command]) -> None:
        """Has commands whose bots are not here any more taken back to their shards' queues; never blocks."""
        self._returned.extend(commands)

    def flush(self) -> None:
        """Takes back what there is to be taken back, now."""
        commands = [self._returned.popleft() for _ in range(len(self._returned))]
        if not commands:
            return
        try:
            self._store.send(commands)
        except StoreError as exc:
            # It may have been done, and twice is worse than not at all.
            logger.warning(
                "%s messages of bots that moved may be lost: %s",
                len(commands),
                exc,
                extra={"action": "give_back"},
            )

    def close(self) -> None:
        """Ends `run`, after the call that is under way."""
        self._closing.set()

    def _deliver(self, command: Command) -> None:
        if command.happening is not None:
            self._tell(command.happening)
            return
        if command.op != "sync":
            self._registry.pass_on(command)
            return
        try:
            self._registry.sync(command.key)
        except StoreUnavailable:
            pass  # The keeper sees by the shard's version that something changed.
        except StoreError as exc:
            logger.error("%s: %s", command.key, exc, extra={"action": "sync.failed", "bot": command.key})
