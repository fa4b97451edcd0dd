"""The reference bot, as its author would test it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from botfleet.handlers import Client, Event, load
from tasks.hello import COMMANDS, help, hi, ping
from tasks.welcome import welcome

from .answering import CannedSlack, answer, canned_slack
from .bots import context_with_bot, envelope, sent


@pytest.fixture
def slack() -> Iterator[CannedSlack]:
    with canned_slack() as slack:
        yield slack


def test_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    names = [handler.name for handler in load(["tasks"]).handlers]
    assert names == ["tasks.hello.hi", "tasks.hello.help", "tasks.hello.ping", "tasks.welcome.welcome"]


def test_small_talk() -> None:
    context, event = context_with_bot(), Event(envelope())
    client = Client(context, "T1", "", event)
    for handler in (hi, ping, help):
        handler(event, client)
    greeting, pong, helped = [command.text for command in sent(context)]
    assert (greeting, pong) == ("Hi <@U1>!", "pong")
    assert all(f"`{name}`" in helped for name in COMMANDS)


def test_new_members_are_welcomed(slack: CannedSlack) -> None:
    slack.give("conversations.open", answer(ok=True, channel={"id": "D7"}))
    context = context_with_bot(slack.settings)
    welcome(Event(envelope(type="team_join", user={"id": "U7"}, channel=None)), Client(context, "T1"))
    (greeting,) = sent(context)
    assert greeting.channel == "D7"
    assert "Welcome!" in greeting.text
