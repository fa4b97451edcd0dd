"""The system's own tasks, for any app that can reach the broker; they wait on the queue `botfleet.control`.

    Celery(broker=URL, backend=URL).send_task("botfleet.add_token", ["xoxb-…"], queue="botfleet.control")

In Python, `from botfleet import add_token`: `add_token("xoxb-…")` does it here and now,
`add_token.delay("xoxb-…")` sends it with the token sealed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from kombu.exceptions import OperationalError

from .celery import app
from .errors import BotfleetError, StoreUnavailable
from .fleet import as_shown, is_token
from .handlers.builtin.upkeep import refresh
from .handlers.client import Client
from .publishing.sweeping import Sweeper
from .reconcile import Reconciler
from .redaction import HIDDEN, RedactedTask
from .roles import CONTROL_QUEUE, TIMER_QUEUE
from .sampling import Sampler
from .secrets import Seal, Token
from .timers.ticker import Due, Ticker

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
Results = list[dict[str, Any]]

logger = logging.getLogger(__name__)


class ControlTask(RedactedTask):
    """Base of the control tasks: quick, with a result, and with sealed tokens on their way."""

    abstract = True
    queue = CONTROL_QUEUE
    ignore_result = False
    # Done twice is the same as once; done never is worse.
    acks_late = True
    max_retries = 5

    def apply_async(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Sends the task, with each bare token sealed."""
        sealed = tuple(_sealed(one) for one in args or ())
        return super().apply_async(sealed, kwargs, *rest, **options)


class SentTask(Protocol[P, R_co]):
    """A control task, as type checkers see it: call it here, or send it."""

    name: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Does it here and now."""

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Sends it to a holder; returns Celery's AsyncResult."""

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Sends it, with Celery's options."""


def _task(name: str, **options: Any) -> Callable[[Callable[P, R_co]], SentTask[P, R_co]]:
    def decorate(function: Callable[P, R_co]) -> SentTask[P, R_co]:
        made: SentTask[P, R_co] = app.task(
            name=f"botfleet.{name}", base=ControlTask, shared=False, **options
        )(function)
        return made

    return decorate


def _sealed(argument: Any) -> Any:
    """A token as it may lie in a queue; whether it is a good one is the task's to say."""
    if not is_token(argument) or Seal.is_stored_form(argument):
        return argument
    seal: Seal = app.fleet.seal
    return seal.seal(Token(argument)) if seal.active else argument


@_task("add_token")
def add_token(*tokens: str, namespace: str | None = None, transport: str | None = None) -> Results:
    """Adds bots by their tokens, with a socket each or over HTTP (`transport`); one result per token."""
    return [app.fleet.add_token(one, namespace, transport).as_json() for one in tokens]


@_task("remove_token")
def remove_token(*tokens_or_teams: str, namespace: str | None = None) -> Results:
    """Forgets bots and closes their sockets."""
    return [app.fleet.remove_token(one, namespace).as_json() for one in tokens_or_teams]


@_task("update_token")
def update_token(*tokens_or_teams: str, namespace: str | None = None) -> Results:
    """Connects bots anew, with a new token where one is given."""
    return [app.fleet.update_token(one, namespace).as_json() for one in tokens_or_teams]


@_task("check_token")
def check_token(*tokens_or_teams: str, namespace: str | None = None) -> Results:
    """Asks Slack and the store about bots."""
    return [app.fleet.check_token(one, namespace).as_json() for one in tokens_or_teams]


@_task("start")
def start(*team_ids: str, namespace: str | None = None) -> Results:
    """Wants bots connected: all of them, or these teams'."""
    return [one.as_json() for one in app.fleet.start(*team_ids, namespace=namespace)]


@_task("stop")
def stop(*team_ids: str, namespace: str | None = None) -> Results:
    """Wants bots disconnected, until they are started again."""
    return [one.as_json() for one in app.fleet.stop(*team_ids, namespace=namespace)]


@_task("restart")
def restart(*team_ids: str, namespace: str | None = None) -> Results:
    """Connects bots anew."""
    return [one.as_json() for one in app.fleet.restart(*team_ids, namespace=namespace)]


