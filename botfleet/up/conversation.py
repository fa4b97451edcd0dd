"""A short conversation with the bot in the sandbox, in the terminal: what a newcomer sees first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import click

from ..model import Subscription
from ..sandbox.client import Posted, SandboxControl, SandboxTimeout

#: Seconds that an answer may take before the conversation says that there is none.
_PATIENCE = 15.0
#: Seconds between two looks at what else goes on meanwhile.
_LOOK = 0.5
#: What is asked in a channel, of a bot that knows the word.
_QUESTIONS = ("hi", "ping", "define holder")
_WIDTH = 24
_NEWCOMERS = ("dave", "erin", "frank", "grace", "heidi")


class Conversation:
    """Speaks as people of the sandbox's first team, and shows what the bot answers.

    Args:
        control: the sandbox.
        bot_name: how people address the bot.
        wanted: what its handlers want: nothing is asked that it has no command for.
        watch: called again and again while an answer is waited for; what it raises ends the conversation.
        show: prints a line.
    """

    def __init__(
        self,
        control: SandboxControl,
        bot_name: str,
        wanted: Iterable[Subscription],
        watch: Callable[[], None] = lambda: None,
        show: Callable[[str], None] = click.echo,
    ) -> None:
        self._control = control
        self._bot_name = bot_name
        self._watch = watch
        self._show = show
        wanted = list(wanted)
        self._words = {word for one in wanted for word in one.words}
        # botfleet's own handlers hear of newcomers too, and say nothing.
        self._types = {kind for one in wanted if not one.task.startswith("botfleet.") for kind in one.types}

    def hold(self) -> bool:
        """Holds the conversation; returns whether the bot answered each time."""
        team = self._control.team()
        self._show(f"{team['name']}, #general:\n")
        asked = [text for text in _QUESTIONS if text.split()[0] in self._words]
        heard = [self._say("general", f"@{self._bot_name} {text}") for text in asked]
        if "help" in self._words:
            heard.append(self._say("@alice", "help"))
        if "team_join" in self._types:
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
        while (left := began + _PATIENCE - time.monotonic()) > 0:
            self._watch()
            try:
                answer = self._control.wait_for_message(by="bot", timeout=min(_LOOK, left))
            except SandboxTimeout:
                continue
            self._control.seq = answer["seq"]
            self._show_answer(answer, time.monotonic() - began)
            return True
        self._line(self._bot_name, f"says nothing within {_PATIENCE:.0f} s", "red")
        return False

    def _show_answer(self, answer: Posted, took: float) -> None:
        first, *others = answer["text"].splitlines() or [""]
        self._line(answer["user_name"], first, "green", f"{took * 1000:.0f} ms")
        for line in others:
            self._line("", line, "green")

    def _line(self, who: str, text: str, colour: str, note: str = "") -> None:
        shown = f"  {click.style(who.ljust(_WIDTH), fg=colour, bold=True)} {text}"
        self._show(f"{shown}  {click.style(note, fg='bright_black')}" if note else shown)
