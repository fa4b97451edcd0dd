"""`botfleet replay --here`: handlers in this process, one event after another, and nothing is sent."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from botfleet.celery import FleetApp
from botfleet.model import Bot
from botfleet.rehearsal import Rehearsal
from botfleet.replay import Counts, Replay

from .bots import envelope
from .deployments import Deployment, deployment

__all__ = ["deployment"]  # fixtures

CODE = """
from botfleet import command, on, slash

seen, noted = [], []

@command("ping")
def ping(event, client, match):
    seen.append(match.expression)
    client.reply("pong")

@slash("/deploy")
def deploy(event, client, match):
    seen.append(match.expression)
    client.respond("On its way.")

@on("team_join", max_retries=1)
def touchy(event):
    seen.append("touchy")
    raise ValueError("as planned")

@on("message", ordered="channel")
def note(event):
    noted.append(event.id)

@on("message", batch=10, linger=30)
def archive(events):
    seen.append([event.id for event in events])
"""


class Project:
    """A project with a few handlers, and a bot in a store of its own."""

    def __init__(self, deployment: Deployment) -> None:
        deployment.write(
            "celeryconfig.py", "botfleet_broker_url = 'memory://'", "botfleet_handlers = ['elsewhere']"
        )
        deployment.write("elsewhere.py", CODE)
        self.app = FleetApp("test", set_as_current=False)
        self.store = self.app.fleet.store
        bot = Bot(team_id="T1", sealed_token="plain:x", fingerprint="f", bot_user_id="U0")
        self.store.change_bot("T1", lambda _: bot)
        self.told: list[tuple[str, str]] = []

    def replay(self, *events: dict[str, Any]) -> Counts:
        sink = Rehearsal(self.app, lambda handler, what, exc: self.told.append((handler, str(exc))))
        replay = Replay(self.app.fleet, sink, sink.wanted, waiting=0, same_ids=True)
        counts = replay.run([json.dumps(event).encode() for event in events], lambda *_: None)
        counts.failed = sink.failed
        return counts

    @property
    def seen(self) -> list[object]:
        return [one for one in sys.modules["elsewhere"].seen if not isinstance(one, list)]

    @property
    def archived(self) -> list[str]:
        batches = [one for one in sys.modules["elsewhere"].seen if isinstance(one, list)]
        return [event_id for batch in batches for event_id in batch]


@pytest.fixture
def project(deployment: Deployment) -> Project:
    return Project(deployment)


def test_handlers_run_in_order_and_what_they_say_is_not_sent(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    counts = project.replay(*(envelope(f"<@U0> ping {n}", id=f"Ev{n}") for n in range(20)))
    assert (counts.events, counts.bad, counts.failed) == (20, 0, 0)
    assert project.seen == [str(n) for n in range(20)]
    assert project.archived == sys.modules["elsewhere"].noted == [f"Ev{n}" for n in range(20)]
    assert project.store.receive(range(project.store.shards), 0.0) == []
    assert sum(getattr(record, "action", "") == "shadow" for record in caplog.records) == 20
    assert "pong" not in caplog.text


def test_a_handler_that_fails_is_told_of_and_hinders_no_other(project: Project) -> None:
    counts = project.replay(envelope(type="team_join", id="Ev1"), envelope("<@U0> ping x", id="Ev2"))
    assert counts.failed == 1
    assert project.told == [("elsewhere.touchy", "as planned")]
    assert project.seen == ["touchy", "touchy", "x"], "it was tried again at once"


def test_these_runs_are_not_counted(project: Project) -> None:
    assert project.replay(envelope("<@U0> ping x", id="Ev2")).failed == 0
    assert {project.app.tasks[name].tally for name in project.app.tasks if name.startswith("elsewhere.")} == {
        None
    }


def test_a_recorded_slash_command_is_answered_nobody(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    recorded = envelope("api", type="slash_command", command="/deploy", response_url="https://no.invalid/x")
    # Its type stands in the envelope only.
    del recorded["payload"]["type"]
    counts = project.replay(recorded)
    assert (counts.events, counts.wanted, counts.failed, project.seen) == (1, 1, 0, ["api"])
    assert "shadow: respond of T1 in C1, 11 characters, was not sent" in caplog.text
    assert "no.invalid" not in caplog.text
