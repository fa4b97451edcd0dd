"""What leaves the client: in its turn, once, and in shadow mode not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import threading
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from botfleet.errors import (
    ConnectionRateLimited,
    PerhapsDone,
    SlackError,
    StoreUnavailable,
    TurnTooFar,
    UsageError,
)
from botfleet.handlers import Broadcast, Client, Event, HandlerContext, Sent
from botfleet.handlers.sending.arguments import contents
from botfleet.handlers.sending.counting import RESULTS, VIAS, sends_counter
from botfleet.handlers.sending.sender import ANSWER_TIMEOUT, BRIEF, BURST, PATIENCE
from botfleet.handlers.sending.splitting import LIMIT
from botfleet.handlers.tally import Tally
from botfleet.model import Answer, Bot, Command, Status
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore
from botfleet.store.values import Pacing
from tests.waiting import eventually

from .answering import CannedSlack, answer
from .bots import NOW, context_with_bot, envelope, sent

LIMITED = answer(429, {"Retry-After": "3"}, ok=False, error="ratelimited")
POSTED = answer(ok=True, channel="C1", ts="1.5")


@pytest.fixture
def slack(slack: CannedSlack) -> CannedSlack:
    slack.give("chat.postMessage", POSTED)
    slack.give("conversations.open", answer(ok=True, channel={"id": "D7"}))
    for method in ("chat.update", "chat.delete", "chat.postEphemeral", "reactions.add", "reactions.remove"):
        slack.give(method, answer(ok=True, channel="C1", ts="1.5", message_ts="1.5"))
    return slack


class World:
    """A context whose time passes when somebody sleeps, and a run's clients."""

    def __init__(self, settings: Settings | None = None, **fields: Any) -> None:
        self.now = NOW
        self.slept: list[float] = []
        made = context_with_bot(settings, **fields)
        assert isinstance(made.store, MemoryStore)
        made.store._clock = lambda: self.now
        made.store._noted._clock = made.store._answers._clock = lambda: self.now
        self.context = dataclasses.replace(made, sleep=self._sleep, clock=lambda: self.now)

    @property
    def store(self) -> MemoryStore:
        assert isinstance(self.context.store, MemoryStore)
        return self.context.store

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def client(self, origin: str = "", **fields: Any) -> Client:
        return Client(self.context, "T1", "", Event(envelope(**fields)), origin)

    def try_of(self, handler: str = "tasks.ping Ev1") -> Client:
        """The client of one more try of a handler for an event."""
        return self.client(origin=handler)


@pytest.fixture
def world(slack: CannedSlack) -> World:
    return World(slack.settings)


def with_shadow(slack: CannedSlack, *channels: str) -> World:
    return World(dataclasses.replace(slack.settings, shadow=True, shadow_channels=channels))


def form(call: Any) -> dict[str, str]:
    """The arguments of a call that went as a form."""
    return dict(urllib.parse.parse_qsl(call.fields["form"], keep_blank_values=True))


def texts(commands: list[Command]) -> list[str]:
    return [command.text for command in commands]


# What is given back


def test_what_was_posted_is_told(world: World) -> None:
    assert world.client().message("#general", "hi") == Sent("C1", "1.5")


def test_plain_text_on_its_way_over_the_socket_is_nothing_yet(world: World) -> None:
    assert world.client().message("C1", "hi") is None


class Socket:
    """Stands for a holder: answers what goes out over the socket, with a thread of its own."""

    def __init__(self, context: HandlerContext, *answers: Answer) -> None:
        self.commands: list[Command] = []
        self._context = context
        self._answers = answers
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Socket:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._thread.join(10.0)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        store = self._context.store
        for given in self._answers:
            (command,) = eventually(lambda: store.receive(range(store.shards), 1.0, limit=1))
            self.commands.append(command)
            store.put_answers({command.ticket: given}, 60.0)


def test_who_waits_gets_what_slack_called_it(world: World) -> None:
    with Socket(world.context, Answer(ts="1.5")) as socket:
        assert world.client().message("C1", "hi", wait=True) == Sent("C1", "1.5")
    assert texts(socket.commands) == ["hi"]


