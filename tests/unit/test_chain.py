"""Commands, operators and patterns: which of them is run, and what it finds."""

from __future__ import annotations

import functools
import logging
import re
from operator import attrgetter
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from botfleet import (
    Client,
    Commands,
    Event,
    Match,
    attachment,
    command,
    contains,
    match,
    on,
    operator,
    prefix,
    reaction,
    scan,
)
from botfleet.handlers import Handler
from botfleet.handlers.running.chain import rivals_of
from botfleet.handlers.running.counters import slow_counter

from .bots import envelope
from .talking import Talk

DM = "D1"


@command("deploy", "Ship  it")
def deploy(client: Client, match: Match) -> None:
    client.reply(f"{match.command}|{match.expression}")


@command(re.compile(r"(?P<what>roll|throw)(s)?"))
def roll(client: Client, match: Match) -> None:
    client.reply(f"{match.command}|{match['what']}|{match[2]}|{match.expression}")


@operator("=", "calc:")
def reckon(client: Client, match: Match) -> None:
    client.reply(f"{match.command}|{match.expression}")


@match(r"weather in (?P<place>\w+)(?: on (?P<day>\w+))?")
def weather(client: Client, match: Match) -> None:
    client.reply(f"{match['place']}|{match['day']}|{match.groups}")


@scan(r"[A-Z]+-\d+")
def tickets(client: Client, match: Match) -> None:
    client.reply("|".join(match.finds))


@attachment(r"build (?P<number>\d+)", bots=True)
def build(client: Client, match: Match) -> None:
    assert match.attachment is not None
    client.reply(f"{match['number']}|{match.attachment['ci']}")


CHAIN = (deploy, roll, reckon, weather, tickets, build)


@pytest.fixture(scope="module")
def talk() -> Talk:
    return Talk(*CHAIN, aliases=(":robot_face:", "Bötchen"))


@pytest.mark.parametrize(
    ("text", "channel", "said"),
    [
        ("<@U0> deploy", "C1", ["deploy|"]),
        ("<@U0>: DEPLOY \t main\n  and more ", "C1", ["deploy|main\n  and more"]),
        ("pingbot, ship   IT now", "C1", ["Ship it|now"]),
        (":robot_face: deploy", "C1", ["deploy|"]),
        ("bötchen: deploy x", "C1", ["deploy|x"]),
        ("deploy x", DM, ["deploy|x"]),
        ("pingbot deploy x", DM, ["deploy|x"]),
        ("deploy x", "C1", []),
        ("<@U0> deploys", "C1", []),
        ("<@U0> ship", "C1", []),
        ("pingbot Rolls 3 dice", "C1", ["Rolls|Roll|s|3 dice"]),
        ("throw", DM, ["throw|throw|None|"]),
        ("<@U0> rolling", "C1", []),
        ("=2+2", "C1", ["=|2+2"]),
        ("  = 2 + 2", "C1", ["=|2 + 2"]),
        ("Calc: 7", DM, ["calc:|7"]),
        ("a=2", "C1", []),
        ("what is the weather in Rome?", "C1", ["Rome|None|('Rome', None)"]),
        ("weather in Rome on Monday", "C1", ["Rome|Monday|('Rome', 'Monday')"]),
        ("look at AB-1 and CD-22", "C1", ["AB-1|CD-22"]),
        ("nothing of all this", "C1", []),
        ("", "C1", []),
    ],
)
def test_what_people_say(talk: Talk, text: str, channel: str, said: list[str]) -> None:
    assert talk.say(text, channel) == said


def test_an_alias_may_be_the_beginning_of_the_name() -> None:
    talk = Talk(deploy, aliases=("ping",))
    talk.context.store.change_bot("T1", lambda bot: msgspec.structs.replace(bot, bot_name="ping bot"))
    assert talk.say("ping bot: deploy x") == ["deploy|x"]
    assert talk.say("ping, deploy x") == ["deploy|x"]


def test_the_first_that_matches_is_run_and_no_other(talk: Talk) -> None:
    assert talk.published("<@U0> deploy weather in AB-1") == {"deploy", "roll", "weather", "tickets"}
    assert talk.say("<@U0> deploy weather in AB-1") == ["deploy|weather in AB-1"]
    assert talk.say("weather in Rome AB-1") == ["Rome|None|('Rome', None)"]
    assert Talk(tickets, weather).say("weather in Rome AB-1") == ["AB-1"]


