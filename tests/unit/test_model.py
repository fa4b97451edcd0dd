"""The values that cross processes."""

from __future__ import annotations

import doctest
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from botfleet import model
from botfleet.model import Bot, Command, Envelope, HolderInfo, Status, Subscription

VALUES = [
    Bot(
        team_id="T1", namespace="beta", sealed_token="plain:xoxb-test-1", fingerprint="f", transport="socket"
    ),
    Status(state="rate_limited", since=1.5, holder="h1", error="ratelimited", retry_at=31.5, generation=2),
    Subscription(task="t", types=("message",), subtypes=(), words=("a",), max_age=0.0, kwargs={"k": [1]}),
    HolderInfo(name="h1@a", pid=1, standby=True),
    Command(op="ping", key="T1", extra={"time": 1}),
    Envelope(
        id="Ev1",
        type="message",
        subtype=None,
        team_id="T1",
        namespace="",
        bot_user_id="U1",
        transport="rtm",
        received_at=1.5,
        backfilled=False,
        payload={"type": "message", "text": "hi"},
    ),
]


def test_the_examples_in_the_docstrings() -> None:
    result = doctest.testmod(model)
    assert result.attempted >= 3
    assert result.failed == 0


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_value_survives_the_wire(value: msgspec.Struct) -> None:
    assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_field_of_a_newer_release_is_passed_over(value: msgspec.Struct) -> None:
    wire = {**msgspec.to_builtins(value), "not_yet_known": [1, 2]}
    assert msgspec.json.decode(msgspec.json.encode(wire), type=type(value)) == value


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_frozen(value: msgspec.Struct) -> None:
    with pytest.raises(AttributeError):
        setattr(value, value.__struct_fields__[0], "other")


def test_what_is_missing_takes_its_default() -> None:
    bot = msgspec.json.decode(b'{"team_id":"T1","sealed_token":"plain:x","fingerprint":"f"}', type=Bot)
    assert (bot.transport, bot.desired, bot.generation, bot.namespace) == ("rtm", "running", 1, "")


def test_an_envelope_always_has_every_key() -> None:
    assert set(msgspec.to_builtins(VALUES[-1])) == set(Envelope.__struct_fields__)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (b'{"state":"dancing","since":1}', Status),
        (b'{"since":1}', Status),
        (b'{"team_id":"T1","fingerprint":"f"}', Bot),
        (b'{"op":"format","key":"T1"}', Command),
    ],
)
def test_what_is_no_such_value_is_refused(row: bytes, kind: type[msgspec.Struct]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(row, type=kind)


def test_no_repr_shows_a_token_or_a_text() -> None:
    bot = Bot(team_id="T1", sealed_token="plain:xoxb-test-1", fingerprint="f")
    command = Command(op="message", key="T1", text="a secret")
    assert repr([bot, command]) == "[<Bot T1 rtm running generation=1>, <Command message T1>]"
    assert repr(VALUES[-1]) == "<Envelope Ev1>"


@given(
    team_id=st.text(st.sampled_from("TEABC0123456789"), min_size=1),
    namespace=st.from_regex(r"[a-z0-9_-]{0,20}", fullmatch=True),
)
def test_a_key_can_be_split_again(team_id: str, namespace: str) -> None:
    assert model.split_key(model.bot_key(team_id, namespace)) == (team_id, namespace)


@given(key=st.text(), shards=st.integers(1, 65536))
def test_a_shard_is_the_crc_of_the_key(key: str, shards: int) -> None:
    assert model.shard_of(key, shards) == zlib.crc32(key.encode()) % shards


def test_shards_are_about_equally_full() -> None:
    counts = [0] * 256
    for number in range(100_000):
        counts[model.shard_of(f"T{number:09d}", 256)] += 1
    assert min(counts) > 300
    assert max(counts) < 480


def test_the_states_and_transports_are_the_documented_ones() -> None:
    assert model.STATES == (
        "connecting",
        "connected",
        "disconnected",
        "rate_limited",
        "token_revoked",
        "stopped",
    )
    assert model.TRANSPORTS == ("rtm", "socket", "http")
