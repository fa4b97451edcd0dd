"""The sandbox's pure parts, without a process."""

from __future__ import annotations

import ast
import json
import math
import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import botfleet.sandbox
from botfleet.sandbox import storage
from botfleet.sandbox.faults import Refusal, TeamFaults
from botfleet.sandbox.fields import Fields, Refused
from botfleet.sandbox.hub import encode
from botfleet.sandbox.limits import Bucket, Limit, MethodLimits
from botfleet.sandbox.model import HISTORY, World, history, microseconds, timestamp
from botfleet.sandbox.outgoing import for_http
from botfleet.sandbox.records import Log


def test_it_imports_only_the_standard_library_and_tornado() -> None:
    allowed = sys.stdlib_module_names | {"tornado"}
    for path in Path(botfleet.sandbox.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path
                names = [node.module or ""] if node.level == 0 else []
            assert {name.split(".")[0] for name in names} <= allowed, path


@given(st.lists(st.floats(min_value=1e9, max_value=2e9), min_size=1, max_size=20))
def test_ts_grows_in_a_channel_whatever_the_clock_does(times: list[float]) -> None:
    clock = iter(times)
    world = World(clock=lambda: next(clock))
    channel = world.add_team().channel_named("general")
    assert channel is not None
    stamps = [world.next_ts(channel) for _ in times]
    assert stamps == sorted(stamps, key=microseconds)
    assert len(set(stamps)) == len(stamps)


@given(st.integers(min_value=0, max_value=1 << 60))
def test_timestamps_survive_being_written(micros: int) -> None:
    assert microseconds(timestamp(micros)) == micros


def test_the_same_arguments_make_the_same_world() -> None:
    one, two = World(), World()
    for world in (one, two):
        world.add_team()
        world.add_team("Mine")
        world.install(world.teams["T00000002"])
    assert list(one.tokens) == list(two.tokens)
    assert "xoxb-sandbox-T00000002-2" in one.tokens
    assert one.teams["T00000002"].channels.keys() == two.teams["T00000002"].channels.keys()


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("@botfleet", "<@U00001000>"),
        ("@Botfleet: hi, @alice.", "<@U00001000>: hi, <@U00001001>."),
        ("me@alice @nobody <@U00001000>", "me@alice @nobody <@U00001000>"),
        ("see #general, #nowhere a#random", "see <#C00001001|general>, #nowhere a#random"),
    ],
)
def test_mentions(said: str, heard: str) -> None:
    assert World().add_team().mentions(said) == heard