def test_listeners_run_whatever_the_chain_does() -> None:
    @on("message")
    def heard(client: Client) -> None:
        client.reply("heard")

    @contains("ping")
    def held(client: Client) -> None:
        client.reply("held")

    @command("ping")
    def ping(client: Client) -> None:
        client.reply("pong")

    @match("ping")
    def never(client: Client) -> None:
        client.reply("never")

    assert sorted(Talk(heard, held, ping, never).say("<@U0> ping")) == ["heard", "held", "pong"]


def test_commands_of_different_words_need_not_look_at_each_other() -> None:
    @command("ship up")
    def up() -> None: ...

    @command("roll")
    def plain_roll() -> None: ...

    handlers = (deploy, plain_roll, up)
    assert [len(rivals_of(one, handlers)) for one in handlers] == [0, 0, 1]


def test_one_that_does_not_hear_an_event_does_not_take_it() -> None:
    @command("ping")
    def people(client: Client) -> None:
        client.reply("people")

    @command("ping", bots=True)
    def bots(client: Client) -> None:
        client.reply("bots")

    @command("ping", scope="dm")
    def direct(client: Client) -> None:
        client.reply("direct")

    talk = Talk(direct, people, bots)
    assert talk.say("<@U0> ping") == ["people"]
    assert talk.say("<@U0> ping", DM) == ["direct"]
    assert talk.say("<@U0> ping", bot_id="B9") == ["bots"]
    assert talk.say("<@U0> ping", user="U0") == []


def test_where_decides_who_is_the_first() -> None:
    @command("ping", where=lambda event: event.user == "U7")
    def one(client: Client) -> None:
        client.reply("one")

    @command(
        "ping",
        where=(attrgetter("is_dm"), lambda e: e.is_dm, lambda client, event: client.id == event.team_id),
    )
    def two(client: Client) -> None:
        client.reply("two")

    @command("ping")
    def three(client: Client) -> None:
        client.reply("three")

    talk = Talk(one, two, three)
    assert talk.say("<@U0> ping", user="U7") == ["one"]
    assert talk.say("<@U0> ping", DM) == ["two"]
    assert talk.say("<@U0> ping") == ["three"]


def test_a_predicate_that_fails_hinders_its_own_handler_only() -> None:
    def fails(event: Event) -> bool:
        raise RuntimeError("broken")

    @command("ping", where=fails, autoretry_for=())
    def first() -> None:
        raise AssertionError

    @command("ping")
    def second(client: Client) -> None:
        client.reply("pong")

    talk = Talk(first, second)
    task = talk.app.tasks[first.name]
    assert isinstance(task.apply(args=[envelope()]).result, RuntimeError)
    talk.app.tasks[second.name].apply(args=[envelope()]).get()
    with pytest.raises(RuntimeError, match="broken"):
        talk.say("<@U0> ping")


@pytest.mark.parametrize("user", ["U1", "U9"])
def test_who_is_not_permitted_gets_nothing_from_this_or_from_later_ones(user: str) -> None:
    @command("ping", permitted=(lambda event: event.user == "U1", lambda match: match.expression == "x"))
    def first(client: Client) -> None:
        client.reply("pong")

    @match("ping")
    def second(client: Client) -> None:
        client.reply("never")

    talk = Talk(first, second, builtins=["unknown"])
    assert talk.say("<@U0> ping x", user=user) == (["pong"] if user == "U1" else [])
    assert talk.say("<@U0> ping y", user=user) == []


def test_listeners_may_have_conditions_too() -> None:
    @on("message", where=lambda event: "a" in event.text, permitted=lambda event: "b" in event.text)
    def heard(client: Client) -> None:
        client.reply("heard")

    talk = Talk(heard)
    assert [talk.say(text) for text in ("a", "b", "a b")] == [[], [], ["heard"]]


TEXTS = [
    "<@U0> deploy main",
    "<@U0> ship it AB-1",
    "pingbot deploy weather in Rome",
    "deploy",
    "=deploy AB-1",
    "calc: weather in Rome",
    "pingbot roll AB-1",
    "<@U0> throws",
    "weather in AB-1",
    "nothing",
]


