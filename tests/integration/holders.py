"""Holders over a store and a broker in memory, connected to a sandbox."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from botfleet.errors import StoreUnavailable
from botfleet.fleet import Fleet
from botfleet.holder.holder import Holder
from botfleet.model import Bot, Command, Status, Subscription
from botfleet.publishing.outgoing import Outgoing
from botfleet.publishing.sinks import MemorySink
from botfleet.sandbox import SandboxControl, SandboxProcess
from botfleet.secrets import Seal, Token
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore

from ..waiting import eventually

EVERYTHING = Subscription(task="tasks.all", types=("*",), subtypes=("*",), own=True, bots=True)

QUICK: dict[str, Any] = {
    "shards": 16,
    # A sandbox that waits for a processor must not be taken for a silent one.
    "ping_interval": 5.0,
    "connect_timeout": 5.0,
    "connect_rate": 0.0,
    "retry_base": 0.05,
    "retry_cap": 0.5,
    "lease_ttl": 1.0,
    "check_interval": 0.5,
}


class Line:
    """A holder's way to the store, which can be cut for this holder alone."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        if self.cut:
            raise StoreUnavailable("the line was cut")
        return getattr(self._store, name)


class World:
    """A fleet and its holders.

    Attributes:
        sink: the broker of all holders.
        deaths: threads that died, as the workers were told.
    """

    def __init__(self, control: SandboxControl, api_url: str, **settings: Any) -> None:
        self.control = control
        self.settings = Settings(**{**QUICK, "slack_api_url": api_url, **settings})
        self.store = MemoryStore(self.settings.shards)
        self.seal = Seal([Seal.new_key()])
        self.fleet = Fleet(self.settings, store=self.store, seal=self.seal)
        self.sink = MemorySink()
        self.deaths: list[tuple[str, BaseException]] = []
        self.holders: list[Holder] = []
        self.lines: list[Line] = []
        self.store.put_subscriptions("handler", [EVERYTHING])

    # Doing

    def hold(self, name: str = "", sink: Any = None) -> Holder:
        """Starts a holder."""
        line = Line(self.store)
        holder = Holder(
            name=name or f"h{len(self.holders) + 1}",
            settings=self.settings,
            store=line,  # type: ignore[arg-type]  # by its shape
            seal=self.seal,
            sink=sink or self.sink,
            on_death=lambda thread, exc: self.deaths.append((thread, exc)),
        )
        self.holders.append(holder)
        self.lines.append(line)
        holder.start()
        return holder

    def add(self, token: str) -> str:
        """Adds a bot as people do; gives its key."""
        result = self.fleet.add_token(token)
        assert result.ok, result
        assert result.team_id is not None
        return result.team_id

    def add_unasked(self, team_id: str, token: str) -> None:
        """Adds a bot without asking Slack."""
        secret = Token(token)
        made = Bot(team_id=team_id, sealed_token=self.seal.seal(secret), fingerprint=secret.fingerprint)
        self.store.change_bot(team_id, lambda _: made)

    def connect(self, token: str) -> str:
        """Adds a bot and waits until it is connected."""
        key = self.add(token)
        self.wait_for(key, "connected")
        return key

    def send(self, key: str, *texts: str, channel: str) -> None:
        self.store.send([Command(op="message", key=key, channel=channel, text=text) for text in texts])

    def close(self) -> None:
        """Stops the holders that still run."""
        self.store.close()  # So that nobody waits for commands any more.
        for holder in self.holders:
            holder.hurry()
            holder.stop()
        eventually(lambda: not threads(), 10.0)

    # Looking

    def status(self, key: str) -> Status | None:
        return self.store.status(key)

    def state(self, key: str) -> str:
        status = self.store.status(key)
        return status.state if status else ""

    def wait_for(self, key: str, state: str, error: str | None = None, timeout: float = 10.0) -> Status:
        """Waits for a status, of the generation that is wanted now."""

        def found() -> Status | None:
            status, bot = self.store.status(key), self.store.bot(key)
            assert status is not None
            assert (status.state, status.error) == (state, status.error if error is None else error), status
            return status if bot is not None and status.generation == bot.generation else None

        return eventually(found, timeout) or Status(state="stopped", since=0.0)

    def asked(self, key: str) -> list[dict[str, Any]]:
        """The calls of rtm.connect for a team."""
        return self.control.calls(team=key, method="rtm.connect")

    def events(self, key: str, kind: str = "message") -> list[Outgoing]:
        """What was published for a bot, in order."""
        found = [event for event in list(self.sink.events) if payload(event).get("type") == kind]
        return [event for event in found if json.loads(event.envelope)["team_id"] == key]

    def kinds(self) -> list[str]:
        """The types of everything that was published."""
        return [payload(event)["type"] for event in list(self.sink.events)]

    def texts(self, key: str) -> list[str]:
        return [payload(event)["text"] for event in self.events(key)]


def payload(event: Outgoing) -> dict[str, Any]:
    return dict(json.loads(event.envelope)["payload"])


def threads() -> list[str]:
    """The threads of holders that are alive: all of botfleet's but those of servers and handlers."""
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("botfleet-")]
    others = ("botfleet-embedded-server", "botfleet-lanes", "botfleet-lock-", "botfleet-announcer")
    return [name for name in names if not name.startswith(others)]


def stays(condition: Callable[[], object], seconds: float = 0.5) -> None:
    """Nothing else may happen for a time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition()
        time.sleep(0.02)


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(sandbox: SandboxProcess) -> Iterator[MakeWorld]:
    made: list[World] = []

    def make(**settings: Any) -> World:
        made.append(World(sandbox.control, sandbox.api_url, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()
        assert world.deaths == []


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """One with a holder that runs."""
    world = make_world()
    world.hold()
    return world
