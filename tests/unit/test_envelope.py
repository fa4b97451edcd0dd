"""Ids of events, and envelopes."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from botfleet.model import Bot, Envelope
from botfleet.slack.envelope import Identifier, Origin, wrap
from botfleet.slack.frames import Frame, decode

MESSAGE = {"type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1700000000.000100"}
REACTION = {
    "type": "reaction_added",
    "user": "U1",
    "reaction": "wave",
    "item": {"type": "message", "channel": "C1", "ts": "1700000000.000100"},
    "event_ts": "1700000005.000200",
}
FILE = {
    "type": "file_shared",
    "file_id": "F1",
    "user_id": "U1",
    "channel_id": "C1",
    "event_ts": "1700000009.000100",
}


def origin(team_id: str = "T1", namespace: str = "") -> Origin:
    bot = Bot(
        team_id=team_id,
        namespace=namespace,
        sealed_token="plain:x",
        fingerprint="f",
        bot_user_id="U0",
        bot_name="pingbot",
    )
    return Origin.of(bot)


def raw_of(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def frame_of(fields: dict[str, Any]) -> Frame:
    frame = decode(raw_of(fields))
    assert frame is not None
    return frame


def identify(fields: dict[str, Any], at: Origin | None = None, by: Identifier | None = None) -> str:
    event_id = (by or Identifier()).identify(at or origin(), frame_of(fields))
    return event_id


def test_an_id_says_where_and_when() -> None:
    assert identify(MESSAGE) == "T1:C1:message:1700000000.000100"
    assert identify(MESSAGE, origin(namespace="beta")) == "beta-T1:C1:message:1700000000.000100"
    assert identify(REACTION) == "T1:C1:reaction_added:1700000005.000200:U1"


@pytest.mark.parametrize("event", [MESSAGE, REACTION], ids=["message", "reaction"])
def test_one_event_on_two_connections_has_one_id(event: dict[str, Any]) -> None:
    assert identify(event, by=Identifier()) == identify(dict(reversed(event.items())), by=Identifier())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (MESSAGE, {**MESSAGE, "channel": "C2"}),
        (MESSAGE, {**MESSAGE, "ts": "1700000000.000101"}),
        (
            MESSAGE,
            {"type": "message", "subtype": "message_changed", "channel": "C1", "ts": "1700000009.000300"},
        ),
        (MESSAGE, {**MESSAGE, "subtype": "message_replied"}),
        (REACTION, {**REACTION, "type": "reaction_removed", "event_ts": "1700000006.000100"}),
        (REACTION, {**REACTION, "type": "reaction_removed"}),
        (REACTION, {**REACTION, "event_ts": "1700000007.000100"}),
        (REACTION, {**REACTION, "user": "U2"}),
        (FILE, {**FILE, "user_id": "U2"}),
        (FILE, {**FILE, "channel_id": "C2"}),
    ],
    ids=[
        "another channel",
        "another time",
        "an edit",
        "a thread's note of a reply",
        "removed",
        "removed in the same microsecond",
        "added again",
        "another's",
        "another's file",
        "another channel's file",
    ],
)
def test_different_events_have_different_ids(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert identify(one) != identify(other)


def test_two_edits_of_a_message_are_two_events() -> None:
    inner = {"ts": MESSAGE["ts"], "text": "a"}
    first = {"type": "message", "subtype": "message_changed", "channel": "C1", "ts": "9.1", "message": inner}
    assert identify(first) != identify({**first, "ts": "9.2"})


def test_the_same_event_in_two_teams_and_namespaces_is_two() -> None:
    homes = [origin("T1"), origin("T2"), origin("T1", "beta")]
    assert len({identify(MESSAGE, home) for home in homes}) == 3


@pytest.mark.parametrize(
    "event",
    [
        {"type": "user_typing", "channel": "C1", "user": "U1"},
        {"type": "presence_change", "user": "U1", "presence": "away"},
        {"type": "message", "channel": "C1", "text": "without a time"},
        {"type": "message", "channel": "C1", "ts": 1.5},
        {"type": "channel_marked", "channel": "C1", "ts": "1700000000.000100"},
    ],
)
def test_what_has_no_time_is_never_taken_for_a_copy(event: dict[str, Any]) -> None:
    here, there = Identifier(), Identifier()
    found = {each.identify(origin(), frame_of(event)) for each in (here, here, there, there)}
    assert len(found) == 4


@pytest.mark.parametrize(
    "odd",
    [
        {"type": 'a"b'},
        {"type": "a b"},
        {"type": "a\nb"},
        {"type": "\0"},
        {"type": "é"},
        {"type": "<b>"},
        {"type": "x" * 5000},
        {"channel": "C1/../../x"},
        {"ts": '1"}'},
    ],
    ids=str,
)
def test_odd_ids_are_made_harmless(odd: dict[str, str]) -> None:
    event_id = identify({**MESSAGE, **odd})
    assert event_id.startswith("odd:")
    assert event_id == identify({**MESSAGE, **odd}), "copies are still told"
    assert event_id != identify(MESSAGE)


@given(st.text(), st.text(), st.text())
def test_an_id_goes_anywhere_as_it_is(type_: str, channel: str, time: str) -> None:
    frame = Frame(type=type_, channel=channel, ts=time)
    event_id = Identifier().identify(origin(), frame)
    assert json.dumps(event_id) == f'"{event_id}"'
    assert event_id.isascii()
    assert len(event_id) <= 200
    assert not set(event_id) & set(" \"\\/%?#<>&'\n\0")


def envelope_of(fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    wrapped: dict[str, Any] = json.loads(
        wrap("Ev1", origin(), frame_of(fields), raw_of(fields), 5.25, **changes)
    )
    return wrapped


def test_an_envelope_has_every_field() -> None:
    assert envelope_of(MESSAGE) == {
        "id": "Ev1",
        "type": "message",
        "subtype": None,
        "team_id": "T1",
        "namespace": "",
        "bot_user_id": "U0",
        "transport": "rtm",
        "received_at": 5.25,
        "backfilled": False,
        "payload": MESSAGE,
    }
    changed = envelope_of({**MESSAGE, "subtype": "file_share"}, backfilled=True)
    assert (changed["subtype"], changed["backfilled"]) == ("file_share", True)
    assert envelope_of({**MESSAGE, "subtype": 5})["subtype"] is None


def test_the_payload_is_the_bytes_that_slack_sent() -> None:
    raw = b'{ "type":"message",\t"text":"\xc3\xa9 \\u00e9 \\/ \\ud83d\\ude00", "n":1.0e2,"type2":null }\n'
    frame = decode(raw)
    assert frame is not None
    wrapped = wrap("Ev1", origin(), frame, raw, 1.0)
    assert raw in wrapped
    assert json.loads(wrapped)["payload"] == json.loads(raw)


@given(
    st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.lists(st.text())),
    st.text(),
    st.floats(0, 4e9),
)
def test_an_envelope_is_read_as_a_model_envelope(fields: dict[str, Any], type_: str, at: float) -> None:
    raw = json.dumps({**fields, "type": type_}).encode()
    frame = decode(raw)
    if frame is None:  # A lone surrogate.
        return
    wrapped = wrap("Ev1", origin(namespace="a-b"), frame, raw, at)
    read = msgspec.json.decode(wrapped, type=Envelope)
    assert read.payload == json.loads(raw)
    assert (read.type, read.received_at, read.namespace) == (type_, at, "a-b")
    assert read == msgspec.convert(json.loads(wrapped), Envelope)
