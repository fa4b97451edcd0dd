"""Which subscriptions an event matches, and which queue it goes to."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import example, given

from botfleet.model import Bot, Subscription
from botfleet.publishing.router import EVENT_QUEUES, Router, queue_for, scope_of
from botfleet.slack.address import addressed, first_word
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import Frame

ORIGIN = Origin.of(
    Bot(
        team_id="T1",
        sealed_token="plain:x",
        fingerprint="f",
        bot_user_id="U0",
        bot_id="B0",
        bot_name="pingbot",
    )
)


def wants(*types: str, **filters: Any) -> Subscription:
    return Subscription(task="t", types=types or ("message",), **filters)


def said(text: str = "hello", channel: str = "C1", user: str | None = "U1", **fields: Any) -> Frame:
    return Frame(type="message", channel=channel, user=user, text=text, ts="1.1", **fields)


def matches(subscription: Subscription, frame: Frame, origin: Origin = ORIGIN) -> bool:
    return Router([subscription]).match(origin, frame) == [subscription]


def test_nothing_matches_without_subscriptions() -> None:
    assert Router().match(ORIGIN, said()) == []


def test_type() -> None:
    assert matches(wants("message"), said())
    assert not matches(wants("team_join"), said())
    assert matches(wants("team_join", "message"), said())
    assert matches(wants("*"), said())
    assert matches(wants("*"), Frame(type="anything"))


def test_all_that_match_come_once_each_in_the_order_of_declaration() -> None:
    first, second, third = wants("*"), wants("message"), wants("*", "message", "message")
    assert Router([first, second, third]).match(ORIGIN, said()) == [first, second, third]
    assert Router([third, second, first]).match(ORIGIN, Frame(type="other")) == [third, first]


@pytest.mark.parametrize(
    ("subtypes", "subtype", "matched"),
    [
        (None, None, True),
        (None, "", True),
        (None, "message_changed", False),
        (None, "file_share", False),
        (("message_changed",), "message_changed", True),
        (("message_changed",), None, False),
        (("",), None, True),
        (("*",), "message_deleted", True),
        (("*",), None, True),
        ((), None, False),
    ],
)
def test_subtype(subtypes: tuple[str, ...] | None, subtype: str | None, matched: bool) -> None:
    assert matches(wants(subtypes=subtypes), said(subtype=subtype)) is matched


@pytest.mark.parametrize("subtype", [[], {}, 5])
def test_a_subtype_that_is_no_text_is_survived(subtype: object) -> None:
    Router([wants(), wants(subtypes=("x",))]).match(ORIGIN, said(subtype=subtype))


def test_other_events_have_any_subtype() -> None:
    assert matches(wants("channel_joined"), Frame(type="channel_joined", subtype="x"))


@pytest.mark.parametrize(
    ("channel", "kind", "scope"),
    [
        ("C1", None, "public"),
        ("C1", "channel", "public"),
        ("C1", "group", "private"),
        ("C1", "mpim", "private"),
        ("C1", "im", "dm"),
        ("G1", None, "private"),
        ("D1", None, "dm"),
        (None, None, "public"),
        ({"id": "D1"}, None, "dm"),
    ],
)
def test_scope(channel: object, kind: str | None, scope: str) -> None:
    frame = Frame(type="message", channel=channel, channel_type=kind)
    assert scope_of(frame) == scope
    for wanted in ("public", "private", "dm"):
        assert matches(wants(scopes=(wanted,)), frame) is (wanted == scope)
    assert matches(wants(scopes=("dm", "private", "public")), frame)


def test_what_the_bot_itself_said() -> None:
    for own in (
        said(user="U0"),
        said(user="U0", bot_id="B0"),
        said(user=None, bot_id="B0", subtype="bot_message"),
    ):
        assert not matches(wants(), own)
        assert not matches(wants(bots=True), own)
        assert matches(wants(own=True), own)


def test_what_other_bots_said() -> None:
    for other in (said(bot_id="B9"), said(user=None, bot_id="B9", subtype="bot_message")):
        assert not matches(wants(), other)
        assert not matches(wants(own=True), other)
        assert matches(wants(bots=True), other)


def test_a_bot_that_does_not_know_itself_hears_all() -> None:
    unknown = Origin.of(Bot(team_id="T1", sealed_token="plain:x", fingerprint="f"))
    assert matches(wants(), said(user=""), unknown)
    assert matches(wants(), said(user=None), unknown)


@pytest.mark.parametrize(
    ("text", "channel", "is_addressed"),
    [
        ("<@U0> hello", "C1", True),
        ("<@U0>: hello", "C1", True),
        ("pingbot hello", "C1", True),
        ("PingBot: hello", "C1", True),
        ("hello", "D1", True),
        ("hello", "C1", False),
        ("pingbots", "C1", False),
        ("<@U01> hello", "C1", False),
        ("hello <@U0>", "C1", False),
    ],
)
def test_addressed(text: str, channel: str, is_addressed: bool) -> None:
    assert matches(wants(addressed=True), said(text, channel)) is is_addressed


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("<@U0> ping", True),
        ("<@U0> PING me", True),
        ("<@U0> pings", False),
        ("<@U0>", False),
        ("ping", False),
    ],
)
def test_words(text: str, matched: bool) -> None:
    assert matches(wants(words=("ping", "pong")), said(text)) is matched


def test_aliases_address_the_bot_too() -> None:
    called = wants(addressed=True, aliases=("hilfsbot", ":robot_face:"))
    assert matches(called, said("Hilfsbot, ping"))
    assert matches(called, said(":robot_face: ping"))
    assert matches(called, said("pingbot ping"))
    assert not matches(wants(addressed=True), said("hilfsbot ping"))


def test_roles_may_differ_in_their_aliases() -> None:
    first, second = wants(words=("ping",), aliases=("a",)), wants(words=("ping",), aliases=("b",))
    assert Router([first, second, wants()]).match(ORIGIN, said("b ping")) == [second, wants()]


@pytest.mark.parametrize(
    ("text", "matched"), [("<@U0> ping", False), ("<@U0> pung", True), ("<@U0>", True), ("pung", False)]
)
def test_not_words(text: str, matched: bool) -> None:
    assert matches(wants(addressed=True, not_words=("ping", "pong")), said(text)) is matched
    assert matches(wants(not_words=("ping", "pong")), said(text)) is matched


def test_no_word_at_all_is_a_word() -> None:
    bare = wants(words=("",))
    assert matches(bare, said("<@U0>:  "))
    assert not matches(bare, said("<@U0> ping"))


@pytest.mark.parametrize(
    ("text", "matched"), [("=2+2", True), ("  = 2", True), ("HEY you", True), ("a=2", False), ("", False)]
)
def test_prefixes(text: str, matched: bool) -> None:
    assert matches(wants(prefixes=("=", "hey")), said(text)) is matched


@pytest.mark.parametrize(
    ("text", "matched"), [("a cup of TEA", True), ("STRASSE", True), ("coffee", False), ("", False)]
)
def test_contains(text: str, matched: bool) -> None:
    assert matches(wants(contains=("tea", "strasse")), said(text)) is matched


@pytest.mark.parametrize(
    ("text", "channel", "matched"),
    [
        ("thanks <@U0>!", "C1", True),
        ("pingbot thanks", "C1", True),
        ("tea", "D1", True),
        ("tea", "C1", False),
    ],
)
def test_mentioned(text: str, channel: str, matched: bool) -> None:
    assert matches(wants(mentioned=True), said(text, channel)) is matched


@pytest.mark.parametrize(
    ("attachments", "matched"),
    [
        (b'[{"text":"x"}]', True),
        (b"[]", False),
        (b"[ ]", False),
        (b"null", False),
        (b'"x"', False),
        (b"", False),
    ],
)
def test_attachments(attachments: bytes, matched: bool) -> None:
    frame = said(attachments=msgspec.Raw(attachments)) if attachments else said()
    assert matches(wants(attachments=True), frame) is matched


@pytest.mark.parametrize(
    ("reaction", "matched"),
    [("eyes", True), ("wave::skin-tone-3", True), ("eye", False), (None, False), ([], False)],
)
def test_reactions(reaction: Any, matched: bool) -> None:
    frame = Frame(type="reaction_added", reaction=reaction)
    assert matches(wants("reaction_added", reactions=("eyes", "wave")), frame) is matched


@pytest.mark.parametrize("text", [None, 5, [], {}])
def test_a_text_that_is_no_text_is_addressed_to_nobody(text: Any) -> None:
    assert not matches(wants(addressed=True), said(text, "D1"))
    assert not matches(wants(words=("ping",)), said(text, "D1"))
    for filters in ({"prefixes": ("a",)}, {"contains": ("a",)}, {"mentioned": True}, {"not_words": ("a",)}):
        assert not matches(wants(**filters), said(text, "D1"))


def test_one_bots_events_only() -> None:
    assert matches(wants(bot="T1"), said())
    assert not matches(wants(bot="T2"), said())
    assert not matches(wants("*", bot="T2"), Frame(type="x"))


@pytest.mark.parametrize(
    ("frame", "queue"),
    [
        (said(), "events.message.public"),
        (said(channel="G1"), "events.message.private"),
        (said(channel="D1"), "events.message.private"),
        (said(channel_type="group"), "events.message.private"),
        (Frame(type="team_join"), "events.team_join"),
        (Frame(type="member_joined_channel", channel="C1"), "events.member_joined_channel"),
        (Frame(type="reaction_added"), "events.other"),
        (Frame(type=""), "events.other"),
    ],
)
def test_queues(frame: Frame, queue: str) -> None:
    assert queue_for(frame) == queue
    assert queue in EVENT_QUEUES


TYPES = ["message", "team_join", "*", "hello"]
SUBTYPES = ["", "bot_message", "message_changed", "*"]
SUBSCRIPTIONS = st.builds(
    Subscription,
    task=st.sampled_from(["a", "b"]),
    types=st.lists(st.sampled_from(TYPES), min_size=1, max_size=3).map(tuple),
    subtypes=st.none() | st.lists(st.sampled_from(SUBTYPES), max_size=2).map(tuple),
    scopes=st.lists(st.sampled_from(["public", "private", "dm"]), max_size=2).map(tuple),
    addressed=st.booleans(),
    words=st.lists(st.sampled_from(["ping", "hi"]), max_size=2).map(tuple),
    not_words=st.lists(st.sampled_from(["ping", "hi"]), max_size=1).map(tuple),
    aliases=st.lists(st.sampled_from(["robo"]), max_size=1).map(tuple),
    prefixes=st.lists(st.sampled_from(["pi", "<@u"]), max_size=2).map(tuple),
    contains=st.lists(st.sampled_from(["hi", "ping"]), max_size=2).map(tuple),
    mentioned=st.booleans(),
    own=st.booleans(),
    bots=st.booleans(),
    bot=st.sampled_from(["", "", "T1", "T2"]),
)
FRAMES = st.builds(
    Frame,
    type=st.sampled_from(["message", "team_join", "hello", "other"]),
    subtype=st.sampled_from([None, None, *SUBTYPES]),
    channel=st.sampled_from([None, "C1", "D1", "G1"]),
    user=st.sampled_from([None, "U0", "U1"]),
    text=st.sampled_from(
        [None, "ping", "<@U0> ping", "pingbot: hi there", "<@U0>", "<@U1> ping", "hi", "Robo HI <@U0>"]
    ),
    bot_id=st.sampled_from([None, None, "B0", "B9"]),
    channel_type=st.sampled_from([None, "im", "group", "channel"]),
)


def naive(one: Subscription, frame: Frame) -> bool:
    """The rules of `Subscription`'s documentation, said plainly."""
    if one.bot not in ("", "T1") or not {"*", frame.type} & set(one.types):
        return False
    if one.scopes and scope_of(frame) not in one.scopes:
        return False
    text, is_dm = frame.text or "", scope_of(frame) == "dm"
    rest = addressed(text, "U0", "pingbot", is_dm, one.aliases) if frame.text is not None else None
    if one.addressed or one.words or one.not_words:
        if rest is None or (one.words and first_word(rest) not in one.words):
            return False
        if first_word(rest) in one.not_words:
            return False
    if one.prefixes and not text.lower().startswith(one.prefixes):
        return False
    if one.contains and not any(word in text.lower() for word in one.contains):
        return False
    if one.mentioned and rest is None and "<@U0>" not in text:
        return False
    return frame.type != "message" or naive_message(one, frame)


