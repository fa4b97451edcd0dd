"""What runs before and after every handler."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from botfleet import Client, Commands, Event, after, before, command, on
from botfleet.errors import ConfigurationError
from botfleet.handlers import Handler
from botfleet.handlers.builtin.upkeep import HANDLERS as UPKEEP

from .bots import TOKEN, envelope
from .talking import Talk


@command("ping")
def ping(client: Client) -> None:
    client.reply("pong")


@on("message", autoretry_for=())
def broken(event: Event, client: Client) -> None:
    assert client.token.reveal() == TOKEN
    raise ValueError(event.text)


def test_hooks_run_in_order_around_a_handler_that_is_run() -> None:
    seen: list[object] = []

    @before
    def first(event: Event, client: Client, handler: Handler[..., Any], match: object) -> None:
        seen.append(("first", event.id, client.id, handler.name))

    @before
    def second() -> None:
        seen.append("second")

    @after
    def last(handler: Handler[..., Any], error: Exception | None) -> None:
        seen.append(("last", handler.name, error))

    talk = Talk(ping, hooks=[last, first, second])
    assert talk.say("<@U0> ping") == ["pong"]
    assert seen == [("first", "Ev1", "T1", ping.name), "second", ("last", ping.name, None)]
    talk.say("<@U0> other")
    talk.app.tasks[ping.name].apply(args=[envelope("not for the bot")]).get()
    assert len(seen) == 3


def test_one_that_returns_false_stops_the_handler() -> None:
    @before
    def gate(event: Event) -> bool:
        return event.user == "U1"

    @after
    def never(event: Event) -> None:
        assert event.user == "U1"

    talk = Talk(ping, hooks=[gate, never])
    assert talk.say("<@U0> ping") == ["pong"]
    assert talk.say("<@U0> ping", user="U9") == []


def test_what_runs_after_hears_of_the_failure() -> None:
    errors: list[Exception | None] = []

    @after
    def note(error: Exception | None) -> None:
        errors.append(error)

    talk = Talk(broken, hooks=[note])
    with pytest.raises(ValueError, match="<text>"):
        talk.say("my secret")
    assert [type(error) for error in errors] == [ValueError]


def test_a_hook_that_fails_before_is_the_handlers_failure() -> None:
    @before
    def fails() -> None:
        raise KeyError("hook")

    @command("ping", autoretry_for=())
    def never() -> None:
        raise AssertionError

    with pytest.raises(KeyError):
        Talk(never, hooks=[fails]).say("<@U0> ping")


def test_a_hook_that_fails_after_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    @after
    def fails(event: Event) -> None:
        raise ValueError(event.text)

    @command("ping")
    def answers(client: Client) -> None:
        client.reply("pong")

    with caplog.at_level(logging.INFO):
        assert Talk(answers, hooks=[fails]).say("<@U0> ping my secret") == ["pong"]
    assert "fails failed" in caplog.text
    assert "secret" not in caplog.text


def test_hooks_run_around_methods_and_built_in_answers() -> None:
    seen: list[str] = []

    @before
    def note(handler: Handler[..., Any]) -> None:
        seen.append(handler.name.rpartition(".")[2])

    class Pets(Commands):
        @command("feed")
        def feed(self) -> None: ...

    talk = Talk(Pets, hooks=[note], builtins=["hi"])
    talk.say("<@U0> feed")
    talk.say("<@U0> hi")
    assert seen == ["feed", "hi"]


def test_a_hook_can_be_called_like_its_function() -> None:
    @before
    def gate(event: str) -> bool:
        """Says no."""
        return event != "x"

    assert (gate("x"), gate(event="y"), gate.__doc__) == (False, True, "Says no.")


def test_a_bad_hook_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"wrong.*'evt'.*@before functions take event, client"):

        @before
        def wrong(evt: Event) -> None: ...

    with pytest.raises(ConfigurationError, match="without arguments"):
        after("x")  # type: ignore[arg-type]

    with pytest.raises(ConfigurationError, match="plain function"):

        @after
        async def slow() -> None: ...

    with pytest.raises(ConfigurationError, match="plain function"):

        @before
        def steps() -> Iterator[int]:
            yield 1


def test_hooks_do_not_run_around_what_botfleet_does_for_itself() -> None:
    @before
    def never() -> bool:
        raise AssertionError

    talk = Talk(*UPKEEP, hooks=[never])
    assert talk.happen(envelope(type="channel_created", channel={"id": "C2", "name": "two"})) == []
