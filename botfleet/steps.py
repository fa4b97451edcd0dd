"""What a role adds to a Celery worker: its options' defaults, and two steps of the worker's start.

A *worker* step starts before any broker connection and survives broker drops, which is what sockets need.
"""

from __future__ import annotations

import itertools
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from celery import bootsteps, signals

from .errors import BotfleetError, ConfigurationError, StoreUnavailable
from .handlers.builtin import with_ours
from .handlers.loader import Loaded, load
from .handlers.running.binding import bind
from .handlers.running.counters import announced_counter
from .handlers.running.expiry import ExpiredCounter
from .handlers.running.ordered import NO_LANES
from .handlers.running.timers import bind_timers
from .holder.holder import Holder
from .holder.process import (
    calm_garbage_collector,
    connections_that_fit,
    raise_open_files,
    shorten_turns,
)
from .holder.threads import WatchedThread
from .model import Schedule, Subscription
from .publishing.kombu_sink import KombuSink
from .publishing.marks import RedisMarks
from .publishing.ordered import OrderedLanes
from .publishing.publisher import Sink
from .publishing.sinks import RedisSink
from .repairs import mend
from .roles import BOTH, HANDLER, Role
from .sampling import SAMPLE_TASK
from .settings import Settings
from .store import REDIS_SCHEMES
from .store.base import Store
from .store.redis import RedisStore
from .store.redis_client import client_of
from .timers.ticker import TICK_TASK
from .worker_health import HealthStep
from .worker_state import stop_worker

if TYPE_CHECKING:
    from .celery import FleetApp
    from .fleet import Fleet
    from .settings import Settings

logger = logging.getLogger(__name__)

_POOL = "celery.worker.components:Pool"
#: Seconds for which a role's timers live without a worker that says so, at the least.
_TIMERS_LIVE = 15.0


def begin_role(app: FleetApp, role: Role) -> dict[str, Any]:
    """Prepares the app for a role, and returns the defaults of the worker's command line options.

    Raises:
        ConfigurationError: a setting is wrong, or a handler can't be loaded.
    """
    mend()
    settings = app.settings
    quiet_ticks()
    queues = role.queues
    if role.handles:
        loaded = load_role(role, settings)
        app.subscriptions = bind(app, loaded, app.handler_context)
        _check_ordered(app)
        app.schedules = bind_timers(app, loaded.timers, app.handler_context)
        named = {one.queue for one in (*app.subscriptions, *app.schedules) if one.queue}
        queues = (*queues, *sorted(named - set(queues)))
        _quiet_tasks(settings.log_level)
    chosen = {name: value for name, value in role.settings.items() if name not in app.deployment}
    app.conf.update(chosen)
    # Gossip and mingle are between workers that elect; they cost a second at each start and a fan-out each.
    return {
        "hostname": f"{role.name}@%h",
        "pool": role.pool,
        "concurrency": str(role.concurrency) if role.concurrency else None,
        "queues": ",".join(queues),
        "loglevel": settings.log_level,
        "without_gossip": True,
        "without_mingle": True,
    }


def load_role(role: Role, settings: Settings) -> Loaded:
    """Loads the handlers of a role.

    Raises:
        ConfigurationError: one can't be loaded.
    """
    return _with_ours(load(role.handlers or settings.handlers), role, settings)


def _with_ours(loaded: Loaded, role: Role, settings: Settings) -> Loaded:
    """Adds botfleet's own handlers, in the built-in roles: a second role would only do the same again."""
    if role.name not in (HANDLER.name, BOTH.name):
        return loaded
    return with_ours(loaded, settings)


def _quiet_tasks(log_level: str) -> None:
    """Leaves out Celery's two lines for each task that went well: there is one for each event.

    Flower shows them all, and DEBUG brings the lines back. Retries and failures are logged at any level.
    """
    if log_level != "DEBUG":
        for name in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(name).setLevel(logging.WARNING)


def _check_ordered(app: FleetApp) -> None:
    """Refuses ordered handlers where there is no place for their lanes.

    Raises:
        ConfigurationError: neither the broker nor the store is Redis.
    """
    ordered = [one.task for one in app.subscriptions if one.ordered]
    if ordered and app.lanes is None:
        raise ConfigurationError(ordered[0], NO_LANES)


def open_lanes(settings: Settings) -> OrderedLanes | None:
    """The lanes of ordered handlers, beside the queues, or else in the store; None where neither is Redis."""
    urls = (settings.broker_url, settings.store_url)
    url = next((url for url in urls if urlsplit(url).scheme in REDIS_SCHEMES), None)
    if url is None:
        return None
    marks = (settings.dedupe_ttl, settings.dedupe_marks)
    return OrderedLanes(client_of(url), settings.key_prefix, settings.lease_ttl, *marks)


