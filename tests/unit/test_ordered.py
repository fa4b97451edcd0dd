"""Ordered handlers: declared, divided by the publisher, and refused where there is no place for lanes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery

from botfleet.celery import FleetApp
from botfleet.errors import ConfigurationError
from botfleet.handlers import Event, Loaded, on
from botfleet.handlers.running.binding import bind
from botfleet.model import Bot, Subscription
from botfleet.publishing.publisher import Publisher
from botfleet.publishing.router import Router
from botfleet.publishing.sinks import MemorySink
from botfleet.publishing.wake_ups import is_wake_up, wake_up
from botfleet.roles import HANDLER
from botfleet.settings import Settings
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import decode
from botfleet.steps import begin_role, open_lanes

from .bots import context_with_bot, envelope
from .test_publisher import running

ORIGIN = Origin.of(Bot(team_id="T1", namespace="beta", sealed_token="plain:x", fingerprint="f"))
REDIS, RABBIT = "redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"


@pytest.mark.parametrize("ordered", ["channel", "user", "team"])
def test_an_ordered_handler_says_by_what(ordered: Any) -> None:
    @on("message", ordered=ordered)
    def note(event: Event) -> None: ...

    assert note.subscription.ordered == ordered


def test_others_are_not() -> None:
    @on("message")
    def note(event: Event) -> None: ...

    assert note.subscription.ordered == ""


@pytest.mark.parametrize("ordered", ["thread", "", True, 1, ["channel"]])
def test_a_bad_order_is_refused(ordered: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"@on ordered .*takes channel, user, team"):
        on("message", ordered=ordered)


def test_a_batch_has_no_order() -> None:
    with pytest.raises(ConfigurationError, match="not go together with batch"):
        on("message", ordered="channel", batch=10)


def test_the_publisher_gives_an_ordered_handler_a_part_of_its_own() -> None:
    plain = Subscription(task="tasks.plain", types=("message",))
    by_user = Subscription(task="tasks.by_user", types=("message",), ordered="user")
    by_team = Subscription(task="tasks.by_team", types=("message",), ordered="team")
    sink = MemorySink()
    publisher = Publisher(sink, 2**20)
    publisher.router = Router([by_user, plain, by_team])
    with running(publisher):
        for user in ("U1", "U2", "U1"):
            raw = json.dumps(
                {"type": "message", "user": user, "ts": f"{publisher.counters.events}.0"}
            ).encode()
            frame = decode(raw)
            assert frame is not None
            publisher.publish(ORIGIN, frame, raw)
        assert publisher.flush(5.0)
    lanes: dict[str, list[str]] = {}
    for event in sink.events:
        [one] = event.subscriptions
        lanes.setdefault(one.task, []).append(event.ordered_lane)
    assert lanes == {
        "tasks.plain": ["", "", ""],
        "tasks.by_user": [f"tasks.by_user:beta-T1:{user}" for user in ("U1", "U2", "U1")],
        "tasks.by_team": ["tasks.by_team:beta-T1:"] * 3,
    }
    assert publisher.unsent == 0


def test_a_wake_up_is_told_from_an_event() -> None:
    assert is_wake_up(wake_up("Ev1", "tasks.note:T1:C1"))
    assert not is_wake_up(envelope(lane="fast"))
    assert not is_wake_up({**envelope(), "lane": "of a field that is to come"})
    assert not is_wake_up([envelope()])


def test_without_lanes_an_event_by_itself_is_handled_and_a_wake_up_refused() -> None:
    handled = []

    @on("message", ordered="channel")
    def note(event: Event) -> None:
        handled.append(event.id)

    app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
    bind(app, Loaded(("test",), (note,)), context_with_bot())
    task = app.tasks[note.name]
    assert task.apply([envelope()]).successful()
    assert handled == ["Ev1"]
    refused = task.apply([wake_up("Ev2", f"{note.name}:T1:C1")])
    assert "takes Redis as the broker or as the store" in str(refused.result)


def test_an_event_by_itself_is_tried_again_by_the_handlers_options() -> None:
    tries = []

    @on("message", ordered="channel", max_retries=2)
    def note(event: Event) -> None:
        tries.append(event.id)
        raise OSError("full")

    app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
    bind(app, Loaded(("test",), (note,)), context_with_bot())
    assert isinstance(app.tasks[note.name].apply([envelope()]).result, OSError)
    assert tries == ["Ev1"] * 3


@pytest.mark.parametrize(
    ("broker", "store", "there"),
    [(REDIS, REDIS, True), (RABBIT, REDIS, True), (REDIS, "memory://", True), (RABBIT, "memory://", False)],
)
def test_lanes_are_where_a_redis_is(broker: str, store: str, there: bool) -> None:
    assert (open_lanes(Settings(broker_url=broker, store_url=store)) is not None) == there


@pytest.mark.parametrize(("store", "refused"), [(REDIS, False), ("memory://", True)])
def test_a_worker_without_a_place_for_lanes_refuses_ordered_handlers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, store: str, refused: bool
) -> None:
    (tmp_path / "ordering_for_test.py").write_text(
        'from botfleet import on\n\n\n@on("message", ordered="team")\ndef note(event):\n    pass\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    app = FleetApp("test", set_as_current=False)
    vars(app)["deployment"] = {}
    vars(app)["settings"] = Settings(broker_url=RABBIT, store_url=store)
    app.add_defaults(app.celery_settings)
    role = HANDLER.but(handlers=("ordering_for_test",))
    if refused:
        with pytest.raises(
            ConfigurationError, match=r"ordering_for_test\.note.*takes Redis as the broker or"
        ):
            begin_role(app, role)
    else:
        begin_role(app, role)
        ordered = {one.task: one.ordered for one in app.subscriptions if one.ordered}
        assert ordered == {"ordering_for_test.note": "team"}
