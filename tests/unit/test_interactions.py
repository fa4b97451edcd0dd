"""Slash commands, buttons and forms: as holders and gateways filter them, and as handlers see them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from botfleet import action, command, on, slash
from botfleet.errors import ConfigurationError, UsageError
from botfleet.handlers import Client, Event, Handler, Match
from botfleet.handlers.matching.heard import Heard
from botfleet.handlers.running.chain import rivals_of
from botfleet.inventory import in_words
from botfleet.model import Bot
from botfleet.publishing.router import Router, queue_for, scope_of
from botfleet.replay import read
from botfleet.slack.envelope import Identifier, Origin, wrap
from botfleet.slack.frames import Frame, decode
from botfleet.web.gateway.forms import interaction, slash_command

from .bots import NOW, context_with_bot

RESPONSE_URL = "https://hooks.slack.invalid/commands/T1/1/secret"
ORIGIN = Origin.of(
    Bot(team_id="T1", sealed_token="plain:x", fingerprint="f", bot_user_id="U0", transport="http")
)
SLASH = {
    "team_id": "T1",
    "channel_id": "C1",
    "channel_name": "general",
    "user_id": "U1",
    "command": "/deploy",
    "text": "api --env prod",
    "response_url": RESPONSE_URL,
    "trigger_id": "1.2.abc",
}
CLICK = {
    "type": "block_actions",
    "user": {"id": "U1", "username": "alice"},
    "channel": {"id": "C1", "name": "general"},
    "container": {"type": "message", "message_ts": "5.1", "channel_id": "C1"},
    "message": {"type": "message", "ts": "5.1", "thread_ts": "4.1", "text": "Deploy?", "user": "U0"},
    "response_url": RESPONSE_URL,
    "trigger_id": "1.2.abc",
    "actions": [{"type": "button", "action_id": "approve", "value": "r-17"}],
}
FORM = {
    "type": "view_submission",
    "user": {"id": "U1"},
    "trigger_id": "1.2.abc",
    "view": {
        "id": "V1",
        "hash": "77.h",
        "callback_id": "deploy_form",
        "state": {
            "values": {
                "b1": {"version": {"type": "plain_text_input", "value": "1.2.3"}},
                "b2": {"who": {"type": "multi_users_select", "selected_users": ["U1", "U2"]}},
                "b3": {"env": {"type": "static_select", "selected_option": None}},
                "b4": {"at": {"type": "datetimepicker", "selected_date_time": 1700000000}},
            }
        },
    },
}
KINDS = {"slash_command": SLASH, "block_actions": CLICK, "view_submission": FORM}


def frame(payload: dict[str, Any], **changes: Any) -> Frame:
    found = decode(json.dumps({**payload, **changes}).encode(), "slash_command")
    assert found is not None
    return found


def event(payload: dict[str, Any], **changes: Any) -> Event:
    """The event as a handler gets it, through the envelope that a gateway makes."""
    made, raw = frame(payload, **changes), json.dumps({**payload, **changes}).encode()
    return Event(json.loads(wrap(Identifier().identify(ORIGIN, made), ORIGIN, made, raw, NOW)))


def found(handler: Handler[..., Any], given: Event) -> Match | None:
    assert handler.matcher is not None
    match = handler.matcher(Heard(given, Client(context_with_bot(), "T1", event=given)))
    # What holders let through, and what the handler takes, is the same.
    passed = Router([handler.subscription]).match(
        ORIGIN, decode(json.dumps(given.payload).encode(), given.type) or Frame()
    )
    assert bool(passed) == (match is not None)
    return match


# Declarations


def test_a_slash_command_says_what_it_wants() -> None:
    @slash("/deploy", "/Ship")
    def deploy(event: Event) -> None:
        """Deploys."""

    wanted = deploy.subscription
    assert (wanted.types, wanted.commands, wanted.max_age) == (("slash_command",), ("/deploy", "/ship"), 30.0)
    assert deploy.traits.names == ("/deploy", "/ship")
    assert in_words(wanted) == "slash_command commands=/deploy,/ship max_age=30"


@pytest.mark.parametrize("text", ["deploy", "/", "/two words", "//deploy", "/" + "x" * 40, " ", ""])
def test_what_is_no_slash_command(text: str) -> None:
    with pytest.raises(ConfigurationError, match="@slash"):
        slash(text)


@pytest.mark.parametrize("given", [(), (5,), ("",), (b"approve",), (re.compile(b"a"),)])
def test_what_is_no_action_id(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="@action"):
        action(*given)


@pytest.mark.parametrize("given", ["", 5, (), [""]])
def test_what_is_no_callback_id(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="@on callback_id"):
        on("view_submission", callback_id=given)


def test_of_several_handlers_of_a_slash_command_the_first_is_run() -> None:
    @command("deploy")
    def said(event: Event) -> None: ...

    @slash("/deploy")
    def first(event: Event) -> None: ...

    @slash("/deploy", "/ship")
    def second(event: Event) -> None: ...

    @slash("/stop")
    def other(event: Event) -> None: ...

    handlers = [said, first, second, other]
    rivals = {one.name.rpartition(".")[2]: rivals_of(one, handlers) for one in handlers}
    assert {name: [one.handler for one in found] for name, found in rivals.items()} == {
        "said": [],
        "first": [],
        "second": [first],
        "other": [],
    }
    heard = Heard(event(SLASH), Client(context_with_bot(), "T1"))
    assert rivals["second"][0].takes(heard)


# Filters, and what handlers find


def test_slash_commands_are_told_by_their_name() -> None:
    handler = slash("/deploy")(_nothing)
    match = found(handler, event(SLASH))
    assert match is not None
    assert (match.command, match.expression) == ("/deploy", "api --env prod")
    assert found(handler, event(SLASH, command="/deployed")) is None
    assert found(handler, event(SLASH, command=["/deploy"])) is None
    assert found(handler, event(CLICK)) is None


@pytest.mark.parametrize(
    ("element", "chosen"),
    [
        ({"type": "button", "value": "r-17"}, "r-17"),
        ({"type": "button"}, ""),
        ({"type": "static_select", "selected_option": {"text": {}, "value": "eu"}}, "eu"),
        ({"type": "checkboxes", "selected_options": [{"value": "a"}, {"value": "b"}]}, "a b"),
        ({"type": "users_select", "selected_user": "U7"}, "U7"),
        ({"type": "datepicker", "selected_date": "2026-11-21"}, "2026-11-21"),
        ({"type": "datetimepicker", "selected_date_time": 17}, "17"),
        ({"type": "plain_text_input", "value": "hello"}, "hello"),
        ({"type": "conversations_select", "selected_conversation": None}, ""),
    ],
)
def test_an_action_finds_what_was_chosen(element: dict[str, Any], chosen: str) -> None:
    handler = action("other", "approve")(_nothing)
    actions = [{"action_id": "unknown"}, {"action_id": "approve", **element}]
    match = found(handler, event(CLICK, actions=actions))
    assert match is not None
    assert (match.command, match.expression, match.action) == ("approve", chosen, actions[1])


def test_an_action_may_be_a_pattern() -> None:
    handler = action(re.compile(r"^approve_(?P<number>\d+)$"), "other")(_nothing)
    match = found(handler, event(CLICK, actions=[{"action_id": "approve_17"}]))
    assert match is not None
    assert (match.command, match["number"]) == ("approve_17", "17")
    assert found(handler, event(CLICK, actions=[{"action_id": "other"}])) is not None


@pytest.mark.parametrize("actions", [None, "approve", {}, [], ["approve"], [{"action_id": 5}], [{}]])
def test_odd_actions_are_nobodys(actions: Any) -> None:
    assert found(action("approve")(_nothing), event(CLICK, actions=actions)) is None


def test_views_and_shortcuts_are_told_by_their_callback_id() -> None:
    handler = on("view_submission", "shortcut", callback_id=["deploy_form", "deploy"])(_nothing)
    assert found(handler, event(FORM)) == Match(command="deploy_form")
    assert found(handler, event({"type": "shortcut", "callback_id": "deploy"})) is not None
    assert found(handler, event(FORM, view={**FORM["view"], "callback_id": "other"})) is None  # type: ignore[dict-item]
    assert found(handler, event(FORM, view="V1")) is None


def _nothing(event: Event) -> None:
    """Handles nothing."""


# Routing


@pytest.mark.parametrize("payload", KINDS.values(), ids=KINDS)
def test_they_wait_in_the_queue_of_other_events(payload: dict[str, Any]) -> None:
    assert queue_for(frame(payload)) == "events.other"


@pytest.mark.parametrize(
    ("changes", "scope"),
    [
        ({}, "public"),
        ({"channel_name": "privategroup"}, "private"),
        ({"channel_id": "D1", "channel_name": "directmessage"}, "dm"),
    ],
)
def test_where_a_command_was_given(changes: dict[str, Any], scope: str) -> None:
    assert scope_of(frame(SLASH, **changes)) == scope
    channel = {"id": changes.get("channel_id", "C1"), "name": changes.get("channel_name", "general")}
    assert scope_of(frame(CLICK, channel=channel)) == scope


@pytest.mark.parametrize(
    ("kind", "ident"),
    [
        ("slash_command", "T1:slash_command:1.2.abc"),
        ("block_actions", "T1:block_actions:1.2.abc"),
        ("view_submission", "T1:view_submission:V1.77.h"),
    ],
)
def test_each_use_has_an_id_that_its_copies_share(kind: str, ident: str) -> None:
    assert event(KINDS[kind]).id == ident


def test_a_recorded_one_can_be_replayed() -> None:
    line = wrap("e1", ORIGIN, frame(SLASH), json.dumps(SLASH).encode(), NOW)
    record = read(line)
    assert (record.frame.type, record.frame.command, record.id) == ("slash_command", "/deploy", "e1")
    assert read(json.dumps(CLICK).encode()).frame.action_ids == ("approve",)
    with pytest.raises(UsageError, match="no type"):
        read(json.dumps(SLASH).encode())


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_gateway_makes_of_a_form_is_what_handlers_know(kind: str) -> None:
    payload = {**KINDS[kind], "token": "verification"}
    if kind == "slash_command":
        made = slash_command(payload)
    else:
        made = interaction({"payload": json.dumps(payload)})
    assert json.loads(made.payload) == KINDS[kind]
    assert (made.frame, made.id_for("T1")) == (frame(KINDS[kind]), event(KINDS[kind]).id)


# As handlers see them


def test_a_slash_command_as_a_handler_sees_it() -> None:
    given = event(SLASH)
    assert (given.type, given.command, given.text) == ("slash_command", "/deploy", "api --env prod")
    assert (given.user, given.channel, given.transport) == ("U1", "C1", "http")
    assert (given.trigger_id, given.response_url) == ("1.2.abc", RESPONSE_URL)
    assert (given.actions, given.view, given.inputs, given.message_ts) == ([], None, {}, None)
    assert "secret" not in repr(given) + str(given)


def test_a_click_as_a_handler_sees_it() -> None:
    given = event(CLICK)
    assert (given.user, given.channel, given.message_ts, given.thread) == ("U1", "C1", "5.1", "4.1")
    assert given.actions == CLICK["actions"]
    # An ephemeral message is not sent along.
    hidden = event(CLICK, message=None, channel=None)
    assert (hidden.channel, hidden.message_ts, hidden.thread) == ("C1", "5.1", None)


def test_a_form_as_a_handler_sees_it() -> None:
    given = event(FORM)
    assert (given.user, given.channel, given.callback_id) == ("U1", None, "deploy_form")
    assert given.inputs == {"version": "1.2.3", "who": ["U1", "U2"], "env": None, "at": 1700000000}
    assert given.response_url is None
    asked = event(FORM, response_urls=[{"block_id": "b", "channel_id": "C1", "response_url": RESPONSE_URL}])
    assert asked.response_url == RESPONSE_URL


@pytest.mark.parametrize("odd", [None, 5, "x", [], [5], {}, {"values": 5}, {"state": {"values": {"b": 5}}}])
def test_odd_payloads_are_empty(odd: Any) -> None:
    given = event(FORM, view=odd, actions=odd, state=odd, response_urls=odd, container=odd, channel=None)
    assert (given.inputs, given.actions, given.response_url, given.message_ts) == ({}, [], None, None)
