"""The stage of a fleet of real processes: the same acts, and waiting until all is quiet again."""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from typing import Any, NoReturn

import pytest

from ..errors import UsageError
from ..model import Command
from ..settings import Settings
from ..slack.session import Timing
from . import given
from .clock import Clock
from .probes import PROBE, passed
from .processes import Processes
from .seen import Call
from .stage import Stage

_numbers = itertools.count(1)
#: A bot may say so many things at once over its socket, and then one a second (`slack.session.Timing`).
_BURST = Timing().send_burst
_TURN = 1.0 / Timing().send_rate + 0.3
_LOOK = 0.01
#: Messages among which those of the last seconds are.
_RECENT = 200


class Outside(Stage):
    """See the top of this module; a test that asks for what processes can't do is skipped.

    Args:
        processes: the session's.
        settings: the project's, and what the test wants of them.
    """

    def __init__(self, processes: Processes, settings: Settings) -> None:
        super().__init__()
        self.control = processes.sandbox.control
        self._processes = processes
        self._settings = settings
        self._teams: list[str] = []

    @property
    def clock(self) -> Clock:
        _skip("its clock can't be moved")

    @property
    def errors(self) -> list[Exception]:
        _skip("what handlers raise stays in their worker")

    def load(self, what: tuple[object, ...]) -> None:
        modules = tuple(dict.fromkeys(map(_module_of, what)))
        self._settings = dataclasses.replace(self._settings, handlers=modules)
        self._processes.run(self._settings)

    def add_team(self, name: str) -> str:
        self._processes.run(self._settings)
        added = self.control.add_team(name)
        result = self._processes.bots.add_token(added["bot_token"])
        if not result.ok:
            raise UsageError(f"the team {name!r} has no bot: {result.error}")
        team = added["team_id"]
        self._teams.append(team)
        self._processes.wait_for(lambda: self._is_connected(team), f"the bot of {name!r} is connected")
        self.settle(team)
        return team

    def settle(self, team: str) -> None:
        before = None
        while (now := self._seen()) != before:
            before = now
            self._pass_probe(team)
            self._pass_ping(team)
            if self._is_slowed_down(team):
                self._await_next(before)

    def calls(self, team: str, after: int) -> list[Call]:
        return [Call(one["method"], one["error"]) for one in self.control.calls(after, team=team)]

    def run_timer(self, name: str) -> None:
        _skip("its timers can't be run before they are due")

    def hear_by_http(self, team: str) -> None:
        _skip("there is no web role, which hears of slash commands and clicks")

    def close(self) -> None:
        """Takes the test's bots away again."""
        for team in self._teams:
            self._processes.bots.remove_token(team)

    def _is_connected(self, team: str) -> bool:
        status = self._processes.bots.store.status(team)
        return status is not None and status.state == "connected"

    def _seen(self) -> tuple[Any, ...]:
        """What grows when the bot does something."""
        counts = self.control.counts()
        return counts["seq"], counts["reactions"], sum(counts["calls"].values())

    def _pass_probe(self, team: str) -> None:
        """Sends something through the socket and each queue, and waits until all is done that went before.

        What a worker has taken it keeps among the unacknowledged until it is done, and a probe is taken after
        what came before it.
        """
        number = next(_numbers)
        queues, store = self._processes.queues, self._processes.bots.store
        self.control.event({"type": PROBE, "number": number}, team=team)
        # One more comes by the probe's own subscription, beside those for each queue.
        count = len(queues) + 1
        self._processes.wait_for(lambda: store.advance(passed(number), 0) >= count, "a probe came back")
        self._processes.wait_for(self._is_idle, "the handlers are done")

    def _is_idle(self) -> bool:
        with self._processes.redis.pipeline() as together:
            for queue in self._processes.queues:
                together.llen(queue)
            together.hlen("unacked")
            return not any(together.execute())

    def _pass_ping(self, team: str) -> None:
        """Pings through the shard's queue and the socket: what was sent before has arrived by then."""
        if not self._is_connected(team):
            return
        number, after = next(_numbers), 0
        bots = self._processes.bots
        bots.store.send([Command(op="ping", key=team, extra={PROBE: number})])

        def arrived() -> bool:
            frames = self.control.frames(after, team=team)
            pings = [json.loads(one["frame"]) for one in frames if one["type"] == "ping"]
            return any(ping.get(PROBE) == number for ping in pings) or not self._is_connected(team)

        self._processes.wait_for(arrived, "a ping came through")

    def _is_slowed_down(self, team: str) -> bool:
        """Whether messages may wait for their turn on the bot's socket, which a ping does not."""
        recent, _ = self.control.messages(max(0, self._seen()[0] - _RECENT), team=team, by="bot")
        since = time.time() - _BURST
        return sum(one["via"] == "socket" and float(one["ts"]) > since for one in recent) >= _BURST

    def _await_next(self, before: tuple[Any, ...]) -> None:
        """Waits for a message whose turn it is next, if there is one."""
        deadline = time.monotonic() + _TURN
        while self._seen() == before and time.monotonic() < deadline:
            time.sleep(_LOOK)


def _module_of(what: object) -> str:
    """The module in which a worker finds a handler."""
    module, can_be_found = given.home(what)
    if not can_be_found:
        _skip("a worker can't load what is defined within a test")
    return module


def _skip(why: str) -> NoReturn:
    pytest.skip(f"with --botfleet-sandbox {why}")
