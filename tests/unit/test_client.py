from __future__ import annotations

from typing import Any

import pytest

from botfleet.errors import SealError, SlackError, TokenNotConnected, TokenRevoked, UsageError
from botfleet.handlers import Client, Event, HandlerContext
from botfleet.model import Command
from botfleet.secrets import Seal
from botfleet.store.memory import MemoryStore

from .answering import CannedSlack, answer
from .bots import TOKEN, context_with_bot, envelope, sent

#: Links show nothing of what is behind them.
FOLDED = {"unfurl_links": False, "unfurl_media": False}


@pytest.fixture
def slack(slack: CannedSlack) -> CannedSlack:
    slack.give("chat.postMessage", answer(ok=True, ts="1.0"))
    slack.give("conversations.open", answer(ok=True, channel={"id": "D7"}))
    return slack


def client_for(context: HandlerContext, **fields: Any) -> Client:
    event = Event(envelope(**fields))
    return Client(context, "T1", "", event)


def test_plain_text_goes_to_the_socket() -> None:
    context = context_with_bot()
    Client(context, "T1").message("C1", "hello")
    assert sent(context) == [Command(op="message", key="T1", channel="C1", text="hello")]


@pytest.mark.parametrize("status", ["connecting", "disconnected", "rate_limited"])
def test_plain_text_waits_for_a_socket_that_is_not_there_now(status: str) -> None:
    context = context_with_bot(status=status)
    Client(context, "T1").message("C1", "hello")
    assert len(sent(context)) == 1


@pytest.mark.parametrize(
    ("channel", "text", "options"),
    [
        ("C1", "hello", {"username": "Robot"}),
        ("#general", "hello", {}),
        ("C1", "see https://example.com", {}),
        ("C1", "\N{PILE OF POO}" * 2000, {}),
        ("C1", "", {"attachments": []}),
    ],
)
def test_what_a_frame_cannot_carry_is_posted(
    slack: CannedSlack, channel: str, text: str, options: dict[str, Any]
) -> None:
    context = context_with_bot(slack.settings)
    Client(context, "T1").message(channel, text, **options)
    assert sent(context) == []
    (call,) = slack.asked("chat.postMessage")
    assert (call.method, call.token) == ("chat.postMessage", f"Bearer {TOKEN}")
    assert call.fields == {"channel": channel, "text": text, **FOLDED, **options}


@pytest.mark.parametrize("transport", ["socket", "http"])
def test_bots_without_a_socket_of_their_own_post(slack: CannedSlack, transport: str) -> None:
    context = context_with_bot(slack.settings, transport=transport)
    client = client_for(context)
    client.message("C1", "hello")
    client.typing()
    client.ping()
    assert [call.method for call in slack.calls] == ["chat.postMessage"]
    assert sent(context) == []


def test_a_user_gets_a_direct_message_that_is_opened_once_per_process(slack: CannedSlack) -> None:
    context = context_with_bot(slack.settings)
    Client(context, "T1").message("U7", "hello")
    Client(context, "T1").message("U7", "again")
    assert [command.channel for command in sent(context)] == ["D7", "D7"]
    assert len(slack.asked("conversations.open")) == 1


def test_names_are_resolved(slack: CannedSlack) -> None:
    slack.give("conversations.list", answer(ok=True, channels=[{"id": "C5", "name": "general"}]))
    slack.give("users.list", answer(ok=True, members=[{"id": "U7", "name": "alice"}]))
    context = context_with_bot(slack.settings)
    for target in ("#general", "@alice", "@Alice", "<@U7>"):
        Client(context, "T1").message(target, "hello")
    assert [command.channel for command in sent(context)] == ["C5", "D7", "D7", "D7"]
    for target in ("#nowhere", "@nobody"):
        with pytest.raises(UsageError, match=target):
            Client(context, "T1").message(target, "hello")


def test_a_users_name_needs_a_list_of_users(slack: CannedSlack) -> None:
    slack.give("users.list", answer(ok=False, error="missing_scope"))
    with pytest.raises(SlackError, match="missing_scope"):
        Client(context_with_bot(slack.settings), "T1").message("@alice", "hello")
    assert slack.asked("chat.postMessage") == []


def test_reply_goes_to_the_events_channel() -> None:
    context = context_with_bot()
    client_for(context).reply("pong")
    assert [(command.channel, command.text) for command in sent(context)] == [("C1", "pong")]


