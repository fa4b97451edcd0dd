"""A short conversation with the bot in the sandbox, in the terminal: what a newcomer sees first."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from ..sandbox.client import Posted, SandboxControl, SandboxTimeout

#: Seconds that an answer may take before the conversation says that there is none.
_PATIENCE = 15.0
_WIDTH = 24
_NEWCOMERS = ("dave", "erin", "frank", "grace", "heidi")


class Conversation:
    """Speaks as people of the sandbox's first team, and shows what the bot answers.

    Args:
        control: the sandbox.
        bot_name: how people address the bot.
        show: prints a line.
    """

    def __init__(
        self, control: SandboxControl, bot_name: str, show: Callable[[str], None] = click.echo
    ) -> None:
        self._control = control
        self._bot_name = bot_name
        self._show = show

    def hold(self) -> bool:
        """Holds the conversation; returns whether the bot answered each time."""
        team = self._control.team()
        self._show(f"{team['name']}, #general:\n")
        asked = ("hi", "ping", "define holder")
        heard = [self._say("general", f"@{self._bot_name} {text}") for text in asked]
        heard.append(self._say("@alice", "help", user="alice"))
        heard.append(self._join())
        return all(heard)

    def _say(self, channel: str, text: str, user: str = "alice") -> bool:
        where = " (direct message)" if channel.startswith("@") else ""
        began = time.monotonic()
        self._control.say(channel, text, user=user)
        self._line(f"{user}{where}", text, "cyan")
        return self._answer(began)

    def _join(self) -> bool:
        began = time.monotonic()
        member = self._control.join(self._newcomer())
        self._line("", f"{member['name']} joins the team", "bright_black")
        return self._answer(began)

    def _newcomer(self) -> str | None:
        # The sandbox remembers who joined in earlier runs; None lets it find a name.
        known = {user["name"] for user in self._control.team()["users"]}
        return next((name for name in _NEWCOMERS if name not in known), None)

    def _answer(self, began: float) -> bool:
        try:
            answer = self._control.wait_for_message(by="bot", timeout=_PATIENCE)
        except SandboxTimeout:
            self._line(self._bot_name, f"says nothing within {_PATIENCE:.0f} s", "red")
            return False
        self._control.seq = answer["seq"]
        self._show_answer(answer, time.monotonic() - began)
        return True

    def _show_answer(self, answer: Posted, took: float) -> None:
        first, *others = answer["text"].splitlines() or [""]
        self._line(answer["user_name"], first, "green", f"{took * 1000:.0f} ms")
        for line in others:
            self._line("", line, "green")

    def _line(self, who: str, text: str, colour: str, note: str = "") -> None:
        shown = f"  {click.style(who.ljust(_WIDTH), fg=colour, bold=True)} {text}"
        self._show(f"{shown}  {click.style(note, fg='bright_black')}" if note else shown)
