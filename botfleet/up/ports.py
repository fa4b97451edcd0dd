"""Ports for what `up` starts."""

from __future__ import annotations

import socket

from ..errors import ConfigurationError

#: Ports that are tried from the usual one on.
TRIED = 100


class Ports:
    """Gives out ports.

    Args:
        first: where `--port` says; each part gets the next one. None: free ones near the usual ones.
    """

    def __init__(self, first: int | None = None) -> None:
        self._next = first
        # No other `up` has this one's sandbox, so that two that start at once don't meet at the other ports.
        self._offset = 0

    @property
    def are_named(self) -> bool:
        """Whether `--port` was given."""
        return self._next is not None

    def take(self, usual: int) -> int:
        """The port for the next part; 0 where none is free near the usual one.

        Raises:
            ConfigurationError: the one that was named is in use.
        """
        if self._next is not None:
            port, self._next = self._next, self._next + 1
            if not is_free(port):
                raise ConfigurationError("--port", "is in use by another program; name another", port)
            return port
        usual += self._offset
        return next((port for port in range(usual, usual + TRIED) if is_free(port)), 0)

    def keep_away(self, port: int, usual: int) -> None:
        """Has all further ports be as far from their usual ones as this one is."""
        if not self.are_named and 0 < port - usual < TRIED:
            self._offset = port - usual


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
