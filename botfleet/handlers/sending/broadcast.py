"""Has all bots of a fleet do something, shard by shard."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...errors import BotfleetError, StoreUnavailable
from ...model import Bot, Status
from ...store.base import Store
from .sent import Broadcast

logger = logging.getLogger(__name__)


def broadcast(
    store: Store, speak: Callable[[Bot, Status | None], object], namespace: str | None
) -> Broadcast:
    """Has each bot speak that runs; one's failure hinders no other.

    Args:
        store: where the bots are.
        speak: has one bot speak.
        namespace: only bots of this one; None for all.

    Raises:
        StoreUnavailable: the store is away; some have spoken.
    """
    sent = failed = stopped = 0
    for shard in range(store.shards):
        bots = store.bots(shard)
        statuses = store.statuses(shard) if bots else {}
        for key, bot in bots.items():
            status = statuses.get(key)
            if namespace is not None and bot.namespace != namespace:
                continue
            if bot.desired == "stopped" or (status is not None and status.state == "token_revoked"):
                stopped += 1
            elif _spoke(speak, bot, status):
                sent += 1
            else:
                failed += 1
    return Broadcast(sent, failed, stopped)


def _spoke(speak: Callable[[Bot, Status | None], object], bot: Bot, status: Status | None) -> bool:
    try:
        speak(bot, status)
    except StoreUnavailable:
        raise
    except BotfleetError as exc:
        logger.warning(
            "broadcast: %s did not speak: %s", bot.key, exc, extra={"action": "broadcast", "bot": bot.key}
        )
        return False
    return True