@functools.cache
def alone(number: int, text: str, channel: str) -> tuple[str, ...]:
    """What a handler answers that has no other beside it."""
    return tuple(Talk(CHAIN[number]).say(text, channel))


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(len(CHAIN))), st.sampled_from(TEXTS), st.sampled_from(["C1", DM]))
def test_it_is_always_the_first_that_would_answer_alone(order: list[int], text: str, channel: str) -> None:
    answers = [alone(number, text, channel) for number in order]
    expected = next((list(answer) for answer in answers if answer), [])
    assert Talk(*(CHAIN[number] for number in order)).say(text, channel) == expected


# Attachments


def attached(*attachments: Any, **fields: Any) -> dict[str, Any]:
    return {"attachments": list(attachments), **fields}


@pytest.mark.parametrize("place", ["pretext", "title", "text"])
def test_attachments(talk: Talk, place: str) -> None:
    good = {place: "build 7 failed", "ci": "ci"}
    assert talk.say("", **attached({"text": "x"}, good, bot_id="B9", subtype="bot_message")) == ["7|ci"]
    assert talk.say("", **attached({"footer": "build 7 failed"}, "build 7", bot_id="B9")) == []
    assert talk.say("build 7") == []


def test_attachments_of_bots_are_for_those_who_ask() -> None:
    @attachment("x", fields="footer")
    def found(client: Client) -> None:
        client.reply("found")

    talk = Talk(found)
    assert talk.say("", **attached({"footer": "x"})) == ["found"]
    assert talk.say("", **attached({"footer": "x"}, bot_id="B9")) == []


# Patterns that take too long


@pytest.mark.parametrize("declare", [match, scan, lambda pattern: command(re.compile(pattern))])
def test_a_pattern_that_takes_too_long_is_no_match(declare: Any, caplog: pytest.LogCaptureFixture) -> None:
    @declare(r"(?:a|aa)+$")
    def slow(client: Client) -> None:
        client.reply("never")

    @match("b")
    def quick(client: Client) -> None:
        client.reply("quick")

    talk = Talk(slow, quick)
    with caplog.at_level(logging.INFO):
        assert talk.say("<@U0> " + "a" * 200 + "b secret") == ["quick"]
    (record,) = [one for one in caplog.records if getattr(one, "action", "") == "pattern_slow"]
    assert slow.name in record.getMessage()
    assert "Ev1" in record.getMessage()
    assert "aaaaaaaa" not in caplog.text
    assert "secret" not in caplog.text
    assert talk.context.store.advance(slow_counter(slow.name), 0) == 1


# Options


def test_a_command_reads_its_options() -> None:
    seen: list[Match] = []

    @command("deploy", options={"env": str, "force": bool})
    def with_options(match: Match) -> None:
        seen.append(match)

    talk = Talk(with_options)
    assert talk.say("<@U0> deploy “new main” --env=prod --force") == []
    assert (seen[0].options, seen[0].arguments) == ({"env": "prod", "force": True}, ("new main",))
    assert talk.say('<@U0> deploy "x') == ["A quote is not closed."]
    (answer,) = talk.say("<@U0> deploy --secret 1")
    assert "--env" in answer
    assert "secret" not in answer
    assert len(seen) == 1


# Listeners


def test_words_in_a_text() -> None:
    @contains("coffee", "Käse Brot")
    def found(client: Client, match: Match) -> None:
        client.reply(match.command)

    talk = Talk(found)
    assert talk.say("any COFFEES?") == ["coffee"]
    assert talk.say("KÄSE BROT") == ["Käse Brot"]
    assert talk.say("tea") == []


@pytest.mark.parametrize(
    ("text", "channel", "said"),
    [
        ("thanks <@U0>!", "C1", ["yw"]),
        ("pingbot thanks", "C1", ["yw"]),
        ("robo: thanks", "C1", ["yw"]),
        ("thanks", DM, ["yw"]),
        ("thanks", "C1", []),
        ("thanks <@U9>", "C1", []),
    ],
)
def test_words_that_are_meant_for_the_bot(text: str, channel: str, said: list[str]) -> None:
    @contains("thanks", mentioned=True)
    def thanks(client: Client) -> None:
        client.reply("yw")

    assert Talk(thanks, aliases=("robo",)).say(text, channel) == said


