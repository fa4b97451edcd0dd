"""Tells handlers what became of bots: botfleet's own events, through the holder's own publisher."""

from __future__ import annotations

from collections.abc import Callable

from ..lifecycle import DEACTIVATED, ERROR, frame_of, happening
from ..model import Happening, Status
from ..publishing.publisher import Publisher
from ..slack import session as rtm
from ..slack.envelope import Origin
from .reactor import Connection, own_frame

#: In these states nothing is wrong with a connection; a dead token is told by itself.
_NO_ERROR = frozenset({"connected", "stopped", "token_revoked"})


class Teller:
    """Publishes events of botfleet's own. On the reactor's thread only.

    Args:
        publisher: the holder's.
        leads: whether this holder speaks for a bot (by its key).
    """

    def __init__(self, publisher: Publisher, leads: Callable[[str], bool]) -> None:
        self._publisher = publisher
        self._leads = leads

    def tell(self, told: Happening, **facts: object) -> None:
        """Publishes something that became of a bot, whether there is a connection for it or not."""
        frame, raw = frame_of(told, **facts)
        self._publisher.publish_own(Origin.of(told.bot), frame, raw, told.id)

    def emit(self, connection: Connection, emitted: rtm.Emit) -> None:
        """Publishes what a session says; a token that died is a bot that was deactivated."""
        frame, raw = own_frame(emitted)
        bot = connection.bot
        # One generation of a bot dies once, whoever sees it.
        event_id = f"{bot.key}:{emitted.type}:{bot.generation}:{bot.added_at}:{bot.fingerprint}"
        self._publisher.publish_own(connection.origin, frame, raw, event_id)
        if emitted.type == "bot_disabled":
            self.tell(happening(DEACTIVATED, bot, error=str(emitted.payload["error"])))

    def watch(self, connection: Connection, status: Status) -> None:
        """Publishes that a connection got into trouble: once, until it is out of it again."""
        if status.state in _NO_ERROR:
            connection.failing = False
        elif status.error and not connection.failing and self._leads(connection.bot.key):
            connection.failing = True
            told = happening(ERROR, connection.bot, error=status.error, at=status.since)
            self.tell(told, status=status.state)