def test_reply_stays_in_the_thread(slack: CannedSlack) -> None:
    client_for(context_with_bot(slack.settings), thread_ts="1.5").reply("pong")
    assert slack.calls[0].fields == {"channel": "C1", "text": "pong", "thread_ts": "1.5", **FOLDED}


def test_the_answer_to_an_edit_stays_in_the_thread_too(slack: CannedSlack) -> None:
    edited = {"subtype": "message_changed", "message": {"text": "pong?", "ts": "1.7", "thread_ts": "1.5"}}
    client_for(context_with_bot(slack.settings), **edited).reply("pong")
    assert slack.calls[0].fields["thread_ts"] == "1.5"


def test_reply_needs_an_event() -> None:
    with pytest.raises(UsageError, match="reply needs an event"):
        Client(context_with_bot(), "T1").reply("pong")


def test_typing_and_ping_are_frames() -> None:
    context = context_with_bot()
    client = client_for(context)
    client.typing()
    client.typing("C2")
    client.ping(tag="a")
    assert sent(context) == [
        Command(op="typing", key="T1", channel="C1"),
        Command(op="typing", key="T1", channel="C2"),
        Command(op="ping", key="T1", extra={"tag": "a"}),
    ]


def test_ping_takes_flat_values() -> None:
    with pytest.raises(UsageError, match="tag"):
        Client(context_with_bot(), "T1").ping(tag=["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("channel", "text"), [("", "hi"), (None, "hi"), ("C1", None), ("C1", ""), ("C1", " \n "), ("C1", b"hi")]
)
def test_junk_is_a_usage_error(channel: Any, text: Any) -> None:
    with pytest.raises(UsageError):
        Client(context_with_bot(), "T1").message(channel, text)


def test_an_unknown_team() -> None:
    with pytest.raises(TokenNotConnected, match="T9"):
        Client(context_with_bot(), "T9").message("C1", "hi")


def test_a_revoked_token_is_told_at_once() -> None:
    context = context_with_bot(status="token_revoked")
    with pytest.raises(TokenRevoked):
        Client(context, "T1").message("C1", "hi")
    assert sent(context) == []


def test_the_death_of_a_former_token_hinders_nothing() -> None:
    context = context_with_bot(status="token_revoked", generation=2)
    Client(context, "T1").message("C1", "hi")
    assert [command.text for command in sent(context)] == ["hi"]


@pytest.mark.parametrize("options", [{}, {"thread_ts": "1.0"}])
def test_a_stopped_bot_says_nothing(options: dict[str, str]) -> None:
    with pytest.raises(TokenNotConnected, match="stopped"):
        Client(context_with_bot(desired="stopped"), "T1").message("C1", "hi", **options)


def test_slacks_refusal_is_a_slack_error_without_the_text(slack: CannedSlack) -> None:
    slack.give("chat.postMessage", answer(ok=False, error="channel_not_found"))
    with pytest.raises(SlackError) as caught:
        Client(context_with_bot(slack.settings), "T1").message("#nowhere", "a secret")
    assert caught.value.error == "channel_not_found"
    assert "secret" not in str(caught.value)


def test_a_bot_of_a_namespace() -> None:
    context = context_with_bot(namespace="beta")
    client = Client(context, "T1", "beta")
    client.message("C1", "hi")
    assert client.id == "beta-T1"
    assert [command.key for command in sent(context)] == ["beta-T1"]


def test_what_it_knows_of_the_bot() -> None:
    client = Client(context_with_bot(), "T1")
    assert (client.id, client.status, client.bot.bot_name) == ("T1", "connected", "pingbot")
    assert client.token.reveal() == TOKEN
    assert client.web.token == TOKEN
    assert isinstance(client.storage, MemoryStore)
    assert TOKEN not in repr(client)


def test_nothing_is_known_of_an_unknown_bots_connection() -> None:
    assert Client(context_with_bot(), "T9").status == "disconnected"


def test_a_process_without_the_key_says_so() -> None:
    context = context_with_bot(
        sealed_token=Seal([Seal.new_key()]).seal(Client(context_with_bot(), "T1").token)
    )
    with pytest.raises(SealError, match="key"):
        Client(context, "T1").message("#general", "hi")
