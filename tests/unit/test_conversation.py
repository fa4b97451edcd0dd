"""What `botfleet up` asks a bot first."""

from __future__ import annotations

from typing import Any

import pytest

from botfleet.model import Subscription
from botfleet.sandbox.client import SandboxTimeout
from botfleet.up.conversation import Conversation


class Control:
    """A sandbox whose bot answers everything, or nothing."""

    def __init__(self, answers: bool = True) -> None:
        self.seq = 0
        self.said: list[str] = []
        self._answers = answers

    def team(self) -> dict[str, Any]:
        return {"name": "Acme Inc", "users": [{"name": "dave"}]}

    def say(self, channel: str, text: str, user: str) -> None:
        self.said.append(text)

    def join(self, name: str | None) -> dict[str, Any]:
        self.said.append(f"{name} joins")
        return {"name": name}

    def wait_for_message(self, by: str, timeout: float) -> dict[str, Any]:
        if not self._answers:
            raise SandboxTimeout("none")
        return {"seq": 1, "text": "yes", "user_name": "bot"}


def conversation(control: Control, *wanted: Subscription, **options: Any) -> Conversation:
    shown: list[str] = []
    return Conversation(control, "bot", wanted, show=shown.append, **options)  # type: ignore[arg-type]


PING = Subscription(task="tasks.hello.ping", types=("message",), words=("ping",))
HELP = Subscription(task="botfleet.builtin.help", types=("message",), words=("help",))
WELCOME = Subscription(task="tasks.hello.welcome", types=("team_join",))
UPKEEP = Subscription(task="botfleet.directory.users", types=("team_join",))


def test_a_bot_is_asked_only_what_it_has_a_handler_for() -> None:
    control = Control()
    assert conversation(control, PING, UPKEEP).hold()
    assert control.said == ["@bot ping"]


def test_help_and_a_newcomer_come_last() -> None:
    control = Control()
    assert conversation(control, WELCOME, HELP, PING).hold()
    assert control.said == ["@bot ping", "help", "erin joins"]


def test_what_ends_meanwhile_ends_the_conversation() -> None:
    def watch() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        conversation(Control(answers=False), PING, watch=watch).hold()