def test_one_in_so_many() -> None:
    chosen: list[str] = []

    @contains("coffee", one_in=4)
    def found(event: Event) -> None:
        chosen.append(event.id)

    talk = Talk(found)
    ids = [f"T1:C1:message:170000{number}.0001" for number in range(200)]
    for event_id in ids:
        talk.happen(envelope("coffee", id=event_id))
    assert 25 < len(chosen) < 75
    first, chosen[:] = list(chosen), []
    for event_id in ids:
        talk.happen(envelope("coffee", id=event_id))
    assert chosen == first, "another try decides alike"


def test_prefixes() -> None:
    @prefix("Good morning", "good")
    def morning(client: Client, match: Match) -> None:
        client.reply(f"{match.command}|{match.expression}")

    @prefix(" hey ")
    def hey(client: Client, match: Match) -> None:
        client.reply(f"{match.command}|{match.expression}")

    talk = Talk(morning)
    assert talk.say(" GOOD MORNING all") == ["Good morning|all"]
    assert talk.say("good grief") == ["good|grief"]
    assert Talk(hey).say("hey you") == ["hey |you"]
    assert Talk(hey).say("heyday") == []
    assert talk.say("a good morning") == []


def test_reactions() -> None:
    @reaction(":eyes:", "+1")
    def added(client: Client, match: Match) -> None:
        client.message("C1", f"added {match.command}")

    @reaction("eyes", removed=True)
    def removed(client: Client) -> None:
        client.message("C1", "removed")

    talk = Talk(added, removed)
    reacted = {"type": "reaction_added", "user": "U1"}
    assert talk.happen(envelope(**reacted, reaction="eyes")) == ["added eyes"]
    assert talk.happen(envelope(**reacted, reaction="+1::skin-tone-2")) == ["added +1"]
    assert talk.happen(envelope(**reacted, reaction="tada")) == []
    assert talk.happen(envelope(type="reaction_removed", reaction="eyes")) == ["removed"]


# Classes


class Deploys(Commands):
    """Deploys things."""

    def permitted(self) -> bool:
        return self.event.user != "U9"

    @command("deploy", options=True)
    def deploy(self) -> None:
        """Deploys a branch."""
        self.reply(f"{self.match.command} {self.match.expression} {self.match.options}")
        self.history("again")

    @command("history")
    def history(self, text: str = "now") -> None:
        self.client.reply(f"history {text}")

    def on_reaction_added(self, data: Event) -> None:
        self.message("C1", "reacted")

    @match("deploy")
    def other(self, event: Event, match: Match) -> None:
        self.reply(f"other {event.text}")


def test_a_class_of_commands() -> None:
    talk = Talk(Deploys)
    names = [handler.name.removeprefix(f"{__name__}.") for handler in talk.handlers]
    assert names == [
        f"Deploys.{name}" for name in ("deploy", "history", "on_reaction_added", "other", "listener")
    ]
    assert talk.say("<@U0> deploy x --a 1") == ["deploy x --a 1 {'a': '1'}", "history again"]
    assert talk.say("<@U0> history") == ["history now"]
    assert talk.say("please deploy") == ["other please deploy"]
    assert talk.happen(envelope(type="reaction_added")) == ["reacted"]


def test_a_class_may_refuse_its_user() -> None:
    talk = Talk(Deploys)
    for text in ("<@U0> deploy x", "<@U0> history", "please deploy"):
        assert talk.say(text, user="U9") == []
    assert talk.happen(envelope(type="reaction_added", user="U9")) == []


def test_a_class_inherits_its_commands() -> None:
    class More(Deploys):
        @command("history")
        def history(self, text: str = "now") -> None:
            self.reply("mine")

    assert Talk(More).say("<@U0> history") == ["mine"]
    assert isinstance(More.history, Handler)


# Holders of the release before


@pytest.mark.parametrize(
    ("declare", "event"),
    [
        (contains("tea"), envelope("coffee")),
        (contains("tea", mentioned=True), envelope("tea")),
        (prefix("tea"), envelope("a tea")),
        (operator("="), envelope("2 = 2")),
        (reaction("eyes"), envelope(type="reaction_added", reaction="tada")),
        (attachment("x"), envelope("x")),
        (command("tea"), envelope("tea")),
    ],
)
def test_what_a_holder_sends_that_knows_fewer_filters_is_passed_over(
    declare: Any, event: dict[str, Any]
) -> None:
    @declare
    def handler() -> None:
        raise AssertionError

    Talk(handler).app.tasks[handler.name].apply(args=[event]).get()