def naive_message(one: Subscription, frame: Frame) -> bool:
    subtype = frame.subtype or ""
    by_itself = frame.user_id == "U0" or frame.bot_id == "B0"
    by_another_bot = not by_itself and (frame.bot_id is not None or subtype == "bot_message")
    if (by_itself and not one.own) or (by_another_bot and not one.bots):
        return False
    if one.subtypes is not None:
        return "*" in one.subtypes or subtype in one.subtypes
    # A bot_message is an ordinary message of those who want bots at all.
    return subtype in ("", "bot_message")


@given(st.lists(SUBSCRIPTIONS, max_size=6), FRAMES)
@example([Subscription(task="a", types=("message", "*"))], said())
def test_it_is_the_naive_filter(subscriptions: list[Subscription], frame: Frame) -> None:
    expected = [one for one in subscriptions if naive(one, frame)]
    assert Router(subscriptions).match(ORIGIN, frame) == expected


def test_a_type_that_no_subscription_names_is_ignored() -> None:
    some = Router([Subscription(task="t", types=("message", "team_join"))])
    assert some.ignores(b"user_typing")
    assert not some.ignores(b"team_join")
    assert not Router([Subscription(task="t", types=("*",))]).ignores(b"user_typing")
    assert Router().ignores(b"message")