@_task("status")
def status(*team_ids: str, namespace: str | None = None) -> dict[str, Any]:
    """Counts by status and the holders; or, where teams are named, their bots."""
    found: dict[str, Any] = app.fleet.status(*team_ids, namespace=namespace)
    return found


@_task("message")
def message(
    team_id: str, channel: str, text: str, namespace: str | None = None, **options: Any
) -> dict[str, Any]:
    """Says something in a team; takes what `Client.message` does.

    Returns:
        `{"ok", "team_id", "error", "channel", "ts"}`; the last two are None where nobody knows them (yet).
    """
    try:
        bot = app.fleet.find(team_id, namespace)
        client = Client(app.handler_context, bot.team_id, bot.namespace, origin=_request_id())
        sent = client.message(channel, text, **options)
    except BotfleetError as exc:
        shown = as_shown(team_id)
        return {"ok": False, "team_id": shown, "error": str(exc), "channel": None, "ts": None}
    place, ts = (sent.channel, sent.ts) if sent else (None, None)
    return {"ok": True, "team_id": bot.team_id, "error": None, "channel": place, "ts": ts}


def _request_id() -> str:
    """The id of the message that has the task run, so that it says nothing twice when it comes again."""
    task = app.current_task
    return f"{task.name} {task.request.id}" if task is not None and task.request.id else ""


@_task("sweep_lanes", ignore_result=True, autoretry_for=(), acks_late=False)
def sweep_lanes() -> None:
    """Wakes lanes of ordered handlers that were forgotten; beat sends it every `check_interval`."""
    if app.lanes is None:
        return
    try:
        Sweeper(app, app.fleet.store, app.lanes).run()
    except StoreUnavailable as exc:
        logger.warning("A sweep was left out, the store is away: %s", exc, extra={"action": "lane.sweep"})


@_task("reconcile", ignore_result=True, autoretry_for=(), acks_late=False)
def reconcile() -> None:
    """One round of reconciliation; beat sends it every `check_interval`."""
    try:
        Reconciler(app.fleet).run()
    except StoreUnavailable as exc:
        logger.warning("A round was left out, the store is away: %s", exc, extra={"action": "reconcile"})


@_task("sample", ignore_result=True, autoretry_for=(), acks_late=False, send_events=False)
def sample() -> None:
    """Takes a sample of how the fleet is; beat sends it every few seconds."""
    try:
        Sampler(app.fleet.store, app.depths, (CONTROL_QUEUE,)).take()
    except StoreUnavailable as exc:
        logger.warning("A sample was left out, the store is away: %s", exc, extra={"action": "sample"})


@_task("refresh_directory", ignore_result=True, autoretry_for=(), acks_late=False)
def refresh_directory() -> None:
    """Lists a few directories anew; beat sends it every minute."""
    try:
        refresh(app.handler_context)
    except StoreUnavailable as exc:
        logger.warning(
            "No directory was refreshed, the store is away: %s", exc, extra={"action": "directory"}
        )


@_task("tick", ignore_result=True, autoretry_for=(), acks_late=False, send_events=False)
def tick() -> None:
    """Sends the timers that are due; beat sends it every second."""
    ticker = Ticker(app.fleet.store)
    try:
        for due in ticker.claim():
            _send_timer(ticker, due)
    except StoreUnavailable as exc:
        logger.warning("A tick was left out, the store is away: %s", exc, extra={"action": "tick"})


def _send_timer(ticker: Ticker, due: Due) -> None:
    name = due.schedule.task
    try:
        app.send_task(
            name,
            args=[due.as_json()],
            queue=due.schedule.queue or TIMER_QUEUE,
            # In every log line of Celery's and in Flower's list.
            task_id=f"{name}:{due.due_at:.3f}",
            argsrepr=HIDDEN,
            expires=due.expires,
            ignore_result=True,
            add_to_parent=False,
        )
    except (OperationalError, OSError) as exc:
        logger.warning(
            "Timer %s could not be sent and stays due: %s",
            *(name, type(exc).__name__),
            extra={"action": "timer.unsent", "task": name},
        )
        ticker.give_back(due)
