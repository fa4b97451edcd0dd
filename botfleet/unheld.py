"""Bots that no holder connects: Slack sends their app its events by HTTP.

Whoever changes such a bot writes its status too, by `settle`; where that was cut short, reconciliation does
it. Their tokens die by `deactivate` only.
"""

from __future__ import annotations

from .clock import Clock
from .lifecycle import DEACTIVATED, command_of, happening
from .model import Bot, Status, Transport, is_dead
from .store.base import Store

#: The transports whose bots have no connection of their own.
UNHELD: frozenset[Transport] = frozenset({"http"})

#: How often a status is written anew where others write it at the same time.
_TRIES = 5


def status_due(bot: Bot, status: Status | None, now: float) -> Status:
    """What is to be said of a bot: what people want of it, unless the token that it has is known to be dead.

    >>> bot = Bot(team_id="T1", sealed_token="plain:b", fingerprint="b", transport="http")
    >>> status_due(bot, None, 5.0).state
    'connected'
    """
    if status is not None and is_dead(bot, status):
        return status
    due = Status(
        state="connected" if bot.desired == "running" else "stopped", since=now, generation=bot.generation
    )
    if status is None or status.state != due.state:
        return due
    # Another token, or a restart: the bot was never away.
    return Status(state=due.state, since=status.since, generation=bot.generation)


def settle(store: Store, key: str, clock: Clock) -> bool:
    """Brings a bot's status in line with the registry; returns whether it had to be written.

    Raises:
        StoreError: the store is away, or the bot's row can't be read.
    """
    for _ in range(_TRIES):
        bot, status = store.bot_and_status(key)
        if bot is None or bot.transport not in UNHELD:
            return False
        due = status_due(bot, status, clock())
        if due == status:
            return False
        if _write(store, key, status, due):
            return True
    return False


def deactivate(store: Store, bot: Bot, error: str, clock: Clock) -> bool:
    """Marks a bot whose token died, and tells it the handlers.

    Args:
        store: of the fleet.
        bot: as it was read with the token that died: one that has another by now is left alone.
        error: Slack's error string.
        clock: for the status.

    Returns:
        Whether it was alive until now.

    Raises:
        StoreError: the store is away; it may be done again.
    """
    for _ in range(_TRIES):
        known, status = store.bot_and_status(bot.key)
        if known is None or _life(known) != _life(bot) or is_dead(known, status):
            return False
        # Told first: after a crash between the two it is told again, under the same id.
        store.send([command_of(happening(DEACTIVATED, known, error=error))])
        dead = Status(state="token_revoked", since=clock(), error=error, generation=known.generation)
        if _write(store, bot.key, status, dead):
            return True
    return False


def _life(bot: Bot) -> tuple[int, float, str]:
    return bot.generation, bot.added_at, bot.fingerprint


def _write(store: Store, key: str, old: Status | None, new: Status) -> bool:
    if old is None:
        store.put_statuses({key: new})
        return True
    return store.replace_status(key, old, new)
