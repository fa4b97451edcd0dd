"""Has all bots of a fleet do something, shard by shard."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ...errors import BotfleetError, StoreUnavailable
from ...model import Bot, Status
from ...store.base import Store
from ..bots import can_speak, every_bot
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
    for bot, status in every_bot(store):
        if namespace is not None and bot.namespace != namespace:
            continue
        if not can_speak(bot, status):
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