def test_a_channel_forgets_its_oldest_messages() -> None:
    world = World()
    team = world.add_team()
    channel, user = next(iter(team.channels.values())), next(team.humans)
    for number in range(HISTORY + HISTORY // 5):
        world.post(team, channel, user, str(number))
    assert HISTORY <= len(channel.messages) <= HISTORY * 1.1
    assert next(history(channel, 0, 1 << 62)).text == str(HISTORY + HISTORY // 5 - 1)


@given(st.integers(1, 20), st.floats(1, 600), st.lists(st.floats(0, 100), max_size=50))
def test_a_bucket_never_gives_more_than_its_rate(burst: int, per_minute: float, pauses: list[float]) -> None:
    bucket = Bucket(Limit(per_minute, burst), 0.0)
    now, passed = 0.0, 0
    for pause in pauses:
        now += pause
        wait = bucket.take(now)
        passed += not wait
        assert passed <= burst + now * per_minute / 60 + 1e-6
        assert wait <= 60 / per_minute + 1e-9


def test_limits_count_by_method_team_and_for_posts_by_channel() -> None:
    limits = MethodLimits()
    assert [limits.retry_after("rtm.connect", "T1", "", 0.0) for _ in range(4)] == [0, 0, 0, 60]
    assert limits.retry_after("rtm.connect", "T2", "", 0.0) == 0
    assert limits.retry_after("rtm.connect", "T1", "", 60.0) == 0
    assert [limits.retry_after("chat.postMessage", "T1", "C1", 0.0) for _ in range(6)] == [0] * 5 + [1]
    assert limits.retry_after("chat.postMessage", "T1", "C2", 0.0) == 0
    assert limits.retry_after("api.test", "T1", "", 0.0) == 0


def test_refusals_are_used_up_by_their_method() -> None:
    faults = TeamFaults(refusals=[Refusal("one", 1, "auth.test"), Refusal("two", 2)])
    taken = [faults.take_refusal(method) for method in ("x", "auth.test", "auth.test", "x")]
    assert [refusal.error if refusal else None for refusal in taken] == ["two", "one", "two", None]


@given(st.text(max_size=70_000 // 4) | st.just("x" * 70_000))
def test_frames_say_their_length(text: str) -> None:
    frame = encode(text)
    payload = text.encode()
    assert frame[0] == 0x81
    assert frame.endswith(payload)
    short = frame[1]
    header, written = {126: (4, "!H"), 127: (10, "!Q")}.get(short, (2, "!B"))
    start = 1 if short < 126 else 2
    assert struct.unpack(written, frame[start:header])[0] == len(payload) == len(frame) - header


def test_a_log_keeps_the_last_and_numbers_on() -> None:
    log = Log(3)
    for number in range(1, 8):
        assert log.add({"n": number}) == number
    assert [record["n"] for record in log.after(5)] == [6, 7]
    assert [record["n"] for record in log.after(0)][-3:] == [5, 6, 7]
    assert list(log.after(99)) == []


def test_state_survives_saving(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    world = World()
    team = world.add_team("Mine")
    world.install(team).error = "token_revoked"
    fault = world.install(team)
    fault.error, fault.by_fault = "account_inactive", True
    world.add_user(team, "dave")
    storage.save(world, path)
    again = World()
    storage.load(again, path)
    mine = again.teams[team.id]
    assert [token.error for token in mine.tokens] == [None, "token_revoked", None]
    assert [user.name for user in mine.humans] == ["alice", "bob", "carol", "dave"]


def test_the_state_file_keeps_installations_and_how_they_hear(tmp_path: Path) -> None:
    world, path = World(), tmp_path / "state.json"
    world.app.change({"app_id": "AMINE", "events_url": "http://app.invalid/"})
    other = world.add_app()
    enterprise = world.add_enterprise("Umbrella")
    team = world.add_team("North", enterprise=enterprise)
    world.install(team, "http", other, ("chat:write",))
    world.install_everywhere(enterprise).error = "token_revoked"
    storage.save(world, path)
    again = World()
    storage.load(again, path)
    (kept,) = again.teams.values()
    assert [(token.value, token.app, token.transport, token.scopes) for token in kept.good_for] == [
        (token.value, token.app, token.transport, token.scopes) for token in team.good_for
    ]
    assert (kept.bot.id, kept.bot_id) == (team.bot.id, team.bot_id)
    assert kept.good_for[-1].error == "token_revoked"
    assert again.apps == world.apps


def test_events_of_sockets_become_events_of_the_events_api() -> None:
    team = World().add_team()
    plain = {
        "type": "message",
        "channel": "C1",
        "channel_type": "channel",
        "user": "U1",
        "text": "hi",
        "ts": "1.1",
    }
    named = plain | {"text": f"hi <@{team.bot.id}>"}
    assert for_http(plain, team) == [plain]
    assert [event["type"] for event in for_http(named, team)] == ["message", "app_mention"]
    for other in ({"channel_type": "im"}, {"user": team.bot.id}, {"subtype": "message_changed"}):
        assert for_http(named | other, team) == [named | other]
    assert for_http({"type": "user_typing"}, team) == []


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"version": 1}',
        '{"version": 1, "teams": [{}]}',
        "\x00",
        '{"version": 1, "apps": [1], "teams": []}',
    ],
)
def test_a_damaged_state_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(storage.StateFileError, match="state file"):
        storage.load(World(), path)


@pytest.mark.parametrize("value", [True, "1", 1.5, -1, 11, math.inf, math.nan, [], {}])
def test_a_whole_number_is_one(value: object) -> None:
    with pytest.raises(Refused, match=r"n is .*: expected a whole number from 0 to 10"):
        Fields({"n": value}).integer("n", 0, 0, 10)


def test_a_query_is_text_and_read_as_what_it_means() -> None:
    fields = Fields({"n": "3", "yes": "true", "s": "0.5"}, textual=True)
    assert (fields.integer("n", 0, 0, 10), fields.flag("yes"), fields.seconds("s", 0.0)) == (3, True, 0.5)
    fields.end()
    assert json.dumps(fields.text("missing", None)) == "null"
