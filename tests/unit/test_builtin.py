"""The answers that every bot has, and help."""

from __future__ import annotations

import re

import pytest

from botfleet import Client, Commands, __version__, command, contains, match, on, operator
from botfleet.handlers import Handler, Loaded
from botfleet.handlers.builtin.answers import with_builtins
from botfleet.settings import BUILTINS

from .bots import envelope
from .talking import Talk

SORRY = "Sorry <@U1>, I don't know that command. Say `help` to see what I can do."
DM = "D1"


@command("deploy", "ship it")
def deploy(client: Client) -> None:
    """Deploys a <branch>.

    Say `deploy main` & wait.
    """
    client.reply("deployed")


@command("secret", hidden=True)
def secret(client: Client) -> None:
    """Is not told of."""
    client.reply("hush")


@operator("=", help="Reckons: `=2+2`.")
def reckon(client: Client) -> None:
    """Not this."""


@match("weather", help="Ask me for the weather.")
def weather(client: Client) -> None: ...


@match("silent")
def silent(client: Client) -> None:
    """A pattern's docstring is for programmers."""


@command("bare")
def bare(client: Client) -> None: ...


@pytest.fixture(scope="module")
def talk() -> Talk:
    return Talk(deploy, secret, reckon, weather, silent, bare, builtins=BUILTINS, aliases=("robo",))


def test_help_lists_what_there_is(talk: Talk) -> None:
    assert talk.say("<@U0> help") == [
        "• `deploy`, `ship it`: Deploys a &lt;branch&gt;.\n"
        "• `=`: Reckons: `=2+2`.\n"
        "• Ask me for the weather.\n"
        "• `bare`\n"
        "• `hi`, `hello`: Greets you.\n"
        "• `about`: Says who I am.\n"
        "• `help`: Says what I can do. With the name of a command, what that does.\n"
        "Say `help` and the name of a command to read more about it."
    ]


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("deploy", "`deploy`, `ship it`\nDeploys a &lt;branch&gt;.\n\nSay `deploy main` &amp; wait."),
        ("  SHIP   it", "`deploy`, `ship it`\nDeploys a &lt;branch&gt;.\n\nSay `deploy main` &amp; wait."),
        ("`deploy`", "`deploy`, `ship it`\nDeploys a &lt;branch&gt;.\n\nSay `deploy main` &amp; wait."),
        ("=", "`=`\nReckons: `=2+2`."),
        ("bare", "`bare`\nThere is nothing more to say about it."),
        ("secret", "I have no command of that name. Say `help` to see what I can do."),
        ("deploy main", "I have no command of that name. Say `help` to see what I can do."),
        ("<!channel>", "I have no command of that name. Say `help` to see what I can do."),
    ],
)
def test_help_about_one(talk: Talk, topic: str, says: str) -> None:
    assert talk.say(f"<@U0> help {topic}") == [says]


def test_help_in_groups() -> None:
    class Pets(Commands):
        @command("feed")
        def feed(self) -> None:
            """Feeds the cat."""

        @command("walk")
        def walk(self) -> None:
            """Walks the dog."""

        @match("cow")
        def cow(self) -> None:
            """Not told of."""

    (answer,) = Talk(deploy, Pets, builtins=["help"]).say("<@U0> help")
    assert answer.splitlines()[:6] == [
        "*Test builtin*",
        "• `deploy`, `ship it`: Deploys a &lt;branch&gt;.",
        "*Pets*",
        "• `feed`: Feeds the cat.",
        "• `walk`: Walks the dog.",
        "*General*",
    ]
    assert Talk(Pets, builtins=["help"]).say("<@U0> help walk") == ["`walk`\nWalks the dog."]


@pytest.mark.parametrize(
    ("text", "channel", "answer"),
    [
        ("<@U0> hi", "C1", "Hi <@U1>! Say `help` to see what I can do."),
        ("Hello", DM, "Hi <@U1>! Say `help` to see what I can do."),
        ("pingbot: about", "C1", f"I am <@U0>, a bot that runs on botfleet {__version__}."),
        ("<@U0>", "C1", f"I am <@U0>, a bot that runs on botfleet {__version__}."),
        ("pingbot", "C1", f"I am <@U0>, a bot that runs on botfleet {__version__}."),
        ("robo:", DM, f"I am <@U0>, a bot that runs on botfleet {__version__}."),
        ("<@U0> what?", "C1", SORRY),
        ("pingbot what?", "C1", SORRY),
        ("what?", DM, SORRY),
        ("<@U0> ship", "C1", SORRY),
        ("<@U0> deploys", "C1", SORRY),
        ("<@U0> deploy", "C1", "deployed"),
        ("<@U0> secret", "C1", "hush"),
    ],
)
def test_one_answer_each(talk: Talk, text: str, channel: str, answer: str) -> None:
    (said,) = talk.say(text, channel)
    assert said.startswith(answer)


