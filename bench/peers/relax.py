"""Relax, the broker in Go, where BENCH_PEER_RELAX names its executable.

It finds Redis by TCP only, so that it has a Valkey of its own; Slack is where SLACK_HOST says.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis

from botfleet.embedded import valkey_binary

from .. import frames
from ..processes import BenchError, Child, clean_environment, wait_until
from ..slack import FakeSlack

VARIABLE = "BENCH_PEER_RELAX"
EVENTS = "relax_events_queue"
_NAMES = {
    "RELAX_BOTS_KEY": "relax_bots_key",
    "RELAX_BOTS_PUBSUB": "relax_bots_pubsub",
    "RELAX_MUTEX_KEY": "relax_mutex_key",
    "RELAX_EVENTS_QUEUE": EVENTS,
}


def executable() -> str | None:
    """Relax's executable; None where none is named.

    Raises:
        BenchError: what is named can't be run.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    found = shutil.which(named)
    if found is None:
        raise BenchError(f"{VARIABLE} names {named!r}, which is no executable")
    return str(Path(found).resolve())


class Relax:
    """A running Relax with its Redis; `close` ends both."""

    def __init__(self, program: str, folder: Path, slack: FakeSlack, first: int, bots: int) -> None:
        self._stack = ExitStack()
        try:
            port = _free_port()
            self._start_server(folder, port)
            self._add_bots(first, bots)
            self.child = self._stack.enter_context(
                Child("relax", [program], folder, _environment(slack, port))
            )
            expected = slack.status()["sockets"] + bots
            slack.wait_for_sockets(expected, 60.0, self.child)
        except BaseException:
            self._stack.close()
            raise

    def _start_server(self, folder: Path, port: int) -> None:
        # Relax itself needs no persistence; it gets what the subject has.
        place = folder / "relax-valkey"
        place.mkdir(exist_ok=True)
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(place), "--save", ""]
        options += ["--appendonly", "yes", "--appendfsync", "everysec"]
        server = Child("relax-valkey", [str(valkey_binary()), *options], folder, clean_environment())
        self._stack.enter_context(server)
        self.redis: Any = redis.Redis(port=port)
        self._stack.callback(self.redis.close)
        wait_until("Relax's Redis answers", self._answers, 10.0, child=server)

    def _answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except redis.RedisError:
            return False

    def _add_bots(self, first: int, bots: int) -> None:
        for number in range(first, first + bots):
            team = frames.team_id(number)
            bot = {"team_id": team, "token": frames.token_of(number)}
            self.redis.hset(_NAMES["RELAX_BOTS_KEY"], team, json.dumps(bot))

    def forget(self) -> None:
        """Empties the list of events."""
        self.redis.delete(EVENTS)

    def wait_for_events(self, number: int, timeout: float = 120.0) -> float:
        """Waits for the last of so many events; returns when that was, monotonic seconds."""
        wait_until(
            "Relax pushes all events",
            lambda: self.redis.llen(EVENTS) >= number,
            timeout,
            0.004,
            self.child,
        )
        return time.monotonic()

    def close(self) -> None:
        """Ends Relax and its Redis."""
        self._stack.close()


def _environment(slack: FakeSlack, port: int) -> dict[str, str]:
    host = slack.api_url.removesuffix("/api/")
    return clean_environment(REDIS_HOST=f"127.0.0.1:{port}", SLACK_HOST=host, **_NAMES)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
