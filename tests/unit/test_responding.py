"""Answers by response_url: what is sent, how often, and what is said where it fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from botfleet import slash
from botfleet.errors import (
    AnswerTooLate,
    ConnectionRateLimited,
    PerhapsDone,
    SlackError,
    TokenNotConnected,
    UsageError,
)
from botfleet.handlers import Client, Commands, Event, HandlerContext, Loaded
from botfleet.handlers.declaring.classes import handlers_of
from botfleet.handlers.running.binding import bind
from botfleet.settings import Settings
from botfleet.webapi import SlackApi

from .answering import Answer, CannedSlack, answer
from .bots import context_with_bot, envelope

OK = Answer(b"ok")


@pytest.fixture
def slack(slack: CannedSlack) -> CannedSlack:
    slack.give("secret", OK)
    return slack


@pytest.fixture(autouse=True)
def _no_url_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert "/secret" not in caplog.text


def deploy_event(slack: CannedSlack, **fields: Any) -> dict[str, Any]:
    url = f"{slack.settings.slack_api_url}secret"
    given = {"command": "/deploy", "channel": None, "channel_id": "C1", "response_url": url}
    return envelope("api --env prod", type="slash_command", **{**given, **fields})


def client(
    slack: CannedSlack, origin: str = "", context: HandlerContext | None = None, **fields: Any
) -> Client:
    context = context or context_with_bot(slack.settings, transport="http")
    return Client(context, "T1", "", Event(deploy_event(slack, **fields)), origin)


def bodies(slack: CannedSlack) -> list[dict[str, Any]]:
    return [call.fields for call in slack.asked("secret")]


# What is sent


def test_only_who_gave_the_command_sees_the_answer(slack: CannedSlack) -> None:
    client(slack).respond("On its way.")
    (call,) = slack.calls
    assert call.fields == {"response_type": "ephemeral", "text": "On its way.", "replace_original": False}
    assert call.token == ""


def test_an_answer_may_be_for_all_or_take_the_place_of_the_message(slack: CannedSlack) -> None:
    one = client(slack)
    one.respond("Deployed.", in_channel=True, thread_ts="5.1")
    one.respond("", replace_original=True, blocks=[{"type": "divider"}])
    one.respond(delete_original=True)
    assert bodies(slack) == [
        {"response_type": "in_channel", "text": "Deployed.", "replace_original": False, "thread_ts": "5.1"},
        {"response_type": "ephemeral", "text": "", "replace_original": True, "blocks": [{"type": "divider"}]},
        {"response_type": "ephemeral", "replace_original": False, "delete_original": True},
    ]


@pytest.mark.parametrize(
    ("text", "options", "wrong"),
    [
        ("", {}, "empty"),
        (" ", {"in_channel": True}, "empty"),
        (5, {}, "text is int"),
        ("Gone.", {"delete_original": True}, "by itself"),
        ("", {"delete_original": True, "replace_original": True}, "by itself"),
    ],
)
def test_what_can_not_be_meant(slack: CannedSlack, text: Any, options: dict[str, Any], wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong):
        client(slack).respond(text, **options)
    assert slack.calls == []


def test_an_event_without_an_address_for_answers(slack: CannedSlack) -> None:
    context = context_with_bot(slack.settings)
    for one in (Client(context, "T1", "", Event(envelope())), Client(context, "T1")):
        with pytest.raises(UsageError, match="respond needs a slash command"):
            one.respond("hello")


def test_a_bot_that_is_stopped_or_gone_says_nothing(slack: CannedSlack) -> None:
    context = context_with_bot(slack.settings, desired="stopped")
    with pytest.raises(TokenNotConnected, match="stopped"):
        client(slack, context=context).respond("hello")
    context.store.change_bot("T1", lambda _: None)
    with pytest.raises(TokenNotConnected, match="team_not_found"):
        client(slack, context=context).respond("hello")
    assert slack.calls == []


@pytest.mark.parametrize(
    "url", ["http://hooks.invalid/secret", "file:///secret", "/secret", "https://a b/secret"]
)
def test_answers_go_to_slack_by_https_only(slack: CannedSlack, url: str) -> None:
    api = SlackApi(Settings())
    with pytest.raises(UsageError, match=r"https:// address") as caught:
        api.respond(url, {})
    assert "secret" not in str(caught.value)


def test_shadow_mode_answers_nobody(slack: CannedSlack, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(slack_api_url=slack.settings.slack_api_url, shadow=True, shadow_channels=("C9",))
    shadow = context_with_bot(settings)
    client(slack, context=shadow).respond("hello")
    assert slack.calls == []
    assert "shadow: respond of T1 in C1, 5 characters, was not sent" in caplog.text
    client(slack, context=shadow, channel_id="C9").respond("hello")
    assert len(slack.calls) == 1


# What fails


@pytest.mark.parametrize(
    ("given", "kind", "error"),
    [
        (Answer(b"used_url", 404), AnswerTooLate, "used_url"),
        (Answer(b"expired_url", 404), AnswerTooLate, "expired_url"),
        (answer(ok=False, error="used_url"), AnswerTooLate, "used_url"),
        (Answer(b"no_text", 400), SlackError, "no_text"),
        (Answer(b"no such thing here", 404), SlackError, "http_404"),
        (Answer(b"busy", 429, {"Retry-After": "30"}), ConnectionRateLimited, "ratelimited"),
        (Answer(b"<html>oops</html>", 502), PerhapsDone, "http_502"),
        (Answer(b"<html>login first</html>"), PerhapsDone, "bad_answer"),
    ],
)
def test_what_slack_refuses(slack: CannedSlack, given: Answer, kind: type[SlackError], error: str) -> None:
    slack.give("secret", given)
    with pytest.raises(SlackError) as caught:
        client(slack, "task Ev1").respond("hello")
    assert (type(caught.value), caught.value.error) == (kind, error)
    assert "secret" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert len(slack.calls) == 1


@pytest.mark.parametrize("body", [b"ok", b"", b"{}", b'{"ok":true}', b"ok\n"])
def test_what_counts_as_taken(slack: CannedSlack, body: bytes) -> None:
    slack.give("secret", Answer(body))
    client(slack).respond("hello")


def test_an_address_where_nobody_listens(slack: CannedSlack) -> None:
    with pytest.raises(SlackError, match="unreachable") as caught:
        client(slack, response_url="http://127.0.0.1:1/secret").respond("hello")
    assert "/secret" not in str(caught.value)


def test_a_later_try_of_the_handler_does_not_say_it_again(slack: CannedSlack) -> None:
    context = context_with_bot(slack.settings)
    for _ in range(2):
        again = client(slack, "task Ev1", context)
        again.respond("one")
        again.respond("two")
    assert [body["text"] for body in bodies(slack)] == ["one", "two"]
    client(slack, "task Ev2", context).respond("one")
    assert len(slack.calls) == 3


def test_what_was_perhaps_said_is_not_said_again(slack: CannedSlack) -> None:
    slack.give("secret", Answer(b"<html>oops</html>", 502), OK)
    context = context_with_bot(slack.settings)
    for _ in range(2):
        with pytest.raises(PerhapsDone):
            client(slack, "task Ev1", context).respond("hello")
    assert len(slack.calls) == 1


# In handlers


def run(handler: Any, slack: CannedSlack, **fields: Any) -> Any:
    app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
    handlers = handler if isinstance(handler, tuple) else (handler,)
    bind(app, Loaded(("test",), handlers), context_with_bot(slack.settings))
    app.finalize()
    return app.tasks[handlers[0].name].apply(args=[deploy_event(slack, **fields)], task_id="Ev1/test")


def test_a_handler_of_a_slash_command(slack: CannedSlack) -> None:
    @slash("/deploy", options={"env": str})
    def deploy(client: Client, match: Any) -> None:
        client.respond(f"{match.arguments[0]} to {match.options['env']}")

    assert run(deploy, slack).successful()
    assert [body["text"] for body in bodies(slack)] == ["api to prod"]


def test_wrong_options_are_answered_where_the_command_was_given(slack: CannedSlack) -> None:
    @slash("/deploy", options={"env": int})
    def deploy(client: Client) -> None:
        raise AssertionError("is not run")

    assert run(deploy, slack).successful()
    ((answered,), posted) = bodies(slack), slack.asked("chat.postMessage")
    assert ("env" in answered["text"], posted) == (True, [])


def test_a_class_answers_too(slack: CannedSlack) -> None:
    class Deploys(Commands):
        @slash("/deploy")
        def deploy(self) -> None:
            self.respond(self.match.expression, in_channel=True)

    assert run(tuple(handlers_of(Deploys)), slack).successful()
    assert [body["response_type"] for body in bodies(slack)] == ["in_channel"]


def test_an_answer_that_comes_too_late_is_not_tried_again(slack: CannedSlack) -> None:
    slack.give("secret", Answer(b"expired_url", 404))

    @slash("/deploy")
    def deploy(client: Client) -> None:
        client.respond("late")

    assert isinstance(run(deploy, slack).result, AnswerTooLate)
    assert len(slack.calls) == 1


def test_what_lets_anybody_answer_is_in_no_error(
    slack: CannedSlack, caplog: pytest.LogCaptureFixture
) -> None:
    @slash("/deploy", autoretry_for=())
    def deploy(event: Event) -> None:
        raise ValueError(f"{event.response_url} {event.trigger_id} {event.text}")

    failed = run(deploy, slack, trigger_id="1.2.trigger")
    assert str(failed.result) == "<url> <url> <text>"
    assert "1.2.trigger" not in caplog.text


def test_a_form_is_opened_by_the_general_call(slack: CannedSlack) -> None:
    slack.give("views.open", answer(ok=True, view={"id": "V1"}))
    one = client(slack, trigger_id="1.2.abc")
    view = {"type": "modal", "callback_id": "deploy_form", "blocks": []}
    assert one.call("views.open", trigger_id=one.event and one.event.trigger_id, view=view)["view"] == {
        "id": "V1"
    }
    (call,) = slack.asked("views.open")
    assert "trigger_id=1.2.abc" in call.fields["form"]
    assert "deploy_form" in call.fields["form"]
    slack.give("views.open", answer(ok=False, error="expired_trigger_id"))
    with pytest.raises(AnswerTooLate):
        one.call("views.open", trigger_id="1.2.abc", view=view)
