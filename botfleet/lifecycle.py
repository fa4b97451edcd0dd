"""What becomes of a bot, as events of botfleet's own.

`Fleet` knows what people asked for and tells it to the holder that leads the bot's shard, which publishes it;
what a connection does by itself, the holder sees.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from .model import Bot, Command, Happening
from .slack.frames import Frame

CREATED = "bot_created"
STARTED = "bot_started"
STOPPED = "bot_stopped"
RESTARTED = "bot_restarted"
DEACTIVATED = "bot_deactivated"
REACTIVATED = "bot_reactivated"
REMOVED = "bot_removed"
ERROR = "bot_error"
#: All of them, for documentation and for those who list event types.
LIFECYCLE = (CREATED, STARTED, STOPPED, RESTARTED, DEACTIVATED, REACTIVATED, REMOVED, ERROR)


def what_happened(
    before: Bot | None, after: Bot | None, token_given: bool = False, was_dead: bool = False
) -> Happening | None:
    """Says what a change of the registry means for a bot.

    Args:
        before, after: the bot as `Store.change_bot` gave it.
        token_given: it was changed by giving it a token.
        was_dead: its former token was known to be dead.

    Returns:
        None where nothing came of it that people would call an event.

    >>> one = Bot(team_id="T1", sealed_token="plain:a", fingerprint="a")
    >>> what_happened(None, one), what_happened(one, None), what_happened(one, one)
    (<Happening bot_created T1>, <Happening bot_removed T1>, None)
    """
    bot = after or before
    if bot is None or before == after:
        return None
    kind = _kind(before, after, token_given, was_dead)
    return happening(kind, bot, reason="token" if token_given else "asked") if kind else None


def _kind(before: Bot | None, after: Bot | None, token_given: bool, was_dead: bool) -> str | None:
    if before is None:
        return CREATED
    if after is None:
        return REMOVED
    if after.desired == "stopped":
        return STOPPED if before.desired == "running" else None
    if token_given and (was_dead or before.desired == "stopped"):
        return REACTIVATED
    if before.desired == "stopped":
        return STARTED
    return RESTARTED if after.generation > before.generation else None


def happening(kind: str, bot: Bot, **facts: Any) -> Happening:
    """An event about a bot; the bot goes with it, its token does not."""
    return Happening(type=kind, bot=msgspec.structs.replace(bot, sealed_token="", fingerprint=""), **facts)


def command_of(told: Happening) -> Command:
    """What has the holder that leads the bot's shard publish it."""
    return Command(op="event", key=told.bot.key, happening=told)


def frame_of(told: Happening, **facts: Any) -> tuple[Frame, bytes]:
    """The event as if Slack had sent it: its frame, and its payload as JSON."""
    known = {"reason": told.reason, "error": told.error, "team_name": told.bot.team_name, **facts}
    payload = {"type": told.type, **{name: value for name, value in known.items() if value}}
    return Frame(type=told.type), json.dumps(payload).encode()
