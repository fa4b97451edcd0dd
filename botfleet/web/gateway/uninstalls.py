"""Tokens that die: Slack tells it by two events, in either order, and sometimes late."""

from __future__ import annotations

import logging

from ...fleet import Fleet
from ...model import Bot, is_dead
from ...slack.frames import Frame
from . import answers
from .answers import Refused
from .deliveries import Delivery, revoked_bots
from .signature import TOLERANCE

logger = logging.getLogger(__name__)

UNINSTALLED = "app_uninstalled"
REVOKED = "tokens_revoked"
ENDINGS = frozenset({UNINSTALLED, REVOKED})
#: Seconds that our clock and Slack's may be apart: what is signed longer ago is refused.
_SKEW = TOLERANCE


def ends_bot(frame: Frame, raw: bytes, bot: Bot) -> bool:
    """Whether one of `ENDINGS` says that a bot's token is dead: a `tokens_revoked` does of those it names."""
    return frame.type == UNINSTALLED or bot.bot_user_id in revoked_bots(raw)


def deactivate(fleet: Fleet, key: str, delivery: Delivery, frame: Frame) -> bool:
    """Marks a bot as dead, unless it was installed anew since Slack sent the event. Blocks.

    Returns:
        Whether it was alive until now.

    Raises:
        StoreError: the store is away.
        Refused: Slack, which would have to be asked, is away; the event is to come again.
    """
    bot, status = fleet.store.bot_and_status(key)
    if bot is None or is_dead(bot, status):
        return False
    sent_at = delivery.event_time
    if not isinstance(sent_at, int) or sent_at < bot.updated_at + _SKEW:
        # The token may be another one than that which died. Slack knows: asking marks the bot, if it is dead.
        result = fleet.check_token(bot.team_id, bot.namespace)
        if result.passing:
            raise Refused(answers.UNAVAILABLE)
        done = not result.ok and result.status == "token_revoked"
    else:
        done = fleet.deactivate(bot, frame.type)
    logger.log(
        logging.WARNING if done else logging.INFO,
        "%s of %s: %s",
        frame.type,
        bot.key,
        "its token is dead" if done else "its token is another one",
        extra={"action": "gateway.uninstalled", "bot": bot.key},
    )
    return done
