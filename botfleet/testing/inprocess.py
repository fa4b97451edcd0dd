"""A fleet within the test's process: no network, no broker, no waiting.

People act in a sandbox, whose events go through the bots' sessions, the router and the handlers' tasks; what
handlers send goes back the same way. All of it is botfleet's own code; only sockets, threads, the broker and
the time are replaced.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NamedTuple

from ..errors import UsageError
from ..fleet import Fleet as Bots
from ..handlers.commands import Commands, handlers_of
from ..handlers.context import HandlerContext
from ..handlers.handler import Handler
from ..handlers.loader import Loaded, load
from ..handlers.upkeep import HANDLERS as UPKEEP
from ..model import Command, Subscription
from ..publishing.router import Router, wanted_by
from ..sandbox.service import Options, Sandbox
from ..secrets import Seal
from ..settings import Settings
from ..slack.envelope import Identifier, Origin, wrap
from ..slack.frames import Frame
from ..store.memory import MemoryStore
from .clock import Clock
from .holder import Holder
from .runner import Runner
from .seen import Call
from .slack import API_URL, InnerApi, InnerControl
from .stage import Stage

#: What the bot's user is called.
BOT_NAME = "bot"
#: The group of the handlers' subscriptions in the store.
_GROUP = "handler"
#: Runs of handlers for one act; more than that is a bot that answers itself for ever.
_MOST_RUNS = 1000


class Delivery(NamedTuple):
    """An event on its way to a handler."""

    event_id: str
    envelope: bytes
    wanted: Subscription


class _Store(MemoryStore):
    """Has what is put into a shard's queue taken out at once, as by a holder that waits for it."""

    collect: Callable[[], None]

    def send(self, commands: Sequence[Command]) -> None:
        super().send(commands)
        self.collect()


class InProcess(Stage):
    """See the top of this module.

    Args:
        settings: the project's.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._clock = Clock(time.time(), self._pass_time)
        self._errors: list[Exception] = []
        self._told = 0
        self._waiting: deque[Delivery] = deque()
        # By task: what waits for batch handlers, which are run when nothing else waits.
        self._gathered: dict[str, list[Delivery]] = {}
        self._seen: set[str] = set()
        self._identifier = Identifier()
        self._router = Router()
        self._router_version = -1
        self._runner: Runner | None = None
        self.settings = dataclasses.replace(settings, slack_api_url=API_URL, secret_keys=(), shards=1)
        self.sandbox = Sandbox(Options(teams=0, bot_name=BOT_NAME), self._clock, self._clock)
        self.control = InnerControl(self.sandbox)
        self._api = InnerApi(self.settings, self.sandbox, self._clock)
        self._store = _Store(self.settings.shards, self._clock)
        self._bots = Bots(self.settings, self._store, Seal(), self._api, self._clock)
        self._holder = Holder(
            store=self._store,
            seal=self._bots.seal,
            api=self._api,
            sandbox=self.sandbox,
            clock=self._clock,
            publish=self._publish,
            refused=self._errors.append,
        )
        self._store.collect = self._holder.collect
        self._context = HandlerContext(
            store=self._store,
            seal=self._bots.seal,
            settings=self.settings,
            api=self._api,
            clock=self._clock,
            sleep=self._clock.skip,
        )

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def errors(self) -> list[Exception]:
        return list(self._errors)

    def load(self, what: tuple[object, ...]) -> None:
        self._bind(_loaded(what))

    def add_team(self, name: str) -> str:
        self._ready()
        added = self.control.add_team(name)
        result = self._bots.add_token(added["bot_token"])
        if not result.ok:
            raise UsageError(f"the team {name!r} has no bot: {result.error}")
        self.settle(added["team_id"])
        return added["team_id"]

    def calls(self, team: str, after: int) -> list[Call]:
        return [call for whose, call in self._api.calls[after:] if whose == team]

    def settle(self, team: str) -> None:
        runs = 0
        while self._waiting or self._gathered:
            runs += 1
            if runs > _MOST_RUNS:
                raise UsageError(
                    f"there were {_MOST_RUNS} runs of handlers for one act; does the bot answer itself?"
                )
            self._run(self._next())
        self._raise()

    def run_timer(self, name: str) -> None:
        raise NotImplementedError

    # Events

    def _publish(self, origin: Origin, frame: Frame, raw: bytes, event_id: str) -> None:
        self._read_subscriptions()
        event_id = event_id or self._identifier.identify(origin, frame)
        if event_id in self._seen:
            return
        self._seen.add(event_id)
        envelope = wrap(event_id, origin, frame, raw, self._clock())
        for wanted in self._router.match(origin, frame):
            delivery = Delivery(event_id, envelope, wanted)
            if wanted.batch:
                self._gathered.setdefault(wanted.task, []).append(delivery)
            else:
                self._waiting.append(delivery)

    def _read_subscriptions(self) -> None:
        version = self._store.subscriptions_version()
        if version != self._router_version:
            self._router = Router(wanted_by(self._store.subscriptions()))
            self._router_version = version

    def _next(self) -> list[Delivery]:
        """What is run next: one event, or those that wait for a batch handler once nothing else waits."""
        if self._waiting:
            return [self._waiting.popleft()]
        task, gathered = self._gathered.popitem()
        size = gathered[0].wanted.batch
        if gathered[size:]:
            self._gathered[task] = gathered[size:]
        return gathered[:size]

    def _run(self, deliveries: list[Delivery]) -> None:
        assert self._runner is not None
        wanted = deliveries[0].wanted
        envelopes = [json.loads(one.envelope) for one in deliveries]
        argument = envelopes if wanted.batch else envelopes[0]
        try:
            task_id = f"{deliveries[0].event_id}:{wanted.task}"
            self._runner.run(wanted.task, task_id, argument, wanted.kwargs)
        except Exception as exc:
            self._errors.append(exc)

    def _raise(self) -> None:
        """Raises what went wrong since the last time."""
        new, self._told = self._errors[self._told :], len(self._errors)
        if not new or not self.raise_errors:
            return
        if len(new) == 1:
            raise new[0]
        raise ExceptionGroup("several handlers failed", new)

    # Time

    def _pass_time(self, seconds: float) -> None:
        for mark in self.before_move:
            mark()
        self._clock.skip(seconds)
        self._holder.tick()
        self.settle("")

    # Handlers

    def _ready(self) -> None:
        """Loads the project's handlers, where a test named no others."""
        if self._runner is None:
            self._bind(load(self.settings.handlers))

    def _bind(self, loaded: Loaded) -> None:
        # Beside them stand the system's own, as in a worker.
        loaded = loaded._replace(handlers=(*loaded.handlers, *UPKEEP))
        self._runner = Runner(loaded, self._context)
        self._store.put_subscriptions(_GROUP, self._runner.subscriptions)


def _loaded(what: Sequence[object]) -> Loaded:
    """What `fleet.load` was given, as the loader would have found it."""
    found = [one for each in what for one in _handlers(each)]
    return Loaded(tuple(dict.fromkeys(one.function.__module__ for one in found)), tuple(found))


def _handlers(what: object) -> Sequence[Handler[..., object]]:
    if isinstance(what, str | ModuleType):
        return load([what if isinstance(what, str) else what.__name__]).handlers
    if isinstance(what, Handler):
        return [what]
    if isinstance(what, type) and issubclass(what, Commands):
        return handlers_of(what)
    raise UsageError(f"{what!r} is no handler; takes modules or their names, handlers, classes of Commands")
