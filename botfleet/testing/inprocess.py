"""A fleet within the test's process: no network, no broker, no waiting.

People act in a sandbox, whose events go through the bots' sessions, the router and the handlers' tasks; what
handlers send goes back the same way. All of it is botfleet's own code; only sockets, threads, the broker and
the time are replaced.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence

from ..errors import UsageError
from ..fleet import Fleet as Bots
from ..handlers.builtin import with_ours
from ..handlers.context import HandlerContext
from ..handlers.loader import Loaded, load
from ..model import Bot, Command
from ..sandbox.apps import app_urls
from ..sandbox.service import Options, Sandbox
from ..secrets import Seal
from ..settings import Settings
from ..store.memory import MemoryStore
from ..store.values import Change, Telling
from . import given
from .clock import Clock
from .deliveries import Deliveries, Delivery
from .holder import Holder
from .outbox import InnerOutbox
from .runner import Runner
from .seen import Call
from .slack import API_URL, URL, InnerApi, InnerControl
from .stage import Stage
from .timers import Timers

#: What the bot's user is called.
BOT_NAME = "bot"
#: Where the app would be told of commands and clicks; nothing is ever sent there.
_APP_URLS = app_urls("http://botfleet.invalid")
#: The group of the handlers' subscriptions in the store.
_GROUP = "handler"
#: Runs of handlers for one act; more than that is a bot that answers itself for ever.
_MOST_RUNS = 1000


class _Store(MemoryStore):
    """Has what is put into a shard's queue taken out at once, as by a holder that waits for it."""

    collect: Callable[[], None]

    def send(self, commands: Sequence[Command]) -> None:
        super().send(commands)
        self.collect()

    def change_bot(
        self, key: str, change: Change, telling: Telling | None = None
    ) -> tuple[Bot | None, Bot | None]:
        changed = super().change_bot(key, change, telling)
        self.collect()
        return changed


class InProcess(Stage):
    """See the top of this module.

    Args:
        settings: the project's.
        timezone: of timers' cron lines.
    """

    def __init__(self, settings: Settings, timezone: str = "UTC") -> None:
        super().__init__()
        settings = dataclasses.replace(settings, slack_api_url=API_URL, secret_keys=(), shards=1)
        self._settings, self._timezone = settings, timezone
        self._clock = clock = Clock(time.time(), self._pass_time)
        sandbox = Sandbox(Options(teams=0, bot_name=BOT_NAME, app=_APP_URLS), clock, clock)
        sandbox.url = URL
        self.control = InnerControl(sandbox)
        self._api = api = InnerApi(settings, sandbox, clock)
        self._store = store = _Store(settings.shards, clock)
        self._bots = Bots(settings, store, Seal(), api, clock)
        self._errors: list[Exception] = []
        # How many of them the test was told.
        self._told = 0
        self._deliveries = Deliveries(store, clock)
        publish, refused = self._deliveries.publish, self._errors.append
        self._holder = Holder(store, self._bots.seal, api, sandbox, clock, publish, refused)
        store.collect = self._holder.collect
        sandbox.outbox = InnerOutbox(store, settings.namespace, publish)
        self._context = HandlerContext(
            store=store, seal=self._bots.seal, settings=settings, api=api, clock=clock, sleep=clock.skip
        )
        self._runner: Runner | None = None
        # The teams whose app hears by HTTP as well.
        self._hearing: set[str] = set()
        self._timers = Timers(store, clock, lambda task, task_id, due: self._run(task, task_id, due, {}))

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def errors(self) -> list[Exception]:
        return list(self._errors)

    def load(self, what: tuple[object, ...]) -> None:
        self._bind(given.loaded(what))

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
        while self._deliveries:
            runs += 1
            if runs > _MOST_RUNS:
                raise UsageError(f"one act had {_MOST_RUNS} runs of handlers; does the bot answer itself?")
            self._handle(self._deliveries.take())
        self._raise()

    def run_timer(self, name: str) -> None:
        self._timers.run(name)

    def hear_by_http(self, team: str) -> None:
        if team not in self._hearing:
            self._hearing.add(team)
            self.control.install(team, transport="http")

    def _handle(self, deliveries: Sequence[Delivery]) -> None:
        wanted = deliveries[0].wanted
        envelopes = [json.loads(one.envelope) for one in deliveries]
        task_id = f"{deliveries[0].event_id}:{wanted.task}"
        self._run(wanted.task, task_id, envelopes if wanted.batch else envelopes[0], wanted.kwargs)

    def _run(self, task: str, task_id: str, argument: object, kwargs: Mapping[str, object]) -> None:
        assert self._runner is not None, "nothing is published before"
        try:
            self._runner.run(task, task_id, argument, kwargs)
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

    def _pass_time(self, seconds: float) -> None:
        for mark in self.before_move:
            mark()
        self._timers.pass_time(seconds)
        self._holder.tick()
        self.settle("")

    def _ready(self) -> None:
        """Loads the project's handlers, where a test named no others."""
        if self._runner is None:
            self._bind(load(self._settings.handlers))

    def _bind(self, loaded: Loaded) -> None:
        self._runner = Runner(with_ours(loaded, self._settings), self._context, self._timezone)
        self._timers.announce(self._runner.schedules)
        self._store.put_subscriptions(_GROUP, self._runner.subscriptions)
