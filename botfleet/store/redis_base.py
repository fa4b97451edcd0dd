"""What every part of the store in Redis stands on: sending commands and scripts, and the names of keys."""

from __future__ import annotations

import hashlib
import itertools
import math
import threading
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from typing import Any, NoReturn, Self, TypeVar

import redis
from redis import exceptions

from ..errors import StoreError, StoreUnavailable
from ..model import shard_of
from .redis_client import address_of, client_of
from .rows import RowStore

T = TypeVar("T")

#: Answers that tell of the server's state and not of the command: worth trying again.
_PASSING_ERRORS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
)
#: The first words of others of that kind: a disk that is full, a script that runs too long, a server that
#: waits for others.
_PASSING_WORDS = frozenset(
    {"MISCONF", "BUSY", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "TRYAGAIN"}
)
#: Connection errors that no retry mends.
_LASTING_ERRORS = (exceptions.AuthenticationError, exceptions.AuthorizationError)


class RedisBase(RowStore):
    """Speaks to the server; its subclasses know what to say.

    Args:
        client: a redis-py client that decodes nothing and retries nothing; `from_url` makes one.
        shards: how many slices the bots are cut into.
        key_prefix: put before every key.
        teams_key, tokens_key: base names of the maps of bots and of statuses.
    """

    def __init__(
        self,
        client: redis.Redis,
        shards: int,
        *,
        key_prefix: str = "",
        teams_key: str = "tokens:teams",
        tokens_key: str = "tokens:statuses",
    ) -> None:
        super().__init__(shards)
        #: Untyped: redis-py's annotations mix the sync and the async client's.
        self._client: Any = client
        self._prefix = key_prefix
        self._teams_key = key_prefix + teams_key
        self._tokens_key = key_prefix + tokens_key
        self._where = address_of(client)
        #: Which queue is looked at first, so that a busy shard does not starve the others.
        self._turn = itertools.count()
        self._closed = threading.Event()

    @classmethod
    def from_url(cls, url: str, shards: int, **names: str) -> Self:
        """Makes a store for `redis://`, `rediss://`, `unix://` or kombu's `redis+socket://`.

        Args:
            names: `key_prefix`, `teams_key`, `tokens_key`, as the class takes them.

        Raises:
            ConfigurationError: the URL can't be used.
        """
        return cls(client_of(url), shards, **names)

    # One command at a time

    def _send(self, send: Callable[[], T], again: bool) -> T:
        """Runs what talks to the server; `again`: it may run twice when its connection breaks."""
        try:
            return send()
        except exceptions.RedisError as exc:
            if not (again and isinstance(exc, exceptions.ConnectionError)):
                self._fail(exc)
        return self._send(send, again=False)

    def _fail(self, exc: exceptions.RedisError) -> NoReturn:
        passing = isinstance(exc, _PASSING_ERRORS) or str(exc).partition(" ")[0] in _PASSING_WORDS
        passing = passing and not isinstance(exc, _LASTING_ERRORS)
        kind = StoreUnavailable if passing else StoreError
        raise kind(f"the store at {self._where}: {exc}") from exc

    def _do(self, *command: Any, again: bool) -> Any:
        return self._send(lambda: self._client.execute_command(*command), again)

    def _script(self, name: str, keys: Sequence[str], args: Sequence[Any], again: bool) -> Any:
        script = SCRIPTS[name]

        def send() -> Any:
            try:
                return self._client.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)
            except exceptions.NoScriptError:  # Nothing was done; this sends the text and so loads it.
                return self._client.execute_command("EVAL", script.text, len(keys), *keys, *args)

        return self._send(send, again)

    def _together(self, commands: Iterable[Sequence[Any]], again: bool) -> list[Any]:
        """Sends commands in one go, not as a transaction.

        The first error is raised as the server sent it: redis-py's own annotation would quote the command,
        and so a token.
        """

        def send() -> list[Any]:
            with self._client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = pipeline.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, exceptions.RedisError):
                    raise answer
            return answers

        return self._send(send, again)

    def ping(self) -> None:
        self._do("PING", again=True)

    def close(self) -> None:
        self._closed.set()
        self._client.close()

    def eviction_policy(self) -> str | None:
        """What the server does when memory is full; None where it does not tell.

        Anything but `noeviction` loses bots, queues and leases at that moment: worth a loud warning.
        """
        found = self._do("INFO", "memory", again=True).get("maxmemory_policy")
        return None if found is None else str(found)

    # Keys

    def _own(self, *parts: object) -> str:
        return f"{self._prefix}botfleet:{':'.join(map(str, parts))}"

    def _teams(self, shard: int) -> str:
        return f"{self._teams_key}:{shard}"

    def _tokens(self, shard: int) -> str:
        return f"{self._tokens_key}:{shard}"

    def _fingerprints(self, fingerprint: str) -> str:
        return self._own("fingerprints", shard_of(fingerprint, self.shards))


class _Script:
    """One file of `lua/`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


#: What stands before scripts, and is none by itself; by its name, those that it stands before.
_SHARED = {"history": ("put_statuses", "swap_bot", "swap_status")}


def _load_scripts() -> dict[str, _Script]:
    folder = resources.files(__package__) / "lua"
    texts = {
        path.name.removesuffix(".lua"): path.read_text()
        for path in folder.iterdir()
        if path.name.endswith(".lua")
    }
    for shared, users in _SHARED.items():
        before = texts.pop(shared)
        texts.update({user: before + texts[user] for user in users})
    return {name: _Script(text) for name, text in texts.items()}


#: By name; one for each file of `lua/` that is a script.
SCRIPTS = _load_scripts()


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, for expiries; never none."""
    return max(1, math.ceil(seconds * 1000))


def parts(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """Cuts what one call would take too long for."""
    return (items[start : start + size] for start in range(0, len(items), size))


def pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """What Redis answers for a map, two by two."""
    return zip(flat[::2], flat[1::2], strict=True)