@pytest.mark.parametrize(
    ("text", "channel", "fields"),
    [
        ("what?", "C1", {}),
        ("thanks <@U0>", "C1", {}),
        ("", DM, {}),
        ("what?", DM, {"bot_id": "B9"}),
        ("what?", DM, {"user": "U0"}),
        ("<@U0> what?", "C1", {"subtype": "message_changed"}),
    ],
)
def test_what_is_not_for_the_bot_is_not_answered(
    talk: Talk, text: str, channel: str, fields: dict[str, str]
) -> None:
    assert talk.say(text, channel, **fields) == []


def test_holders_do_not_ask_who_does_not_know_about_what_is_known(talk: Talk) -> None:
    assert talk.published("<@U0> deploy") == {"deploy"} | {"weather", "silent"}
    assert "unknown" in talk.published("<@U0> ship")


def test_a_pattern_that_takes_all_leaves_nothing_unknown() -> None:
    @command(re.compile(".*"))
    def everything(client: Client) -> None:
        client.reply("I take all")

    assert Talk(everything, builtins=BUILTINS).say("<@U0> what?") == ["I take all"]


@pytest.mark.parametrize("words", [("hi",), ("HELLO", "hey")])
def test_an_author_replaces_what_has_the_same_word(words: tuple[str, ...]) -> None:
    @command(*words)
    def mine(client: Client) -> None:
        client.reply("mine")

    talk = Talk(mine, builtins=BUILTINS)
    assert talk.say(f"<@U0> {words[0]}") == ["mine"]
    names = [one.name for one in talk.handlers]
    assert names == [mine.name, *(f"botfleet.builtin.{name}" for name in ("about", "help", "unknown"))]


def test_each_can_be_left_out() -> None:
    def names(*builtins: str, handlers: tuple[Handler[..., object], ...] = ()) -> list[str]:
        found = with_builtins(Loaded((), handlers), builtins).handlers
        return [one.name.removeprefix("botfleet.builtin.") for one in found]

    assert names() == []
    assert names("unknown", "hi") == ["hi", "unknown"]
    assert Talk(builtins=["hi"]).say("<@U0> hi") == ["Hi <@U1>!"]


def test_another_roles_commands_are_known() -> None:
    @command("stats")
    def stats(client: Client) -> None:
        client.reply("statistics")

    @on("message", scope="dm")
    def chat(client: Client) -> None:
        client.reply("chat")

    talk = Talk(deploy, builtins=BUILTINS)
    assert talk.say("<@U0> stats") == [SORRY]
    other = Talk(stats, chat, context=talk.context, role="analytics")
    assert talk.say("<@U0> stats") == []
    assert other.say("<@U0> stats") == ["statistics"]
    assert talk.say("<@U0> what?") == [SORRY]
    assert talk.say("what?", DM) == []


def test_who_listens_to_all_that_is_said_to_the_bot_knows_all() -> None:
    @on("message", mentioned=True)
    def chat(client: Client) -> None:
        client.reply("chat")

    @on("message")
    def archive() -> None: ...

    assert Talk(archive, builtins=BUILTINS).say("<@U0> what?") == [SORRY]

    @contains("thanks", mentioned=True)
    def thanks(client: Client) -> None:
        client.reply("yw")

    assert Talk(archive, chat, builtins=BUILTINS).say("<@U0> what?") == ["chat"]
    assert Talk(archive, thanks, builtins=BUILTINS).say("<@U0> thanks") == ["yw"]
    assert Talk(archive, thanks, builtins=BUILTINS).say("<@U0> what?") == [SORRY]


def test_old_questions_are_not_answered(talk: Talk) -> None:
    assert talk.happen({**envelope("<@U0> what?"), "received_at": 0.0}) == []
