"""Looks whether a fleet that is being started works yet."""

from __future__ import annotations

from ..fleet import BotReport, Fleet
from ..handlers.running.counters import announced_counter


def is_ready(fleet: Fleet, since: float) -> bool:
    """Whether a holder that was started after `since` has connected all bots and publishes for handlers."""
    version = fleet.store.subscriptions_version()
    alive = {
        holder.name
        for holder in fleet.store.holders()
        if holder.since >= since and holder.subscriptions == version and not holder.standby
    }
    return bool(alive) and version > 0 and all(_is_tried(bot, alive, since) for bot in fleet.report())


def announcements(fleet: Fleet) -> int:
    """How often handlers have told the store what they want."""
    return fleet.store.advance(announced_counter("handler"), 0)


def is_published_for(fleet: Fleet) -> bool:
    """Whether every holder publishes by what the handlers want now."""
    version = fleet.store.subscriptions_version()
    return all(holder.subscriptions == version or holder.standby for holder in fleet.store.holders())


def _is_tried(bot: BotReport, alive: set[str], since: float) -> bool:
    """Whether a bot is as well as it will be."""
    # No holder has to do with those that hear by HTTP.
    if bot.transport == "http" or bot.status in ("token_revoked", "stopped"):
        return True
    # A status from before `since` is an earlier run's, by a holder that may have had the same name.
    return bot.status != "connecting" and bot.holder in alive and bot.since >= since
