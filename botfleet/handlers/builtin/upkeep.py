"""The system's own handlers: they keep the directories true by what Slack says has changed.

Real tasks as an author's handlers are. Only the built-in roles have them, so that two roles of a deployment
don't do the same work twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from ...clock import MonotonicClock, monotonic_clock
from ...errors import SealError, SlackError, TokenNotConnected
from ...model import Subscription, split_key
from ...slack.errors import Group, classify
from ..client import Client
from ..context import HandlerContext
from ..directory import REFRESH_INTERVAL, ROTA, forget
from ..directory.following import BOT_CHANGES, CHANNEL_CHANGES, TEAM_CHANGES, USER_CHANGES
from ..event import Event
from ..handler import Handler, Traits

logger = logging.getLogger(__name__)

#: Seconds for which a round of `refresh` begins with another directory.
_LONGEST_ROUND = 30.0


def channels(event: Event, client: Client) -> None:
    """Notes new, renamed, archived and deleted channels, where somebody asks for them."""
    client.directory.follow(event)


def users(event: Event, client: Client) -> None:
    """Notes new and changed users, where somebody asks for them."""
    client.directory.follow(event)


def team(event: Event, client: Client) -> None:
    """Notes changed bots, and another name or address of the team, where somebody asks for them."""
    client.directory.follow(event)


def _handler(
    function: Callable[[Event, Client], None], types: Iterable[str]
) -> Handler[[Event, Client], None]:
    task = f"botfleet.directory.{function.__name__}"
    wanted = Subscription(task=task, types=tuple(types))
    traits = Traits(kind="directory", hooked=False)
    return Handler(function, task, wanted, {}, wants=("event", "client"), traits=traits)


HANDLERS: tuple[Handler[..., object], ...] = (
    _handler(channels, CHANNEL_CHANGES),
    _handler(users, USER_CHANGES),
    _handler(team, (*BOT_CHANGES, *TEAM_CHANGES)),
)


def refresh(context: HandlerContext, monotonic: MonotonicClock = monotonic_clock) -> int:
    """Lists some of the directories that are in use anew, those first that have waited longest.

    One directory's failure hinders no other: its turn comes again.

    Returns:
        How many were tried.

    Raises:
        StoreUnavailable: the store is away; the next round will do.
    """
    deadline, tried = monotonic() + _LONGEST_ROUND, 0
    while monotonic() < deadline:
        taken = context.store.take_turns(ROTA, 1, REFRESH_INTERVAL)
        if not taken:
            break
        tried += 1
        _refresh_one(context, taken[0])
    return tried


def _refresh_one(context: HandlerContext, key: str) -> None:
    client = Client(context, *split_key(key))
    try:
        if not client.directory.refresh():
            context.store.set_turn(ROTA, key, None)
    except TokenNotConnected:
        forget(context.store, key)
    except (SlackError, SealError) as exc:
        if isinstance(exc, SlackError) and classify(exc.error) is Group.DEAD:
            forget(context.store, key)
        logger.warning(
            "%s: its directory was not listed anew: %s",
            key,
            exc,
            extra={"action": "directory.stale", "bot": key},
        )