class _NoTicks(logging.Filter):
    """Leaves out what Celery says of ticks and samples that are sent, went well or came too late."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.args.values() if isinstance(record.args, dict) else record.args or ()
        return record.levelno > logging.INFO or not (TICK_TASK in said or SAMPLE_TASK in said)


_no_ticks = _NoTicks()


def quiet_ticks() -> None:
    """Keeps ticks and samples out of the log, in workers and in beat."""
    for name in ("celery.beat", "celery.worker.strategy", "celery.worker.request", "celery.app.trace"):
        logging.getLogger(name).addFilter(_no_ticks)


def make_sink(app: FleetApp) -> Sink:
    """The way to the broker for events."""
    settings = app.settings
    url: str = app.conf.broker_url
    if urlsplit(url).scheme.startswith(("redis", "unix")):
        return RedisSink(app, client_of(url), settings.key_prefix, settings.dedupe_ttl, settings.dedupe_marks)
    if not isinstance(app.fleet.store, RedisStore):
        return KombuSink(app, lanes=app.lanes)
    store = client_of(settings.store_url)
    marks = RedisMarks(
        store, settings.key_prefix, settings.dedupe_ttl, settings.dedupe_marks, settings.lease_ttl
    )
    return KombuSink(app, marks, app.lanes)


class HolderStep(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Keeps sockets, in a worker whose role holds."""

    # It says how this one is, until it has ended.
    requires = (_POOL, HealthStep)

    def include_if(self, worker: Any) -> bool:
        role = worker.app.role
        return role is not None and role.holds

    def create(self, worker: Any) -> Holder:
        app, fleet = worker.app, worker.app.fleet
        _check_name(fleet, worker.hostname)
        limit = raise_open_files(app.settings.max_connections)
        calm_garbage_collector()
        shorten_turns()
        _warn_of_risks(app)
        holder = Holder(
            name=worker.hostname,
            settings=app.settings,
            store=fleet.store,
            seal=fleet.seal,
            sink=make_sink(app),
            on_death=stop_worker,
            room=connections_that_fit(app.settings.max_connections, limit),
        )
        _hurry_when_asked_twice(worker.hostname, holder)
        worker.botfleet_holder = holder  # For `inspection.py`.
        return holder


class HandlerStep(bootsteps.StartStopStep):  # type: ignore[misc]  # celery has no types
    """Announces what the handlers want, in a worker whose role handles."""

    # It says how this one is, until it has ended.
    requires = (_POOL, HealthStep)

    def include_if(self, worker: Any) -> bool:
        role = worker.app.role
        return role is not None and role.handles

    def create(self, worker: Any) -> Announcer:
        app = worker.app
        group = HANDLER.name if app.role.name == BOTH.name else app.role.name
        return Announcer(app, group, app.subscriptions, app.schedules)


class Announcer:
    """Writes a role's subscriptions to the store, again should they get lost there, and what came late.

    Its timers are kept there for as long as a worker of the role runs.
    """

    def __init__(
        self, app: FleetApp, group: str, subscriptions: list[Subscription], schedules: list[Schedule]
    ) -> None:
        self._app = app
        self._group = group
        self._subscriptions = subscriptions
        self._schedules = schedules
        # A role whose workers are all gone for that long has no timers.
        self._life = max(_TIMERS_LIVE, 3 * app.settings.check_interval)
        self._closing = threading.Event()
        self._store_away = False
        self._expired = ExpiredCounter()
        self._thread = WatchedThread("announcer", self._run, stop_worker)

    def start(self, worker: Any = None) -> None:
        """Starts announcing; returns at once."""
        signals.task_revoked.connect(self._expired.hear)
        self._thread.start()

    def stop(self, worker: Any = None) -> None:
        """Ends; what was announced stays, so that events wait in the queues for the next handlers."""
        self._closing.set()

    def _run(self) -> None:
        announced = False
        while not self._closing.is_set():
            announced = self._announce(announced)
            self._expired.flush(self._app.fleet.store)
            self._closing.wait(self._app.settings.check_interval if announced else 1.0)

    def _announce(self, announced: bool) -> bool:
        store = self._app.fleet.store
        try:
            if not announced or (self._subscriptions and self._group not in store.subscriptions()):
                store.put_subscriptions(self._group, self._subscriptions)
                store.advance(announced_counter(self._group), 1)
                logger.info(
                    "%s handlers and %s timers are announced as %s",
                    *(len(self._subscriptions), len(self._schedules), self._group),
                    extra={"action": "handlers.announced"},
                )
            self._announce_timers(store, announced)
        except StoreUnavailable as exc:
            if not self._store_away:
                logger.warning("The store is away, handlers are not announced: %s", exc)
            self._store_away = True
            return False
        self._store_away = False
        return True

    def _announce_timers(self, store: Store, announced: bool) -> None:
        kept = announced and (not self._schedules or store.keep_timers(self._group, self._life))
        if not kept:
            store.put_timers(self._group, self._schedules, self._life)


def _hurry_when_asked_twice(name: str, holder: Holder) -> None:
    """Has a second signal end a holder at once, while it waits for others to take its shards over."""
    asked = itertools.count(1)

    def hear(sender: str = "", **_: Any) -> None:
        if sender == name and next(asked) > 1:
            holder.hurry()

    signals.worker_shutting_down.connect(hear, weak=False)


def _check_name(fleet: Fleet, name: str) -> None:
    """Two holders of one name would overwrite each other's heartbeat, and be taken for dead in turn.

    Raises:
        ClickException: a holder of this name runs on this machine.
    """
    try:
        known = [
            one for one in fleet.store.holders() if one.name == name and one.host == socket.gethostname()
        ]
    except StoreUnavailable:
        return  # The worker starts all the same, and waits for its store.
    for one in known:
        if one.pid != os.getpid() and _runs(one.pid):
            raise click.ClickException(
                f"a holder named {name} runs already (pid {one.pid}); give this one a name: -n holder2@%h"
            )


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _warn_of_risks(app: FleetApp) -> None:
    fleet = app.fleet
    if not fleet.seal.active:
        logger.warning(
            "Tokens are stored in the clear: set BOTFLEET_SECRET_KEYS (`botfleet keys new` prints one)",
            extra={"action": "seal.missing"},
        )
    if isinstance(fleet.store, RedisStore):
        _warn_of_eviction(fleet.store)


def _warn_of_eviction(store: RedisStore) -> None:
    try:
        policy = store.eviction_policy()
    except BotfleetError:
        return  # The keeper says it when the store is away.
    if policy not in (None, "noeviction"):
        logger.warning(
            "Redis may throw away tokens and events: its maxmemory-policy is %s; set it to noeviction",
            policy,
            extra={"action": "store.eviction"},
        )
