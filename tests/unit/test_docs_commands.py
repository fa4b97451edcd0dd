"""The conversations in docs/commands.md, held with the examples above them."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from botfleet.handlers import Commands, Handler, Hook
from botfleet.settings import BUILTINS

from .talking import Talk

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$\n*(?:^```chat\n(.*?)^```$)?", PAGE.read_text(), re.M | re.S)


def talk_to(source: str) -> Talk:
    module = ModuleType("tasks.example")
    exec(source, vars(module))
    values = list(vars(module).values())
    classes = [
        one for one in values if isinstance(one, type) and issubclass(one, Commands) and one is not Commands
    ]
    handlers = [one for one in values if isinstance(one, Handler)]
    hooks = [one for one in values if isinstance(one, Hook)]
    return Talk(*handlers, *classes, hooks=hooks, builtins=BUILTINS, aliases=("bot",))


def turns(chat: str) -> list[tuple[str, list[str]]]:
    """What is said, each with the answers to it."""
    found: list[tuple[str, list[str]]] = []
    for line in chat.splitlines():
        who, _, text = line.partition(": ")
        if who == "you":
            found.append((text.replace("@bot", "<@U0>"), []))
        else:
            assert who == "bot"
            found[-1][1].append(text)
    return found


def test_there_are_conversations() -> None:
    assert sum(bool(chat) for _, chat in EXAMPLES) >= 4


@pytest.mark.parametrize(("source", "chat"), EXAMPLES)
def test_a_conversation(source: str, chat: str) -> None:
    talk = talk_to(source)
    for said, answers in turns(chat):
        # Of a long answer the page shows the beginning.
        shown = [heard.splitlines()[0] for heard in talk.say(said)]
        assert shown == answers, said
