from __future__ import annotations

import copy
import doctest
import importlib
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botfleet.errors import SlackError, UsageError
from botfleet.handlers import Channel, Directory, Event, Team, User
from botfleet.slack.address import addressed, first_word

from .bots import NOW, envelope


@pytest.mark.parametrize(
    "module",
    [
        "botfleet.handlers.running.counters",
        "botfleet.handlers.declaring.classes",
        "botfleet.handlers.event",
        "botfleet.handlers.matching.matchers",
        "botfleet.handlers.matching.match",
        "botfleet.handlers.matching.options",
        "botfleet.handlers.matching.patterns",
        "botfleet.handlers.running.scrubbing",
        "botfleet.publishing.wake_ups",
        "botfleet.redaction",
        "botfleet.slack.address",
        "botfleet.slack.errors",
    ],
)
def test_examples_in_docstrings(module: str) -> None:
    tried = doctest.testmod(importlib.import_module(module))
    assert tried.attempted > 0
    assert tried.failed == 0


def test_the_payloads_fields_are_attributes() -> None:
    event = Event(envelope("hi", thread_ts="1.5", reaction="eyes"))
    assert (event.text, event.ts, event.thread_ts, event.reaction) == (
        "hi",
        "1700000100.000100",
        "1.5",
        "eyes",
    )
    assert event["reaction"] == event.get("reaction") == "eyes"
    assert "reaction" in event
    assert (event.no_such_field, event.get("no_such_field", 7)) == (None, 7)
    with pytest.raises(KeyError):
        event["no_such_field"]
    with pytest.raises(AttributeError):
        event.__no_such_thing__  # noqa: B018


def test_the_envelopes_fields_win_over_the_payloads() -> None:
    event = Event(envelope(id="Ev7", team_id="other", received_at=0))
    assert (event.id, event.team_id, event.received_at) == ("Ev7", "T1", NOW)
    assert (event.bot_user_id, event.transport, event.backfilled, event.key) == ("U0", "rtm", False, "T1")


@pytest.mark.parametrize(
    ("fields", "user", "channel", "text"),
    [
        ({"type": "team_join", "user": {"id": "U5"}, "channel": None}, "U5", None, ""),
        ({"type": "channel_joined", "user": None, "channel": {"id": "C5"}}, None, "C5", ""),
        ({"type": "reaction_added", "channel": None, "item": {"channel": "C5", "ts": "1"}}, "U1", "C5", ""),
        (
            {"subtype": "message_changed", "user": None, "message": {"user": "U5", "text": "new"}},
            "U5",
            "C1",
            "new",
        ),
        ({"user": 7, "channel": 7}, None, None, ""),
    ],
)
def test_user_channel_and_text_are_always_texts(
    fields: dict[str, Any], user: str | None, channel: str | None, text: str
) -> None:
    event = Event(envelope("", **fields))
    assert (event.user, event.channel, event.text) == (user, channel, text)
    assert event.payload["user"] == fields.get("user", "U1")


def test_direct_messages() -> None:
    assert Event(envelope(channel="D1")).is_dm
    assert Event(envelope(channel="X1", channel_type="im")).is_dm
    assert not Event(envelope(channel="C1", channel_type="channel")).is_dm


def test_the_bot_itself_is_not_among_the_mentions() -> None:
    event = Event(envelope("<@U0> ask <@U2|bob> and <@U1>, <@U2>"))
    assert event.mentions == ["U2", "U1"]
    edited = {"user": "U1", "text": "<@U3>", "ts": "1.1"}
    assert Event(envelope("", subtype="message_changed", message=edited)).mentions == ["U3"]
    assert Event(envelope("")).mentions == []


def test_without_a_client_plain_text_shows_ids_where_there_are_no_labels() -> None:
    event = Event(envelope("<@U1> in <#C1|general> &amp; <https://a.b|there>"))
    assert event.plain_text == "@U1 in #general & there"
    assert event.text == event.payload["text"]


EDITED = {"message": {"user": "U1", "text": "new", "ts": "1.5", "thread_ts": "1.0"}}


