"""What the registry says, brought to the reactor in the order in which it was read."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Collection

from ..model import Answer, Command
from ..slack.session import Answered
from ..store.base import Store
from .reactor import Reactor
from .roster import Roster

logger = logging.getLogger(__name__)

#: Seconds to wait for the reactor, which may be in the midst of a flood.
_PATIENCE = 2.0


class Registry:
    """Reads bots for the roster.

    The courier and the keeper read at the same time; an older reading must not overtake a newer one, or it
    would undo it. So reading and handing over are one step.

    Args:
        store: where the bots are.
        reactor, roster: where they are connected.
        answer: told what becomes of messages to bots that are not here.
    """

    def __init__(
        self, store: Store, reactor: Reactor, roster: Roster, answer: Callable[[Answered], None]
    ) -> None:
        self._store = store
        self._answer = answer
        self._reactor = reactor
        self._roster = roster
        # Held while the store is read and the result is put in the reactor's queue.
        self._lock = threading.Lock()
        self._sizes: dict[int, int] = {}

    def load(self, shard: int) -> None:
        """Brings a shard in line with the registry.

        Raises:
            StoreUnavailable: nothing has changed.
        """
        with self._lock:
            bots, statuses = self._store.bots(shard), self._store.statuses(shard)
            self._reactor.call(functools.partial(self._roster.load, shard, bots, statuses))

    def sync(self, key: str) -> None:
        """Brings one bot in line with the registry.

        Raises:
            StoreUnavailable: nothing has changed.
        """
        with self._lock:
            wanted, status = self._store.bot(key), self._store.status(key)
            self._reactor.call(
                functools.partial(self._roster.apply, self._store.shard(key), key, wanted, status)
            )

    def unload(self, shard: int) -> None:
        """Lets go of a shard."""
        with self._lock:
            self._reactor.call(functools.partial(self._roster.unload, shard))

    def sizes(self) -> dict[int, int]:
        """How many bots each of the shards here has; those that were just loaded may be missing."""

        def look() -> None:
            self._sizes = self._roster.sizes()

        # A reactor in the midst of a flood answers later; until then what it said last is as good.
        self._reactor.wait(look, _PATIENCE)
        return self._sizes

    def ready(self, shards: Collection[int], pressing: Collection[int]) -> set[int]:
        """Which of some shards have their bots connected here; see `Roster.ready`."""
        found: set[int] = set()
        self._reactor.wait(lambda: found.update(self._roster.ready(shards, pressing)), _PATIENCE)
        return found

    def report_again(self, shards: Collection[int]) -> None:
        """Has statuses written of all bots of some shards."""
        self._reactor.call(functools.partial(self._roster.report_again, shards))

    def pass_on(self, command: Command) -> None:
        """Brings something to a bot's socket."""
        self._reactor.call(functools.partial(self._pass_on, self._store.shard(command.key), command))

    def _pass_on(self, shard: int, command: Command) -> None:
        if not self._roster.command(shard, command):
            logger.warning(
                "%s: no such bot here; a %s was dropped",
                command.key,
                command.op,
                extra={"action": "send.refused", "bot": command.key},
            )
            if command.ticket:
                self._answer(Answered(command.ticket, Answer(error="not_connected")))
