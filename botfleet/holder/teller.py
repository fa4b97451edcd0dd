"""Tells handlers what became of bots: botfleet's own events, through the holder's own publisher."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

from ..lifecycle import DEACTIVATED, ERROR, frame_of, happening
from ..model import Bot, Happening, Status
from ..slack import session as rtm
from ..slack.envelope import Origin
from ..slack.frames import Frame

#: In these states nothing is wrong with a connection; a dead token is told by itself.
_NO_ERROR = frozenset({"connected", "stopped", "token_revoked"})


#: Publishes an event: where it is from, its frame as decoded and as written, and its id.
Publish = Callable[[Origin, Frame, bytes, str], None]


class Concerned(Protocol):
    """A connection, as far as it is told of."""

    bot: Bot
    origin: Origin
    failing: bool


class Teller:
    """Publishes events of botfleet's own. On the reactor's thread only.

    Args:
        publish: the publisher's `publish_own`.
        leads: whether this holder speaks for a bot (by its key).
    """

    def __init__(self, publish: Publish, leads: Callable[[str], bool]) -> None:
        self._publish = publish
        self._leads = leads

    def tell(self, told: Happening, **facts: object) -> None:
        """Publishes something that became of a bot, whether there is a connection for it or not."""
        frame, raw = frame_of(told, **facts)
        self._publish(Origin.of(told.bot), frame, raw, told.id)

    def emit(self, connection: Concerned, emitted: rtm.Emit) -> None:
        """Publishes what a session says; a token that died is a bot that was deactivated."""
        frame, raw = _own_frame(emitted)
        bot = connection.bot
        # One generation of a bot dies once, whoever sees it.
        event_id = f"{bot.key}:{emitted.type}:{bot.generation}:{bot.added_at}:{bot.fingerprint}"
        self._publish(connection.origin, frame, raw, event_id)
        if emitted.type == "bot_disabled":
            self.tell(happening(DEACTIVATED, bot, error=str(emitted.payload["error"])))

    def watch(self, connection: Concerned, status: Status) -> None:
        """Publishes that a connection got into trouble: once, until it is out of it again."""
        if status.state in _NO_ERROR:
            connection.failing = False
        elif status.error and not connection.failing and self._leads(connection.bot.key):
            connection.failing = True
            told = happening(ERROR, connection.bot, error=status.error, at=status.since)
            self.tell(told, status=status.state)


def _own_frame(emitted: rtm.Emit) -> tuple[Frame, bytes]:
    """The frame of an event of our own, as if Slack had sent it."""
    raw = json.dumps(emitted.payload).encode()
    return Frame(type=emitted.type), raw