@pytest.mark.parametrize(
    ("fields", "message_ts", "thread", "is_reply"),
    [
        ({"ts": "1.0"}, "1.0", None, False),
        ({"ts": "1.0", "thread_ts": "1.0"}, "1.0", "1.0", False),
        ({"ts": "1.5", "thread_ts": "1.0"}, "1.5", "1.0", True),
        ({"ts": "1.9", "subtype": "message_changed", **EDITED}, "1.5", "1.0", True),
        ({"ts": "1.9", "subtype": "message_deleted", "deleted_ts": "1.5"}, "1.5", None, False),
        ({"ts": None, "type": "reaction_added", "item": {"channel": "C1", "ts": "1.2"}}, "1.2", None, False),
        ({"ts": None, "type": "team_join", "user": {"id": "U1"}, "channel": None}, None, None, False),
        ({"ts": 7, "thread_ts": {}, "item": []}, None, None, False),
    ],
)
def test_the_message_that_it_is_about(
    fields: dict[str, Any], message_ts: str | None, thread: str | None, is_reply: bool
) -> None:
    event = Event(envelope(**fields))
    assert (event.message_ts, event.thread, event.is_thread_reply) == (message_ts, thread, is_reply)
    assert event.ts == fields["ts"]
    event.bind(Known())
    link = event.permalink
    assert (link is None) == (message_ts is None)
    if message_ts:
        end = f"?thread_ts={thread}&cid=C1" if is_reply else ""
        assert link == f"https://acme.slack.com/archives/C1/p{message_ts.replace('.', '')}{end}"


class Known:
    """A client whose directory knows everybody."""

    directory = Mock(spec=Directory)
    directory.team = Team(id="T1", name="Acme", url="https://acme.slack.com/")
    directory.user = lambda id_: User(id=id_, name="alice", display_name="Al")
    directory.channel = lambda id_: Channel(id=id_, name="general")


def test_what_is_known_of_team_user_and_channel() -> None:
    event = Event(envelope("<@U1> <#C1>"))
    event.bind(Known())
    assert (event.team.name, event.team.domain) == ("Acme", "acme")
    assert event.user_info == User(id="U1", name="alice", display_name="Al")
    assert event.channel_info == Channel(id="C1", name="general")
    assert event.plain_text == "@Al #general"
    nobody = Event(envelope(type="hello", user=None, channel=None))
    nobody.bind(Known())
    assert (nobody.user_info, nobody.channel_info, nobody.permalink) == (None, None, None)


@pytest.mark.parametrize("name", ["team", "user_info", "channel_info", "permalink"])
def test_events_of_a_batch_look_nothing_up(name: str) -> None:
    with pytest.raises(UsageError, match=r"batch.*event\.bind"):
        getattr(Event(envelope()), name)


def test_a_slack_that_tells_no_names_does_not_stop_plain_text() -> None:
    client = Mock()
    client.directory.user.side_effect = client.directory.channel.side_effect = SlackError("missing_scope")
    event = Event(envelope("<@U1> <#C1>"))
    event.bind(client)
    assert event.plain_text == "@U1 #C1"


def test_age_is_reckoned_from_receipt_unless_fetched_later() -> None:
    old = envelope(ts="1600000000.000000")
    assert Event(old).age(NOW + 5) == 5
    assert Event({**old, "backfilled": True}).age(NOW) == NOW - 1_600_000_000
    assert Event({**envelope(ts="soon"), "backfilled": True}).age(NOW) == 0
    assert Event(old).age(NOW - 5) == 0


def test_repr_shows_no_text() -> None:
    event = Event(envelope("a secret"))
    assert repr(event) == str(event) == "<Event Ev1 message>"
    assert copy.copy(event).id == "Ev1"


@pytest.mark.parametrize("junk", [{}, {**envelope("a secret"), "id": 7}, [], None])
def test_junk_is_refused_without_showing_it(junk: Any) -> None:
    with pytest.raises(UsageError) as caught:
        Event(junk)
    assert "secret" not in str(caught.value)


def test_a_newer_releases_fields_are_passed_over() -> None:
    assert Event({**envelope(), "new_in_2": True}).id == "Ev1"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("<@U0>ping", "ping"),
        ("<@U0>  :wave: hi", ":wave: hi"),
        ("<@U0|anything>: hi", "hi"),
        ("<@U0", None),
        ("<@U0|never closed", None),
        ("<@U01> hi", None),
        ("@pingbot hi", "hi"),
        ("pingbot", ""),
        ("pingbot,hi", "hi"),
        ("pingbot's", None),
        ("ping", None),
        ("", None),
    ],
)
def test_what_speaks_to_the_bot(text: str, rest: str | None) -> None:
    assert addressed(text, "U0", "pingbot", False) == rest


def test_a_bot_without_name_or_id_is_spoken_to_in_direct_messages_only() -> None:
    assert addressed("<@> hi", "", "", False) is None
    assert addressed(": hi", "", "", False) is None
    assert addressed("hi", "", "", True) == "hi"


@given(st.text(max_size=300), st.booleans())
def test_any_text_can_be_looked_at(text: str, is_dm: bool) -> None:
    rest = addressed(text, "U0", "pingbot", is_dm)
    assert rest is None or text.endswith(rest)
    assert rest is not None or not is_dm
    assert not first_word(rest or "").split()[1:]
