"""`Manager`: slack-bot-manager's face, for those who come from it."""

from __future__ import annotations

import logging
import threading
from typing import Any

from .configuration import load_settings
from .errors import StoreUnavailable
from .fleet import Fleet
from .reconcile import Reconciler

logger = logging.getLogger(__name__)

Results = list[dict[str, Any]]


class Manager:
    """Manages a fleet's bots from any Python program.

    It changes the registry; holders connect. `monitor` is what beat does in a whole fleet.

        manager = Manager()
        manager.add_token("xoxb-…", "xoxb-…")
        manager.start()

    Args:
        fleet: whose bots; made from the settings where it is not given.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    def __init__(self, fleet: Fleet | None = None) -> None:
        self._fleet = fleet or Fleet(load_settings())
        self._stopping = threading.Event()

    def add_token(self, *tokens: str, namespace: str | None = None, transport: str | None = None) -> Results:
        """Adds bots; one `{"ok", "team_id", "status", "error"}` per token, in order.

        `transport` is `rtm` or `http`: how Slack sends their events. Without it each stays as it is, and new
        ones get a socket.
        """
        return [self._fleet.add_token(one, namespace, transport).as_json() for one in tokens]

    def remove_token(self, *tokens_or_teams: str, namespace: str | None = None) -> Results:
        """Removes bots and closes their sockets; a second removal is not `ok`."""
        return [self._fleet.remove_token(one, namespace).as_json() for one in tokens_or_teams]

    def update_token(self, *tokens_or_teams: str, namespace: str | None = None) -> Results:
        """Connects bots anew, with a new token where one is given."""
        return [self._fleet.update_token(one, namespace).as_json() for one in tokens_or_teams]

    def check_token(self, *tokens_or_teams: str, namespace: str | None = None) -> Results:
        """Asks Slack and the store about bots."""
        return [self._fleet.check_token(one, namespace).as_json() for one in tokens_or_teams]

    def clear_tokens(self) -> int:
        """Removes all bots; returns how many."""
        return self._fleet.clear_tokens()

    def start(self, *team_ids: str) -> Results:
        """Wants bots connected: all of them, or these teams'."""
        return [one.as_json() for one in self._fleet.start(*team_ids)]

    def stop(self, *team_ids: str) -> Results:
        """Wants bots disconnected until they are started again."""
        return [one.as_json() for one in self._fleet.stop(*team_ids)]

    def restart(self, *team_ids: str) -> Results:
        """Connects bots anew."""
        return [one.as_json() for one in self._fleet.restart(*team_ids)]

    def status(self, *team_ids: str) -> dict[str, Any]:
        """Counts by status and the holders, or the named teams' bots."""
        return self._fleet.status(*team_ids)

    def monitor(self, rounds: int | None = None) -> None:
        """Reconciles every `check_interval`, until `leave` or an interrupt.

        Args:
            rounds: how many times; None means for ever.
        """
        reconciler = Reconciler(self._fleet)
        while not self._stopping.is_set() and (rounds is None or rounds > 0):
            try:
                reconciler.run()
            except StoreUnavailable as exc:
                logger.error("The store is away: %s", exc, extra={"action": "store.away"})
            if rounds is not None:
                rounds -= 1
            if rounds != 0:
                self._stopping.wait(self._fleet.settings.check_interval)

    def leave(self) -> None:
        """Ends `monitor`, from another thread."""
        self._stopping.set()