def test_who_waits_gets_slacks_refusal(world: World) -> None:
    with Socket(world.context, Answer(error="channel_not_found")), pytest.raises(SlackError) as caught:
        world.client().message("C1", "hi", wait=True)
    assert caught.value.error == "channel_not_found"


def test_who_waits_hears_when_nobody_knows(world: World) -> None:
    with (
        Socket(world.context, Answer(error="connection_lost", in_doubt=True)),
        pytest.raises(PerhapsDone, match="connection_lost"),
    ):
        world.client().message("C1", "hi", wait=True)


def test_who_waits_does_not_wait_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botfleet.handlers.sending.sender.ANSWER_TIMEOUT", 0.01)
    with pytest.raises(PerhapsDone, match="no_answer"):
        world.client().message("C1", "hi", wait=True)
    assert ANSWER_TIMEOUT <= PATIENCE


# What it costs


class Counted:
    """Counts the round trips to a store."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if not callable(value):
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            self.asked.append(name)
            return value(*args, **kwargs)

        return call


@pytest.mark.parametrize("origin", ["", "tasks.ping Ev1"])
def test_a_plain_reply_costs_two_round_trips(world: World, origin: str) -> None:
    counted = Counted(world.store)
    context = dataclasses.replace(world.context, store=counted)  # type: ignore[arg-type]  # by its shape
    Client(context, "T1", "", Event(envelope()), origin).reply("pong")
    assert counted.asked == ["bot_and_status", "send_once" if origin else "send"]


def test_a_post_costs_one_before_and_where_there_is_a_try_after_it_one_more(world: World) -> None:
    counted = Counted(world.store)
    context = dataclasses.replace(world.context, store=counted)  # type: ignore[arg-type]  # by its shape
    Client(context, "T1").message("C1", "hi", username="Robot")
    assert counted.asked == ["bot_and_status", "admit"]
    counted.asked.clear()
    Client(context, "T1", origin="tasks.ping Ev1").message("C1", "hi", username="Robot")
    assert counted.asked == ["bot_and_status", "admit", "note"]


# Once


def test_a_later_try_repeats_nothing_that_succeeded(world: World, slack: CannedSlack) -> None:
    for _ in range(3):
        client = world.try_of()
        client.reply("over the socket")
        assert client.message("#general", "by the API") == Sent("C1", "1.5")
        client.react("tada")
        client.message("U7", "to a user")
    assert texts(sent(world.context)) == ["over the socket", "to a user"]
    assert [call.method for call in slack.calls] == [
        "conversations.list",
        "chat.postMessage",
        "reactions.add",
        "conversations.open",
    ]


def test_equal_texts_of_one_try_are_all_said(world: World) -> None:
    for _ in range(2):
        client = world.try_of()
        for _ in range(3):
            client.reply("knock")
    assert texts(sent(world.context)) == ["knock"] * 3


@pytest.mark.parametrize(
    "again",
    [
        lambda world: world.try_of("tasks.pong Ev1").reply("hi"),
        lambda world: world.try_of("tasks.ping Ev2").reply("hi"),
        lambda world: world.try_of().reply("ho"),
        lambda world: world.try_of().message("C2", "hi"),
        lambda world: world.client().reply("hi"),
    ],
)
def test_what_differs_is_said(world: World, again: Callable[[World], object]) -> None:
    world.try_of().reply("hi")
    again(world)
    assert len(sent(world.context)) == 2


def test_a_try_goes_on_where_the_former_one_failed(world: World, slack: CannedSlack) -> None:
    slack.give("chat.postMessage", POSTED, answer(ok=False, error="service_unavailable"), POSTED)
    client = world.try_of()
    client.message("#general", "one")
    with pytest.raises(SlackError, match="service_unavailable"):
        client.message("#general", "two")
    client = world.try_of()
    client.message("#general", "one")
    client.message("#general", "two")
    assert [call.fields["text"] for call in slack.asked("chat.postMessage")] == ["one", "two", "two"]


def test_who_waited_gets_the_same_answer_in_a_later_try(world: World) -> None:
    with Socket(world.context, Answer(ts="1.5")):
        assert world.try_of().message("C1", "hi", wait=True) == Sent("C1", "1.5")
    assert world.try_of().message("C1", "hi", wait=True) == Sent("C1", "1.5")
    assert sent(world.context) == []


def test_what_slack_refused_over_the_socket_is_tried_again(world: World) -> None:
    with Socket(world.context, Answer(error="channel_not_found")), pytest.raises(SlackError):
        world.try_of().message("C1", "hi", wait=True)
    with Socket(world.context, Answer(ts="1.5")):
        assert world.try_of().message("C1", "hi", wait=True) == Sent("C1", "1.5")


@pytest.mark.parametrize("error", ["internal_error", "fatal_error"])
def test_what_may_have_been_done_is_not_repeated(world: World, slack: CannedSlack, error: str) -> None:
    slack.give("chat.postMessage", answer(ok=False, error=error))
    for _ in range(2):
        with pytest.raises(PerhapsDone, match=error):
            world.try_of().message("#general", "hi")
    assert len(slack.asked("chat.postMessage")) == 1


def test_what_does_no_harm_twice_is_repeated(world: World, slack: CannedSlack) -> None:
    for method in ("chat.update", "reactions.add", "conversations.open"):
        slack.give(method, answer(ok=False, error="internal_error"))
    for _ in range(2):
        for call in (
            lambda client: client.update("1.0", "hi"),
            lambda client: client.react("tada"),
            lambda client: client.dm("U7", "hi"),
        ):
            with pytest.raises(SlackError, match="internal_error") as caught:
                call(world.try_of())
            assert not caught.value.fatal
    assert len(slack.calls) == 6


def test_a_note_that_cannot_be_written_fails_nothing(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.store, "note", away)
    with caplog.at_level(logging.WARNING):
        assert world.try_of().message("#general", "a secret") == Sent("C1", "1.5")
    assert "can't be noted" in caplog.text
    assert "secret" not in caplog.text


def test_of_a_long_answer_the_plain_fields_are_remembered(world: World, slack: CannedSlack) -> None:
    long = {"channel": "C1", "ts": "1.5", "text": "x" * 9000, "blocks": [{"a": "x" * 9000}]}
    slack.give("chat.scheduleMessage", answer(ok=True, **long))
    first, second = (world.try_of().call("chat.scheduleMessage", channel="C1") for _ in range(2))
    assert first == {"ok": True, **long}
    assert second == {"ok": True, "channel": "C1", "ts": "1.5"}


def test_answers_with_tokens_are_not_remembered(world: World, slack: CannedSlack) -> None:
    slack.give("oauth.v2.access", answer(ok=True, access_token="xoxb-new"))
    for _ in range(2):
        assert world.try_of().call("oauth.v2.access", code="1")["access_token"] == "xoxb-new"
    assert len(slack.calls) == 2


def test_marks_are_kept_as_long_as_events_are(world: World) -> None:
    world.try_of().reply("hi")
    world.now += world.context.settings.dedupe_ttl - 1
    world.try_of().reply("hi")
    assert len(sent(world.context)) == 1
    world.now += world.context.settings.dedupe_ttl + 1
    world.try_of().reply("hi")
    assert len(sent(world.context)) == 1


# In turn


def test_posts_to_a_channel_are_a_second_apart_after_a_burst(world: World, slack: CannedSlack) -> None:
    for n in range(BURST + 3):
        world.client().message("#general", str(n))
    assert world.slept == pytest.approx([1.0] * 3)
    world.client().message("#random", "another channel")
    world.client().update("1.5", "no post")
    assert len(world.slept) == 3


def test_a_pace_of_none(slack: CannedSlack) -> None:
    world = World(dataclasses.replace(slack.settings, send_rate=0.0))
    for n in range(3 * BURST):
        world.client().message("#general", str(n))
    assert world.slept == []


def test_a_turn_too_far_away_is_for_a_later_try(world: World, slack: CannedSlack) -> None:
    for _ in range(BURST + 10):
        # Others of the fleet, who all wait at the same time.
        world.store.admit("", "", Pacing("post:T1:#general", 1.0, BURST), patience=100.0)
    with pytest.raises(ConnectionRateLimited) as caught:
        world.client().message("#general", "hi")
    assert caught.value.retry_after == pytest.approx(11.0)
    assert (slack.asked("chat.postMessage"), world.slept) == ([], [])


def test_a_handler_leaves_its_worker_to_others_while_a_channel_is_busy(
    world: World, slack: CannedSlack
) -> None:
    for n in range(BURST + 2):
        world.try_of(f"tasks.ping Ev{n}").message("#general", "hi")
    # Others of the fleet.
    for _ in range(3):
        world.store.admit("", "", Pacing("post:T1:#general", 1.0, BURST), patience=100.0)
    with pytest.raises(TurnTooFar):
        world.try_of("tasks.ping Ev9").message("#general", "hi")
    assert max(world.slept) <= BRIEF


def test_a_short_retry_after_is_waited_out(world: World, slack: CannedSlack) -> None:
    slack.give("chat.postMessage", LIMITED, LIMITED, POSTED)
    assert world.client().message("#general", "hi") == Sent("C1", "1.5")
    assert world.slept == pytest.approx([3.0, 3.0])


def test_all_the_fleet_heeds_a_retry_after(world: World, slack: CannedSlack) -> None:
    slack.give("chat.postMessage", answer(429, {"Retry-After": "60"}, ok=False, error="ratelimited"))
    for _ in range(2):
        with pytest.raises(ConnectionRateLimited) as caught:
            world.client().message("#general", "hi")
        assert caught.value.retry_after == pytest.approx(60.0)
    assert len(slack.asked("chat.postMessage")) == 1
    world.client().update("1.5", "another method")
    world.now += 61.0
    slack.give("chat.postMessage", POSTED)
    assert world.client().message("#general", "hi")


def test_a_slack_that_never_lets_it_through_is_left_in_peace(world: World, slack: CannedSlack) -> None:
    slack.give("chat.postMessage", answer(429, {"Retry-After": "0"}, ok=False, error="ratelimited"))
    with pytest.raises(ConnectionRateLimited):
        world.client().message("#general", "hi")
    assert sum(world.slept) <= PATIENCE


def test_reads_heed_it_too(world: World, slack: CannedSlack) -> None:
    slack.give("users.info", LIMITED, answer(ok=True, user={"id": "U7"}))
    assert world.client().call("users.info", user="U7")["user"] == {"id": "U7"}
    assert world.slept == pytest.approx([3.0])


def test_nothing_is_sent_without_the_store(world: World, slack: CannedSlack) -> None:
    client = world.client()
    assert client.bot
    world.store.down = True
    with pytest.raises(StoreUnavailable):
        client.message("#general", "hi")
    assert slack.calls == []


# In pieces


def test_a_long_text_is_said_in_order(world: World) -> None:
    lines = [f"{n} " + "x" * 90 for n in range(100)]
    world.client().message("C1", "\n".join(lines))
    pieces = texts(sent(world.context))
    assert len(pieces) == 3
    assert "\n".join(pieces).split("\n") == lines


def test_pieces_share_the_thread_and_the_last_has_the_attachments(world: World, slack: CannedSlack) -> None:
    slack.give("chat.postMessage", *(answer(ok=True, channel="C1", ts=f"{n}.0") for n in (1, 2)))
    said = world.client(thread_ts="0.5").reply("x" * (LIMIT + 1), attachments=[{"text": "a"}])
    assert said == Sent("C1", "1.0", more=("2.0",))
    assert [call.fields["thread_ts"] for call in slack.calls] == ["0.5", "0.5"]
    assert ["attachments" in call.fields for call in slack.calls] == [False, True]


def test_pieces_do_not_overtake_each_other(world: World, slack: CannedSlack) -> None:
    world.client().message("C1", "x" * LIMIT + "\nsee https://example.com")
    assert len(slack.calls) == 2
    assert sent(world.context) == []


def test_the_text_beside_blocks_is_left_whole(world: World, slack: CannedSlack) -> None:
    world.client().message("C1", "x" * (LIMIT + 1), blocks=[{"type": "divider"}])
    assert len(slack.calls) == 1


# Links


def test_links_unfurl_where_asked_for(world: World, slack: CannedSlack) -> None:
    world.client().message("C1", "https://example.com", unfurl=True)
    assert texts(sent(world.context)) == ["https://example.com"]
    world.client().message("C1", "https://example.com", unfurl=True, username="Robot")
    world.client().message("C1", "https://example.com", unfurl_links=True)
    unfurled = [(call.fields["unfurl_links"], call.fields["unfurl_media"]) for call in slack.calls]
    assert unfurled == [(True, True), (True, False)]


def test_links_may_unfurl_everywhere(slack: CannedSlack) -> None:
    world = World(dataclasses.replace(slack.settings, unfurl=True))
    world.client().message("C1", "https://example.com")
    world.client().message("C1", "https://example.com", unfurl=False)
    assert len(sent(world.context)) == 1
    assert [call.fields["unfurl_links"] for call in slack.calls] == [False]


# What else it does


def test_ephemeral_is_shown_in_the_events_channel_and_thread(world: World, slack: CannedSlack) -> None:
    assert world.client(thread_ts="0.5").ephemeral("U7", "psst") == Sent("C1", "1.5")
    assert slack.calls[0].fields == {"channel": "C1", "user": "U7", "text": "psst", "thread_ts": "0.5"}
    world.client(thread_ts="0.5").ephemeral("U7", "psst", channel="C2")
    assert slack.calls[1].fields == {"channel": "C2", "user": "U7", "text": "psst"}


def test_dm(world: World) -> None:
    world.client().dm("U7", "hello")
    assert [command.channel for command in sent(world.context)] == ["D7"]


@pytest.mark.parametrize(
    ("fields", "ts"),
    [
        ({}, "1700000100.000100"),
        ({"type": "message", "message": {"ts": "3.0"}}, "3.0"),
        ({"type": "reaction_added", "ts": None, "item": {"channel": "C1", "ts": "4.0"}}, "4.0"),
    ],
)
def test_a_reaction_to_the_events_message(
    world: World, slack: CannedSlack, fields: dict[str, Any], ts: str
) -> None:
    world.client(**fields).react(":tada:")
    assert form(slack.calls[0]) == {"channel": "C1", "timestamp": ts, "name": "tada"}


def test_reactions_to_other_messages(world: World, slack: CannedSlack) -> None:
    world.client().react("eyes", Sent("C9", "1.0"))
    world.client().unreact("eyes", "2.0", channel="C8")
    assert [(call.method, form(call)["channel"]) for call in slack.calls] == [
        ("reactions.add", "C9"),
        ("reactions.remove", "C8"),
    ]


@pytest.mark.parametrize(
    ("method", "name", "error"),
    [("react", "reactions.add", "already_reacted"), ("unreact", "reactions.remove", "no_reaction")],
)
def test_a_reaction_that_is_as_it_should_be(
    world: World, slack: CannedSlack, method: str, name: str, error: str
) -> None:
    slack.give(name, answer(ok=False, error=error))
    getattr(world.client(), method)("tada")
    slack.give(name, answer(ok=False, error="message_not_found"))
    with pytest.raises(SlackError, match="message_not_found"):
        getattr(world.client(), method)("tada")


def test_update_and_delete(world: World, slack: CannedSlack) -> None:
    long = Sent("C1", "1.5", more=("1.6",))
    assert world.client().update(long, "new") == Sent("C1", "1.5")
    world.client().delete(long)
    world.client().delete("9.0", channel="C2")
    assert [(call.method, form(call)["channel"], form(call)["ts"]) for call in slack.calls] == [
        ("chat.update", "C1", "1.5"),
        ("chat.delete", "C1", "1.5"),
        ("chat.delete", "C1", "1.6"),
        ("chat.delete", "C2", "9.0"),
    ]


def test_what_nobody_waited_for_can_be_neither_changed_nor_deleted(world: World, slack: CannedSlack) -> None:
    said = world.client().reply("hello")
    for act in (lambda: world.client().update(said, "x"), lambda: world.client().delete(said)):  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="wait=True"):
            act()
    # Least of all is the message of whoever spoke meant.
    assert slack.calls == []


@pytest.mark.parametrize("channel", ["#general", "C1", "<#C1>"])
def test_dm_says_nothing_in_a_channel(world: World, channel: str) -> None:
    with pytest.raises(UsageError, match="dm takes"):
        world.client().dm(channel, "in private")
    assert sent(world.context) == []


def test_what_is_open_as_text_is_no_path() -> None:
    assert contents(io.StringIO("/etc/passwd"), None) == (b"/etc/passwd", None)


def test_a_file_of_another_kind_is_a_usage_error(world: World) -> None:
    with pytest.raises(UsageError, match="upload takes a path, bytes"):
        world.client().upload(17)  # type: ignore[arg-type]


def test_what_has_no_message_is_a_usage_error(world: World) -> None:
    with pytest.raises(UsageError, match="needs a message"):
        Client(world.context, "T1").react("tada")


def test_any_method(world: World, slack: CannedSlack) -> None:
    slack.give("conversations.invite", answer(ok=True, channel={"id": "C1"}))
    found = world.client().call(
        "conversations.invite", channel="C1", users=["U1", "U2"], force=True, limit=None, extra=[{"a": 1}]
    )
    assert found["channel"] == {"id": "C1"}
    assert form(slack.calls[0]) == {"channel": "C1", "users": "U1,U2", "force": "1", "extra": '[{"a": 1}]'}


def test_slack_sdks_errors_stay_its_own(world: World, slack: CannedSlack) -> None:
    slack.give("chat.postMessage", answer(ok=False, error="channel_not_found"))
    with pytest.raises(SlackApiError):
        world.client().web.chat_postMessage(channel="C1", text="hi")


# Everywhere


def add_bots(world: World, *keys: str, **fields: Any) -> None:
    token = world.client().bot.sealed_token
    for key in keys:
        namespace, _, team = key.rpartition("-")
        made = Bot(team_id=team, namespace=namespace, sealed_token=token, fingerprint=key, **fields)
        world.store.change_bot(key, lambda _, made=made: made)


def test_a_broadcast_reaches_every_bot(world: World, slack: CannedSlack) -> None:
    add_bots(world, "T2", "beta-T3", transport="http")
    add_bots(world, "T4", desired="stopped")
    assert world.client().broadcast("hi") == Broadcast(sent=3, stopped=1)
    assert [call.fields["channel"] for call in slack.asked("chat.postMessage")] == ["#general"] * 3
    assert world.client().broadcast("hi", "C1", namespace="") == Broadcast(sent=2, stopped=1)
    assert world.client().broadcast("hi", "C1", namespace="beta") == Broadcast(sent=1)
    assert world.client().broadcast("hi", namespace="gamma") == Broadcast()


def test_a_broadcast_reaches_a_bot_with_a_new_token(world: World, slack: CannedSlack) -> None:
    add_bots(world, "T2", transport="http", generation=2)
    world.store.put_statuses({"T2": Status(state="token_revoked", since=NOW, generation=1)})
    assert world.client().broadcast("hi") == Broadcast(sent=2)


def test_one_bots_failure_hinders_no_other(
    world: World, slack: CannedSlack, caplog: pytest.LogCaptureFixture
) -> None:
    add_bots(world, "T2", "T3", transport="http")
    slack.give("chat.postMessage", answer(ok=False, error="channel_not_found"), POSTED)
    with caplog.at_level(logging.WARNING):
        assert world.client().broadcast("a secret") == Broadcast(sent=2, failed=1)
    assert "channel_not_found" in caplog.text
    assert "secret" not in caplog.text


def test_a_broadcast_of_a_later_try_repeats_nothing(world: World, slack: CannedSlack) -> None:
    add_bots(world, "T2", transport="http")
    slack.give("chat.postMessage", answer(ok=False, error="channel_not_found"), POSTED)
    assert world.try_of().broadcast("hi") == Broadcast(sent=1, failed=1)
    assert world.try_of().broadcast("hi") == Broadcast(sent=2)
    assert len(slack.asked("chat.postMessage")) == 3


# In shadow mode


def test_a_shadow_sends_nothing_and_says_so(slack: CannedSlack, caplog: pytest.LogCaptureFixture) -> None:
    world = with_shadow(slack)
    client = world.client()
    with caplog.at_level(logging.INFO):
        assert client.message("C1", "a secret") is None
        waited = client.message("C1", "a secret", wait=True)
        posted = client.message("#general", "a secret")
        to_user = client.dm("U7", "a secret", wait=True)
        client.ephemeral("U7", "a secret")
        client.react("tada")
        client.update("1.0", "a secret")
        client.delete("1.0")
        client.typing()
        client.upload(b"a secret", filename="secret.txt")
        client.web.chat_postMessage(channel="C1", text="a secret")
        client.call("conversations.invite", channel="C1", users=["U7"])
    # It reads: whether there is a #general.
    assert [call.method for call in slack.calls] == ["conversations.list"]
    assert sent(world.context) == []
    assert waited is not None
    assert posted is not None
    assert to_user is not None
    assert (waited.shadow, posted.shadow, to_user.shadow) == (True, True, True)
    assert posted.ts
    assert "message of T1 in C1, 8 characters, was not sent" in caplog.text
    assert "reactions.add of T1" in caplog.text
    assert "secret" not in caplog.text


def test_a_shadow_shows_texts_to_who_asks(slack: CannedSlack, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        with_shadow(slack).client().reply("pong")
    assert "pong" in caplog.text


def test_a_shadow_reads(slack: CannedSlack) -> None:
    slack.give("users.info", answer(ok=True, user={"id": "U7"}))
    client = with_shadow(slack).client()
    assert client.call("users.info", user="U7")["user"] == {"id": "U7"}
    assert client.web.users_info(user="U7")["user"] == {"id": "U7"}


def test_a_shadow_speaks_where_it_is_let(slack: CannedSlack) -> None:
    world = with_shadow(slack, "C1", "#test", "U7")
    for target in ("C1", "C2", "#test", "#general", "U7", "U8"):
        world.client().message(target, target)
    assert texts(sent(world.context)) == ["C1", "U7"]
    assert [call.fields["channel"] for call in slack.asked("chat.postMessage")] == ["#test"]
    assert [form(call)["users"] for call in slack.asked("conversations.open")] == ["U7"]


def test_a_shadows_web_client_gives_answers_of_the_usual_form(slack: CannedSlack) -> None:
    answered = with_shadow(slack).client().web.chat_postMessage(channel="C1", text="hi")
    assert (answered["ok"], answered["channel"], answered["shadow"]) == (True, "C1", True)


# What is counted


def test_what_is_sent_is_counted_by_way_and_result(slack: CannedSlack) -> None:
    world = World(slack.settings)
    tally = Tally(world.store, gathering=60.0)
    world.context = dataclasses.replace(world.context, tally=tally)
    client = world.client()
    said = Sent("C1", "1.5")
    updated = answer(ok=True, channel="C1", ts="1.5")
    slack.give("chat.update", updated, LIMITED, updated, answer(ok=False, error="account_inactive"))
    client.update(said, "hi")
    client.update(said, "again")
    with pytest.raises(SlackError):
        client.update(said, "and again")
    for reply in (Answer(ts="1.0"), Answer(error="msg_too_long"), Answer(error="lost", in_doubt=True)):
        with Socket(world.context, reply), contextlib.suppress(SlackError):
            client.message("C1", "hello", wait=True)
    client.message("C1", "plain")
    tally.flush()
    counters = {(via, result): sends_counter(via, result) for via in VIAS for result in RESULTS}
    counts = dict(zip(counters, world.store.positions(list(counters.values())), strict=True))
    assert {name: count for name, count in counts.items() if count} == {
        ("rtm", "unasked"): 1,
        ("rtm", "ok"): 1,
        ("rtm", "refused"): 1,
        ("rtm", "in_doubt"): 1,
        ("web", "ok"): 2,
        ("web", "ratelimited"): 1,
        ("web", "dead_token"): 1,
    }
