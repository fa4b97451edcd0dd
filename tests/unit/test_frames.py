"""Decoding as much of Slack's JSON as routing needs."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from botfleet.slack.frames import Frame, decode, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["type", "subtype", "channel", "user", "text", "ts", "event_ts", "bot_id", "item", "message", "error"]
NAMES += ["channel_id", "user_id"]


def frame(**fields: object) -> Frame:
    found = decode(json.dumps(fields).encode())
    assert found is not None
    return found


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"hello"',
        b"17",
        b"{'type':'hello'}",
        b'{"type":"hello"}x',
        b'{"type":17}',
        b'{"type":null}',
        b'{"type":{}}',
        b'{"type":"\\ud800"}',
        b'\xff\xfe{"type":"hello"}',
        b'{"type":"message","text":"\xff"}',
        b'{"type":"message","nothing_we_read":"\xff"}',
        b'{"\xc3\x28":1,"type":"message"}',
        b'{"type":"message","nothing_we_read":01}',
        b'{"type":"message","nothing_we_read":NaN}',
        b"[" * 100_000,
        b'{"type":"message","blocks":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\0" * 100,
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_what_is_no_object_is_none(raw: bytes) -> None:
    assert decode(raw) is None


@given(st.binary())
def test_no_bytes_are_too_odd(raw: bytes) -> None:
    decode(raw)


@given(st.dictionaries(st.sampled_from(NAMES), JSON))
def test_fields_of_any_type_are_survived(fields: dict[str, object]) -> None:
    raw = json.dumps(fields).encode()
    found = decode(raw)
    assert (found is None) is not isinstance(fields.get("type", ""), str)
    if found is not None:
        assert isinstance(found.channel_id + found.user_id + found.time + repr(found), str)


@given(st.dictionaries(st.text(max_size=8), JSON).filter(lambda fields: "type" not in fields))
def test_what_decodes_is_json_to_python_too(fields: dict[str, object]) -> None:
    raw = json.dumps(fields, ensure_ascii=False).encode(errors="replace")
    assert decode(raw) is not None
    json.loads(raw)


def test_an_object_without_a_type_is_an_answer() -> None:
    assert frame(ok=True, reply_to=1).type == ""


@pytest.mark.parametrize(
    ("fields", "channel"),
    [
        ({"channel": "C1"}, "C1"),
        ({"channel": {"id": "C2", "name": "x"}}, "C2"),
        ({"item": {"type": "message", "channel": "C3", "ts": "1.1"}}, "C3"),
        ({"channel": {"id": 5}, "item": {"channel": "C4"}}, "C4"),
        ({"type": "file_shared", "channel_id": "C5"}, "C5"),
        ({"channel": "C1", "channel_id": "C5"}, "C1"),
        ({"channel_id": 5}, ""),
        ({"channel": 5}, ""),
        ({"item": {"type": "file"}}, ""),
        ({}, ""),
    ],
)
def test_the_channel_is_found_where_each_event_has_it(fields: dict[str, object], channel: str) -> None:
    assert frame(**{"type": "x", **fields}).channel_id == channel


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ({"user": "U1"}, "U1"),
        ({"user": {"id": "U2", "name": "x"}}, "U2"),
        ({"subtype": "message_changed", "message": {"user": "U3", "text": "x"}}, "U3"),
        ({"user": "U1", "message": {"user": "U3"}}, "U1"),
        ({"user_id": "U4"}, "U4"),
        ({"user": "U1", "user_id": "U4"}, "U1"),
        ({"user": ["U1"]}, ""),
        ({}, ""),
    ],
)
def test_the_user_is_found_where_each_event_has_it(fields: dict[str, object], user: str) -> None:
    assert frame(type="x", **fields).user_id == user


def test_the_time_is_the_events_own() -> None:
    assert frame(type="x", ts="1.1", event_ts="2.2").time == "2.2"
    assert frame(type="x", ts="1.1").time == "1.1"
    assert frame(type="x", ts=1.1).time == ""
    assert frame(type="x").time == ""


@pytest.mark.parametrize("type_", ["channel_marked", "im_marked", "group_marked", "mpim_marked"])
def test_the_time_up_to_which_somebody_read_is_not_the_events_own(type_: str) -> None:
    assert frame(type=type_, channel="C1", ts="1.1").time == ""
    assert frame(type=type_, channel="C1", ts="1.1", event_ts="2.2").time == "2.2"


def test_a_repr_has_no_text_of_a_message() -> None:
    assert "secret" not in repr(frame(type="message", channel="C1", text="secret", ts="1.1"))


def test_what_is_encoded_is_compact_and_keeps_letters() -> None:
    assert encode({"id": 1, "text": "hé"}) == '{"id":1,"text":"hé"}'
