"""`botfleet handlers`: what is declared here beside what workers have announced."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from botfleet import tables
from botfleet.celery import FleetApp
from botfleet.errors import BotfleetError
from botfleet.inventory import (
    HandlerReport,
    declared,
    declared_timers,
    handlers_of,
    timers_of,
    waiting,
)
from botfleet.model import Schedule, Subscription, TimerState
from botfleet.overview import in_words
from botfleet.roles import HANDLER
from botfleet.steps import begin_role
from botfleet.store.memory import MemoryStore

from .deployments import Deployment, deployment

__all__ = ["deployment"]  # fixtures

PING = Subscription(task="tasks.ping", types=("message",), addressed=True, words=("ping",), max_age=30.0)
JOIN = Subscription(task="tasks.join", types=("team_join",), queue="slow")


def reports(here: dict[str, Any], announced: dict[str, Any], **counts: int) -> list[HandlerReport]:
    store = MemoryStore(4)
    for name, count in counts.items():
        store.advance(name.replace("_", ":", 1) + ".ping", count)
    return handlers_of(here, announced, store)


def states(here: dict[str, Any], announced: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(one.group, one.handler): one.state for one in reports(here, announced)}


def test_a_handler_with_its_counts() -> None:
    (report,) = reports({"handler": [PING]}, {"handler": [PING]}, runs_tasks=7, failed_tasks=2, late_tasks=1)
    assert report == HandlerReport(
        handler="tasks.ping",
        group="handler",
        state="ok",
        wants="message addressed words=ping max_age=30",
        queue="",
        runs=7,
        failed=2,
        late=1,
    )


def test_what_is_declared_and_what_is_announced_are_compared_by_role() -> None:
    newer = Subscription(task="tasks.ping", types=("message",), addressed=True, words=("ping", "echo"))
    listener = Subscription(task="tasks.Bot.listener", types=("message",), bot="T1")
    assert states(
        {"handler": [PING, newer], "analytics": [JOIN]},
        {"handler": [PING, JOIN], "listeners:T1:x": [listener], "old": [JOIN]},
    ) == {
        ("handler", "tasks.ping"): "changed",
        ("handler", "tasks.join"): "gone",
        ("analytics", "tasks.join"): "new",
        ("listeners:T1:x", "tasks.Bot.listener"): "ok",
        ("old", "tasks.join"): "gone",
    }


def test_nothing_anywhere() -> None:
    assert reports({}, {}) == []


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (JOIN, "team_join"),
        (Subscription(task="t", types=("*",), own=True, bots=True, subtypes=("*",)), "* subtypes=* own bots"),
        (Subscription(task="t", types=("a", "b"), batch=100, linger=0.05), "a,b batch=100 linger=0.05"),
    ],
)
def test_a_subscription_in_words(wanted: Subscription, words: str) -> None:
    assert in_words(wanted) == words


def test_the_table_has_a_line_for_each() -> None:
    lines = tables.handlers_table(reports({"handler": [PING, JOIN]}, {})).splitlines()
    assert [line.split()[0] for line in lines] == ["HANDLER", "tasks.ping", "tasks.join"]


def test_timers_are_compared_with_what_is_announced() -> None:
    store = MemoryStore(4, clock=lambda: 1000.0)
    state = TimerState(plan="every 60 s", due_at=960.0, last_run=970.0)
    assert store.replace_timer("t.ok", None, state, 3600.0)
    ok, new, gone = (Schedule(task=name, seconds=60) for name in ("t.ok", "t.new", "t.gone"))
    daily, hourly = (Schedule(task="t.changed", cron=line) for line in ("0 9 * * *", "0 * * * *"))
    found = timers_of(
        {"t.ok": ok, "t.new": new, "t.changed": daily},
        {"t.ok": ok, "t.gone": gone, "t.changed": hourly},
        store,
    )
    assert {one.timer: one.state for one in found} == {
        "t.ok": "ok",
        "t.new": "new",
        "t.changed": "changed",
        "t.gone": "gone",
    }
    assert found[0].last_run == 970.0
    table = click.unstyle(tables.timers_table(found, 1000.0))
    lines = [line.split() for line in table.splitlines()]
    assert lines[1] == ["t.ok", "ok", "every", "60", "s", tables.ago(30.0), "-"]
    assert lines[3] == ["t.changed", "changed", "0", "9", "*", "*", "*", "UTC", "-", "-"]


# In a project


@pytest.fixture
def app(deployment: Deployment) -> FleetApp:
    """An app in a project with two roles that handle."""
    deployment.write(
        "celeryconfig.py", "botfleet_handlers = ['elsewhere']", "botfleet_broker_url = 'memory://'"
    )
    deployment.write("elsewhere/__init__.py")
    one = "from botfleet import on\n@on({!r})\ndef {}(event): ..."
    deployment.write("elsewhere/first.py", one.format("team_join", "first"))
    deployment.write("elsewhere/_sinks.py", one.format("message", "second"))
    deployment.write(
        "workers/analytics.py",
        "from botfleet.roles import HANDLER",
        "role = HANDLER.but(name='analytics', handlers=('elsewhere._sinks',))",
    )
    return FleetApp("test", set_as_current=False)


def test_each_role_declares_its_own(app: FleetApp) -> None:
    found = {
        role: [one.task for one in wanted if not one.task.startswith("botfleet.")]
        for role, wanted in declared(app).items()
    }
    assert found == {"analytics": ["elsewhere._sinks.second"], "handler": ["elsewhere.first.first"]}
    assert list(declared(app, "analytics")) == ["analytics"]
    assert declared(app, "holder") == {}
    assert list(declared(app, "worker")) == ["handler"], "as its workers announce them"


def test_the_systems_own_handlers_are_those_that_a_worker_announces(app: FleetApp) -> None:
    begin_role(app, HANDLER)
    assert declared(app)["handler"] == app.subscriptions


def test_timers_are_those_that_a_worker_announces(app: FleetApp, deployment: Deployment) -> None:
    deployment.write("elsewhere/clock.py", "from botfleet import every\n@every('0 9 * * *')\ndef nine(): ...")
    begin_role(app, HANDLER)
    assert declared_timers(app) == {"elsewhere.clock.nine": app.schedules[0]}
    assert declared_timers(app, "analytics") == {}


def test_a_queue_that_nobody_made_is_empty(app: FleetApp) -> None:
    app.add_defaults(app.celery_settings)
    lengths = waiting(app, {"handler": [JOIN]})
    assert next(iter(lengths)) == "events.message.public"
    assert lengths["slow"] == 0


def test_a_broker_that_is_away_is_one_line(app: FleetApp) -> None:
    app.conf.update(broker_url="amqp://user:hunter2@127.0.0.1:1//", broker_connection_timeout=1.0)
    with pytest.raises(BotfleetError, match="the broker does not answer") as caught:
        waiting(app, {})
    assert "hunter2" not in str(caught.value)


def test_a_handler_that_cannot_be_loaded_is_one_line(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botfleet import celery
    from botfleet.cli import fleet

    deployment.write(
        "celeryconfig.py", "botfleet_handlers = ['elsewhere']", "botfleet_broker_url = 'memory://'"
    )
    deployment.write("elsewhere.py", "def (")
    monkeypatch.setattr(celery, "app", FleetApp("test", set_as_current=False))
    result = CliRunner().invoke(fleet, ["handlers", "--check"])
    assert result.exit_code == 1
    assert (
        result.output == "Error: elsewhere: can't be loaded: SyntaxError: invalid syntax (elsewhere.py:1)\n"
    )
    deployment.write("elsewhere.py", "")
    assert CliRunner().invoke(fleet, ["handlers", "--check"]).output == "0 handlers can be loaded.\n"
