"""The testing kit in-process: slash commands, buttons, and what the bot answers to them."""

from __future__ import annotations

from typing import Any

import pytest

from botfleet import Client, Event, Match, action, command, on, slash
from botfleet.errors import AnswerTooLate
from botfleet.sandbox import SandboxError
from botfleet.testing import Fleet, Message

pytestmark = pytest.mark.botfleet(handlers=[])

BUTTON = {"type": "button", "action_id": "approve", "value": "r-17"}
MENU = {
    "type": "static_select",
    "action_id": "region",
    "options": [{"text": {"type": "plain_text", "text": name}, "value": name} for name in ("eu", "us")],
}
BLOCKS = [{"type": "actions", "elements": [BUTTON, MENU]}]


@slash("/deploy")
def deploy(client: Client, match: Match) -> None:
    client.respond(f"Deploy {match.expression}?", in_channel=match.expression == "api", blocks=BLOCKS)


@action("approve", "region")
def decide(event: Event, client: Client, match: Match) -> None:
    client.respond(f"<@{event.user}>: {match.command} {match.expression}", replace_original=True)


def said(fleet: Fleet) -> list[tuple[str, str, bool, bool]]:
    return [(one.text, one.channel, one.ephemeral, one.edited) for one in fleet.messages]


def test_a_command_is_answered_where_it_was_given(fleet: Fleet) -> None:
    fleet.load(deploy)
    fleet.slash("/deploy", "api")
    assert said(fleet) == [("Deploy api?", "#general", False, False)]
    fleet.slash("/deploy", "web", channel="@bob", user="bob")
    assert said(fleet) == [("Deploy web?", "@bob", True, False)]
    fleet.slash("/other")
    assert fleet.messages == []


def test_what_the_handler_sees(fleet: Fleet) -> None:
    @slash("/who")
    def who(event: Event, client: Client) -> None:
        seen.append(event)
        client.reply("hello")
        client.dm(event.user, "psst")

    seen: list[Event] = []
    fleet.load(who)
    fleet.slash("/who", "is @bob", channel="#random", user="@carol")
    (event,) = seen
    assert (event.type, event.command, event.text) == ("slash_command", "/who", f"is <@{fleet.id('@bob')}>")
    assert (event.user, event.channel, event.transport) == (fleet.id("@carol"), fleet.id("#random"), "http")
    assert "token" not in event.payload
    assert said(fleet) == [("hello", "#random", False, False), ("psst", "@carol", False, False)]


@pytest.mark.parametrize("service", ["api", "web"])
def test_buttons_are_clicked_also_those_that_one_person_sees(fleet: Fleet, service: str) -> None:
    fleet.load(deploy, decide)
    fleet.slash("/deploy", service)
    (asked,) = fleet.messages
    fleet.click(asked, "approve", user="bob")
    assert said(fleet)[-1] == ("@bob: approve r-17", "#general", service == "web", True)
    assert [call.method for call in fleet.calls] == ["respond"]


def test_something_is_chosen_in_a_menu_that_the_bot_posted_itself(fleet: Fleet) -> None:
    @command("ask")
    def ask(client: Client) -> None:
        client.reply("Where?", blocks=BLOCKS)

    fleet.load(ask, decide)
    fleet.say("#general", "@bot ask")
    (asked,) = fleet.messages
    fleet.click(asked, "region", "us")
    assert fleet.messages[-1].text == "@alice: region us"
    with pytest.raises(SandboxError, match="action_id is 'unknown'"):
        fleet.click(asked, "unknown")


def test_the_original_goes_away(fleet: Fleet) -> None:
    @action("approve")
    def approve(client: Client) -> None:
        client.respond(delete_original=True)

    fleet.load(deploy, approve)
    fleet.slash("/deploy", "api")
    (asked,) = fleet.messages
    fleet.click(asked, "approve")
    (call,) = fleet.calls
    assert (call.method, call.arguments["delete_original"], call.error) == ("respond", True, None)
    with pytest.raises(SandboxError, match="expected that of a message"):
        fleet.click(asked, "approve")


def test_slack_takes_five_answers_within_half_an_hour(fleet: Fleet) -> None:
    @slash("/count", max_age=None)
    def count(client: Client, match: Match) -> None:
        for number in range(int(match.expression)):
            client.respond(f"{number}")

    @slash("/later")
    def later(client: Client) -> None:
        fleet.clock.skip(1801)
        client.respond("sorry")

    fleet.load(count, later)
    fleet.slash("/count", "5")
    assert fleet.replies == list("01234")
    with pytest.raises(AnswerTooLate, match="used_url"):
        fleet.slash("/count", "6")
    with pytest.raises(AnswerTooLate, match="expired_url"):
        fleet.slash("/later")
    assert [call.error for call in fleet.calls] == ["expired_url"]


def test_any_other_interactive_payload_can_be_sent(fleet: Fleet) -> None:
    @on("view_submission", callback_id="deploy_form")
    def submitted(event: Event, client: Client) -> None:
        client.dm(event.user, f"Deploying {event.inputs['version']}")

    fleet.load(submitted)
    state = {"values": {"b": {"version": {"type": "plain_text_input", "value": "1.2.3"}}}}
    for callback_id in ("other_form", "deploy_form"):
        view: dict[str, Any] = {"id": "V1", "hash": callback_id, "callback_id": callback_id, "state": state}
        fleet.send({"type": "view_submission", "user": {"id": "@alice"}, "view": view})
    assert fleet.replies == ["Deploying 1.2.3"]


@pytest.mark.botfleet(shadow=True)
def test_in_shadow_mode_nobody_is_answered(fleet: Fleet) -> None:
    fleet.load(deploy)
    fleet.slash("/deploy", "api")
    assert (fleet.messages, fleet.calls) == ([], [])


def test_each_team_has_its_own(fleet: Fleet) -> None:
    fleet.load(deploy, decide)
    other = fleet.team("Globex")
    other.slash("/deploy", "api")
    assert ([one.text for one in other.messages], fleet.messages) == (["Deploy api?"], [])
    message: Message = other.messages[0]
    other.click(message, "approve")
    assert other.messages[-1].text == "@alice: approve r-17"
