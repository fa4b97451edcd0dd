"""The reference bot in tasks/, as its author would test it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from botfleet.testing import Fleet
from tasks.glossary import WORDS

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for path in sorted((ROOT / "tasks").glob("*.py")) if path.stem != "__init__"]


def test_it_answers(fleet: Fleet) -> None:
    fleet.say("#general", "@bot ping")
    assert fleet.replies == ["pong"]


def test_what_is_built_in(fleet: Fleet) -> None:
    fleet.dm("hi")
    assert len(fleet.replies) == 1
    fleet.dm("help")
    (helped,) = fleet.replies
    assert [word for word in ("ping", "define", "number", "stats") if word not in helped] == []


# The glossary


@pytest.mark.parametrize("text", ["define shard", "DEFINE  Shard?"])
def test_a_word_is_defined(fleet: Fleet, text: str) -> None:
    fleet.dm(text)
    assert fleet.replies == [f"*shard*: {WORDS['shard']}"]


@pytest.mark.parametrize(
    ("text", "part"),
    [("define shards", "*shard*?"), ("define quux", "sorry"), ("define", "bot, event, handler")],
)
def test_other_words(fleet: Fleet, text: str, part: str) -> None:
    fleet.say("#general", f"@bot {text}")
    (reply,) = fleet.replies
    assert part in reply


def test_the_words_can_be_found() -> None:
    assert [word for word in WORDS if word != word.casefold().strip() or word.endswith("?")] == []


# Who is new


def test_new_members_get_a_message(fleet: Fleet) -> None:
    fleet.join_team("erin")
    (message,) = fleet.messages
    assert message.channel == "@erin"
    assert message.text.startswith("Welcome!")


def test_who_joins_a_channel_sees_a_note(fleet: Fleet) -> None:
    fleet.join("#random", "bob")
    (message,) = fleet.messages
    assert (message.channel, message.ephemeral) == ("#random", True)
    assert "#random" in message.text


# Reactions


def test_a_bookmark_is_sent(fleet: Fleet) -> None:
    said = fleet.say("#general", "Worth remembering.")
    fleet.react(said, "bookmark", user="bob")
    (message,) = fleet.messages
    assert message.channel == "@bob"
    assert f"/{said.channel_id}/p{said.ts.replace('.', '')}" in message.raw
    fleet.react(said, "eyes")
    assert fleet.messages == []


def test_who_thanks_gets_a_smile(fleet: Fleet) -> None:
    said = fleet.say("#general", "@bot Thanks a lot")
    assert [(one.name, one.ts) for one in fleet.reactions] == [("blush", said.ts)]
    assert fleet.replies == []
    fleet.say("#general", "Thanks, @bob")
    assert fleet.reactions == []


# The line


def test_a_line_is_kept_for_each_channel(fleet: Fleet) -> None:
    asked = [("#general", "next"), ("#general", "number"), ("#general", "number"), ("#random", "number")]
    said = []
    for channel, word in [*asked, *[("#general", "next")] * 3]:
        fleet.say(channel, f"@bot {word}")
        said += fleet.replies
    assert said == [
        "Nobody is waiting.",
        "@alice, you are number 1.",
        "@alice, you are number 2.",
        "@alice, you are number 1.",
        "Number 1, please!",
        "Number 2, please!",
        "Nobody is waiting.",
    ]


# Statistics


def heard(fleet: Fleet) -> int:
    fleet.dm("stats")
    (reply,) = fleet.replies
    return next(int(word) for word in reply.split() if word.isdigit())


def test_messages_are_counted_by_team_and_day(fleet: Fleet) -> None:
    before = heard(fleet)
    fleet.say("#general", "one")
    fleet.say("#random", "two", user="bob")
    fleet.team("Globex").say("#general", "three")
    # Asking is a message as well.
    assert heard(fleet) - before == 3
    fleet.run_timer("midnight")
    assert heard(fleet) <= 1


# What it is an example of


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_fits_on_a_screen(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < 35
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_is_shown(path: Path) -> None:
    page = (ROOT / "docs/reference-bot.md").read_text()
    assert f"```python\n# tasks/{path.name}\n{path.read_text()}```\n" in page
