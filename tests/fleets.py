"""A fleet over each kind of store, a Slack that only knows tokens, a clock, and a store that is watched."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import redis

from botfleet.errors import SlackError
from botfleet.fleet import Fleet
from botfleet.model import Bot, Command, HolderInfo, Status
from botfleet.reconcile import Reconciler
from botfleet.secrets import Seal, Token
from botfleet.settings import Settings
from botfleet.slack.errors import to_exception
from botfleet.store import MemoryStore, Store
from botfleet.store.redis import RedisStore
from botfleet.webapi import Identity, SlackApi

SHARDS = 16
NOW = 1_700_000_000.0
KEY = Seal.new_key()


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class TokenSlack(SlackApi):
    """Knows each token `xoxb-TEAM-…` as a bot of TEAM, unless told otherwise.

    Attributes:
        asked: the tokens of all calls so far.
        errors: what a token's call fails with; the token "" stands for all of them.
        before: called with each token before the answer.
    """

    def __init__(self) -> None:
        super().__init__(Settings(slack_api_url="http://127.0.0.1:1/api/"))
        self.asked: list[str] = []
        self.errors: dict[str, str] = {}
        self.before: Callable[[str], object] = lambda token: None

    def auth_test(self, token: Token) -> Identity:
        text = token.reveal()
        self.asked.append(text)
        self.before(text)
        error = self.errors.get(text) or self.errors.get("")
        if error:
            raise to_exception(error) if error not in ("unreachable", "timeout") else SlackError(error)
        return Identity(team_id=text.split("-")[1], team_name="Acme", bot_user_id="U0", bot_name="pingbot")


class Watched:
    """A store whose calls are counted, and where something else can happen after a call.

    Attributes:
        calls: how often each method was called.
        after: by method, what to do once after its next call.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()
        self.arguments: list[tuple[str, tuple[Any, ...]]] = []
        self.after: dict[str, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            self.arguments.append((name, args))
            answer = value(*args, **kwargs)
            self.after.pop(name, lambda: None)()
            return answer

        return call


class Door(Protocol):
    """The plain maps and the registry, as another program reaches them."""

    def token(self, field: str, value: str) -> None: ...
    def state(self, field: str, value: str) -> None: ...
    def waiting(self) -> dict[str, str]: ...
    def bot_row(self, key: str, row: bytes | None) -> None: ...
    def status_row(self, key: str, row: bytes | None) -> None: ...


class MemoryDoor:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def token(self, field: str, value: str) -> None:
        self._store.teams[field] = value

    def state(self, field: str, value: str) -> None:
        self._store.states[field] = value

    def waiting(self) -> dict[str, str]:
        return {**self._store.teams, **self._store.states}

    def bot_row(self, key: str, row: bytes | None) -> None:
        self._write(self._store._bots[self._store.shard(key)], key, row)

    def status_row(self, key: str, row: bytes | None) -> None:
        self._write(self._store._statuses[self._store.shard(key)], key, row)

    @staticmethod
    def _write(rows: dict[bytes, bytes], key: str, row: bytes | None) -> None:
        if row is None:
            rows.pop(key.encode(), None)
        else:
            rows[key.encode()] = row


class RedisDoor:
    def __init__(self, store: RedisStore, client: redis.Redis) -> None:
        self._store = store
        self.client: Any = client

    def token(self, field: str, value: str) -> None:
        self.client.hset("tokens:teams", field, value)

    def state(self, field: str, value: str) -> None:
        self.client.hset("tokens:statuses", field, value)

    def waiting(self) -> dict[str, str]:
        return {**self.client.hgetall("tokens:teams"), **self.client.hgetall("tokens:statuses")}

    def bot_row(self, key: str, row: bytes | None) -> None:
        self._write("tokens:teams", key, row)

    def status_row(self, key: str, row: bytes | None) -> None:
        self._write("tokens:statuses", key, row)

    def _write(self, name: str, key: str, row: bytes | None) -> None:
        name = f"{name}:{self._store.shard(key)}"
        if row is None:
            self.client.hdel(name, key)
        else:
            self.client.hset(name, key, row)


class World:
    """A fleet, what is outside of it, and hands to arrange both.

    Attributes:
        clock: of the fleet and the rounds; in memory also of the store.
        elapsed: what the rounds take for the time that they have run.
    """

    def __init__(self, store: Store, door: Door, clock: FakeClock, **settings: Any) -> None:
        self.real_store = store
        self.watched = Watched(store)
        self.door = door
        self.clock = clock
        self.elapsed = FakeClock()
        self.slack = TokenSlack()
        self.seal = Seal([KEY])
        self.settings = Settings(**{"check_tokens": 0, "shards": store.shards, **settings})
        self.fleet = self.make_fleet()

    @property
    def store(self) -> Store:
        return self.watched  # type: ignore[return-value]

    def make_fleet(self, seal: Seal | None = None, **settings: Any) -> Fleet:
        chosen = dataclasses.replace(self.settings, **settings)
        return Fleet(chosen, self.store, seal or self.seal, self.slack, self.clock)

    def reconciler(self) -> Reconciler:
        return Reconciler(self.fleet, self.clock, self.elapsed)

    def add(self, team_id: str, token: str = "1", **fields: Any) -> Bot:
        """A bot that has been there for a while."""
        secret = Token(f"xoxb-{team_id}-{token}")
        made = Bot(
            **{
                "team_id": team_id,
                "sealed_token": self.seal.seal(secret),
                "fingerprint": secret.fingerprint,
                "added_at": NOW - 1000,
                "updated_at": NOW - 1000,
                **fields,
            }
        )
        self.real_store.change_bot(made.key, lambda _: made)
        return made

    def say(self, key: str, state: str = "connected", **fields: Any) -> Status:
        """A status that a holder wrote."""
        made = Status(**{"state": state, "since": NOW - 500, "holder": "h1", "generation": 1, **fields})
        self.real_store.put_statuses({key: made})
        return made

    def holder(self, name: str = "h1", **fields: Any) -> None:
        """A holder that is alive."""
        self.real_store.announce(HolderInfo(name=name, **fields), 600.0)

    def sent(self) -> list[Command]:
        """Takes the commands that wait for the holder, by key."""
        commands = self.real_store.receive(range(self.real_store.shards), 0.0)
        return sorted(commands, key=lambda command: command.key)

    def nudged(self) -> list[str]:
        """Takes the commands; the keys of the bots that the holder is to look at."""
        commands = self.sent()
        assert {command.op for command in commands} <= {"sync", "event"}
        return [command.key for command in commands if command.op == "sync"]
