"""`botfleet replay`: recorded events reach the handlers once more, and no bad line hinders the others."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from botfleet.errors import PublishError, TokenNotConnected, UsageError
from botfleet.fleet import Fleet
from botfleet.model import Bot, Subscription
from botfleet.publishing.outgoing import Outgoing
from botfleet.publishing.router import wanted_by
from botfleet.publishing.sinks import MemorySink
from botfleet.replay import Counts, Replay, read
from botfleet.secrets import Seal
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore

from .bots import NOW, envelope

PING = Subscription(task="tasks.ping", types=("message",), addressed=True, words=("ping",))
JOIN = Subscription(task="tasks.join", types=("team_join",))
SINK = Subscription(task="tasks.sink", types=("message",), batch=10, linger=60.0)


class Stage:
    """A fleet of two bots, a broker in memory, and what was told of bad lines."""

    def __init__(self, *wanted: Subscription) -> None:
        self.store = MemoryStore(4)
        for team in ("T1", "beta-T2"):
            namespace, _, team_id = team.rpartition("-")
            bot = Bot(
                team_id=team_id,
                namespace=namespace,
                sealed_token="plain:x",
                fingerprint=team,
                bot_user_id="U0",
            )
            self.store.change_bot(bot.key, lambda _, bot=bot: bot)  # type: ignore[misc]
        self.store.put_subscriptions("handler", wanted or (PING, JOIN))
        self.fleet = Fleet(Settings(), store=self.store, seal=Seal([]))
        self.sink = MemorySink()
        self.told: list[tuple[int, str]] = []

    def replay(self, *lines: dict[str, Any] | bytes, **options: Any) -> Counts:
        written = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        replay = Replay(self.fleet, self.sink, wanted_by(self.store.subscriptions()), **options)
        return replay.run([line + b"\n" for line in written], lambda *told: self.told.append(told))

    def envelopes(self) -> list[dict[str, Any]]:
        return [json.loads(event.envelope) for event in self.sink.events]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def handlers_of(event: Outgoing) -> list[str]:
    return [one.task for one in event.subscriptions]


def test_an_event_comes_once_more_under_a_new_id_and_time(stage: Stage) -> None:
    recorded = envelope("<@U0> ping", id="Ev1")
    counts = stage.replay(recorded, envelope("hi", id="Ev2"), envelope(id="Ev3", type="team_join"))
    assert counts == Counts(events=3, wanted=2, published=2)
    first, second = stage.envelopes()
    assert {**first, "id": "Ev1", "received_at": NOW} == recorded
    assert first["id"] != "Ev1"
    assert abs(first["received_at"] - time.time()) < 60.0
    assert second["type"] == "team_join"
    assert [event.queue for event in stage.sink.events] == ["events.message.public", "events.team_join"]
    # And again: what was replayed before does not swallow it.
    assert stage.replay(recorded).published == 1
    assert len({one["id"] for one in stage.envelopes()}) == 3


def test_under_the_same_ids_what_was_handled_is_left_out(stage: Stage) -> None:
    bare = envelope()["payload"]
    lines = (envelope(id="Ev1"), envelope(id="Ev1"), envelope(id="Ev2"), bare, bare)
    counts = stage.replay(*lines, same_ids=True, team="T1")
    assert counts == Counts(events=5, wanted=5, published=3, copies=2)
    assert [one["id"] for one in stage.envelopes()] == ["Ev1", "Ev2", "T1:C1:message:1700000100.000100"]


def test_for_one_handler_only() -> None:
    other = Subscription(task="tasks.other", types=("message",))
    stage = Stage(PING, other, JOIN)
    assert stage.replay(envelope(), envelope(type="team_join"), handler="tasks.other").published == 1
    assert [handlers_of(event) for event in stage.sink.events] == [["tasks.other"]]
    with pytest.raises(UsageError, match=r"no handler tasks\.none .*tasks\.join, tasks\.other, tasks\.ping"):
        stage.replay(envelope(), handler="tasks.none")


def test_for_another_bot(stage: Stage) -> None:
    stage.replay(envelope(), envelope()["payload"], team="T2", namespace="beta")
    assert [(one["team_id"], one["namespace"]) for one in stage.envelopes()] == [("T2", "beta")] * 2
    with pytest.raises(TokenNotConnected, match="T9"):
        stage.replay(envelope(), team="T9")


def test_bad_lines_are_named_and_hinder_no_other(stage: Stage) -> None:
    foreign = {**envelope(), "team_id": "T9"}
    counts = stage.replay(
        b"nonsense",
        envelope(id="Ev1"),
        b'{"text": "\xff"}',
        b"",
        b"[1]",
        envelope()["payload"],
        foreign,
        {"payload": {"type": "message"}},
        {"type": 7},
        envelope(id="Ev2"),
    )
    assert (counts.published, counts.bad) == (2, 7)
    assert stage.told == [
        (1, "not JSON"),
        (3, "not JSON"),
        (5, "not an event"),
        (6, "a bare Slack event; say whose with --team"),
        (7, "no bot of T9 is known; --team replays for another"),
        (8, "not an envelope: it has no id, or no team_id"),
        (9, "not an event: it has no type"),
    ]


def test_without_handlers_there_is_nothing_to_do() -> None:
    stage = Stage()
    stage.store.forget_subscriptions()
    with pytest.raises(UsageError, match="no handler is announced"):
        stage.replay(envelope())


def test_batches_do_not_linger_at_the_end() -> None:
    stage = Stage(SINK)
    assert stage.replay(*(envelope(id=f"Ev{n}") for n in range(25))).published == 25
    assert [len(bundle.events) for bundle in stage.sink.bundles] == [10, 10, 5]


def test_many_events_keep_their_order(stage: Stage) -> None:
    lines = [envelope("ping " + str(n), channel="D1") for n in range(5000)]
    assert stage.replay(*lines).published == 5000
    assert [one["payload"]["text"] for one in stage.envelopes()] == [f"ping {n}" for n in range(5000)]


def test_a_pace_is_kept(stage: Stage) -> None:
    waits: list[float] = []
    lines = [{**envelope(), "received_at": NOW + after} for after in (0.0, 10.0, 10.0, 30.0)]
    stage.replay(*lines, speed=10.0, wait=waits.append)
    # Nobody waited in truth, so each wait is reckoned from the start.
    assert [round(wait, 1) for wait in waits] == pytest.approx([1.0, 1.0, 3.0], abs=0.6)
    bare = {"type": "team_join", "event_ts": "100.0"}, {"type": "team_join", "event_ts": "104.0"}
    waits.clear()
    stage.replay(*bare, team="T1", speed=1.0, wait=waits.append)
    assert waits == [pytest.approx(4.0, abs=0.6)]


def test_a_broker_that_takes_nothing_is_an_error(stage: Stage) -> None:
    stage.sink.failing = True
    with pytest.raises(PublishError, match="1 are left"):
        stage.replay(envelope(), patience=0.2)


def test_the_payload_is_left_as_it_is() -> None:
    raw = b'{"type":"message","text":"h\xc3\xb6","n":1.50,"ts":"1.0"}'
    record = read(b'{"id":"Ev1","team_id":"T1","payload":' + raw + b"}")
    assert (record.raw, record.at) == (raw, None)
    assert read(raw + b"\n").raw == raw
