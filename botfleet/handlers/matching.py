"""Which command a text is, and what follows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..slack.address import addressed, folded
from .client import Client
from .event import Event


class Match(NamedTuple):
    """A command that was found in a text."""

    #: The command as it was declared, e.g. `sign up`.
    command: str
    #: What follows it, over all lines; empty where nothing does.
    expression: str

    def __repr__(self) -> str:
        return f"<Match {self.command}>"


def find(commands: Iterable[str], text: str) -> Match | None:
    """Finds the command that a text begins with; the longest where several do.

    Case and the width of white space don't matter.

    >>> match = find(["sign", "sign up"], "Sign  UP  for lunch")
    >>> match.command, match.expression
    ('sign up', 'for lunch')
    >>> find(["ping"], "pinging") is None
    True
    """
    for command in sorted(commands, key=len, reverse=True):
        rest = _after(command.split(), text)
        if rest is not None:
            return Match(command, rest)
    return None


def _after(words: Sequence[str], text: str) -> str | None:
    parts = text.split(None, len(words))
    if [part.casefold() for part in parts[: len(words)]] != words:
        return None
    return parts[len(words)].rstrip() if len(parts) > len(words) else ""


class CommandMatcher:
    """Decides whether an event is one of a handler's commands.

    Holders choose by the first word only, so the rest is seen to here.
    """

    def __init__(self, commands: Sequence[str]) -> None:
        self.commands = tuple(commands)

    def __call__(self, event: Event, client: Client) -> Match | None:
        # The bot's name costs a look into the store; most people use the mention, or a direct message.
        aliases = [folded(alias) for alias in client.aliases]
        return self._find(event, "", aliases) or self._find(event, client.bot.bot_name, aliases)

    def _find(self, event: Event, bot_name: str, aliases: Sequence[str]) -> Match | None:
        rest = addressed(event.text, event.bot_user_id, bot_name, event.is_dm, aliases)
        return find(self.commands, rest) if rest else None
