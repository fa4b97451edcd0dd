"""What a timer's function is given: `Timer`, with the bots' clients and a memory of its own."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterator, MutableMapping
from functools import cached_property
from typing import Any

from ..errors import UsageError
from ..model import bot_key
from ..store.base import Store
from .bots import can_speak, every_bot
from .client import Client
from .context import HandlerContext

#: Clients whose tokens are kept out of an exception's text: the last ones that were used.
_CLIENTS_KNOWN = 16
#: Bounds of a memory: it is read as a whole in each run that uses it.
_MOST_FIELDS = 1000
_MOST_BYTES = 64 * 1024


class Timer:
    """One run of a timer.

    Args:
        context: of the process.
        name: the timer's: `module.function`.
        due_at: since when this run is due, unix seconds.
        last_run: when it was last run, unix seconds; None for the first time.
    """

    def __init__(
        self, context: HandlerContext, name: str, due_at: float, last_run: float | None = None
    ) -> None:
        self.name = name
        self.due_at = due_at
        self.last_run = last_run
        self._context = context
        self._clients: deque[Client] = deque(maxlen=_CLIENTS_KNOWN)
        # How many clients this run has asked for, by bot.
        self._given: Counter[str] = Counter()

    @cached_property
    def memory(self) -> TimerMemory:
        """What this timer remembers from run to run."""
        return TimerMemory(self._context.store, self.name)

    def clients(self) -> Iterator[Client]:
        """A client for each bot that runs, read shard by shard: also a fleet of any size needs little memory.

        Left out are bots that are stopped, and those whose token is dead.
        """
        for bot, status in every_bot(self._context.store):
            if can_speak(bot, status):
                yield self._known(Client.of(self._context, bot, status, self._origin(bot.key)))

    def client(self, team_id: str, namespace: str = "") -> Client:
        """The client of one bot."""
        origin = self._origin(bot_key(team_id, namespace))
        return self._known(Client(self._context, team_id, namespace, origin=origin))

    def secrets(self) -> list[str]:
        """What must not be logged of what was looked up lately."""
        return [secret for client in self._clients for secret in client.secrets()]

    def _origin(self, key: str) -> str:
        """What the tries of this run have in common, so that none says again what an earlier one has said.

        A bot's second client in a run is another one: what both say is said twice.
        """
        self._given[key] += 1
        return f"{self.name} {self.due_at} {self._given[key]}"

    def _known(self, client: Client) -> Client:
        self._clients.append(client)
        return client

    def __repr__(self) -> str:
        return f"<Timer {self.name}>"


class TimerMemory(MutableMapping[str, Any]):
    """A small mapping that outlasts restarts; for pollers that announce only what is new.

    Values are what JSON has, and are copies: a list that is changed has to be put back. Each change is
    written at once, so that a run that fails later does not forget it.

    Args:
        store: where it is kept.
        name: the timer's.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    @cached_property
    def _fields(self) -> dict[str, bytes]:
        return dict(self._store.memory(self._name))

    def __getitem__(self, field: str) -> Any:
        return json.loads(self._fields[field])

    def __setitem__(self, field: str, value: Any) -> None:
        written = self._written(field, value)
        self._store.remember(self._name, field, written)
        self._fields[field] = written

    def __delitem__(self, field: str) -> None:
        if field not in self._fields:
            raise KeyError(field)
        self._store.remember(self._name, field, None)
        del self._fields[field]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._fields))

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"<TimerMemory of {self._name}>"

    def _written(self, field: object, value: object) -> bytes:
        if not isinstance(field, str) or not field:
            raise UsageError("a timer's memory has texts for names")
        try:
            written = json.dumps(value).encode()
        except (TypeError, ValueError):
            raise UsageError(
                f"a timer's memory takes what JSON has; {field!r} is {type(value).__name__}"
            ) from None
        if len(written) > _MOST_BYTES or len(self._fields.keys() | {field}) > _MOST_FIELDS:
            raise UsageError(f"a timer's memory takes {_MOST_FIELDS} values of up to {_MOST_BYTES} bytes")
        return written
