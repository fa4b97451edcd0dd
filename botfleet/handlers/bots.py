"""All bots of a fleet, for what is done in the name of each."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import Bot, Status, is_dead
from ..store.base import Store


def every_bot(store: Store) -> Iterator[tuple[Bot, Status | None]]:
    """Each bot with its status, read shard by shard: also a fleet of any size needs little memory.

    Raises:
        StoreUnavailable: the store is away; the rest is missed.
    """
    for shard, count in enumerate(store.counts()):
        if count:
            statuses = store.statuses(shard)
            for key, bot in sorted(store.bots(shard).items()):
                yield bot, statuses.get(key)


def can_speak(bot: Bot, status: Status | None) -> bool:
    """Whether a bot is not stopped, and its token not dead."""
    return bot.desired == "running" and not is_dead(bot, status)
