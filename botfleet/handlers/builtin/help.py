"""What a bot says of itself: help made from its handlers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from ..formatting import escape
from ..handler import Handler
from ..matching.match import Phrases

#: What the names of botfleet's own handlers begin with.
BUILT_IN = "botfleet.builtin"

_MORE = "Say `help` and the name of a command to read more about it."
_NOTHING = "I have no commands."
_UNKNOWN = "I have no command of that name. Say `help` to see what I can do."
_NO_TEXT = "There is nothing more to say about it."


class Help:
    """Help over some handlers.

    Args:
        handlers: in order of definition; hidden ones, and those that have nothing to say, are passed over.
    """

    def __init__(self, handlers: Iterable[Handler[..., object]]) -> None:
        self._handlers = [one for one in handlers if _is_shown(one)]
        self._topics = {name: one for one in reversed(self._handlers) for name in one.traits.names}
        self._phrases = Phrases(self._topics)

    def overview(self) -> str:
        """All commands with the first line of what is said of each, in groups by class or module."""
        if not self._handlers:
            return _NOTHING
        groups = [(title, list(members)) for title, members in groupby(self._handlers, _group)]
        own = [title for title, _ in groups if title]
        lines = []
        for title, members in groups:
            lines += [f"*{title or 'General'}*"] if len(own) > 1 else []
            lines += [_line(handler) for handler in members]
        return "\n".join([*lines, _MORE])

    def about(self, topic: str) -> str:
        """All that is said of a command.

        Args:
            topic: what somebody asked for; it is not repeated in the answer, since it may mention people.
        """
        # Help itself shows commands in backticks, and so they are copied.
        topic = topic.replace("`", " ")
        found = self._phrases.find(topic) if topic.split() else None
        if found is None or found.expression:
            return _UNKNOWN
        handler = self._topics[found.command]
        return f"{_names(handler)}\n{escape(handler.help) or _NO_TEXT}"


def _is_shown(handler: Handler[..., object]) -> bool:
    traits = handler.traits
    # What has no name can be told of only in the author's words.
    return not traits.hidden and bool(traits.names or (traits.kind != "on" and traits.help))


def _group(handler: Handler[..., object]) -> str:
    """What a handler stands under: its class or module; nothing for botfleet's own."""
    place = handler.name.rpartition(".")[0]
    if place == BUILT_IN:
        return ""
    title = place.rpartition(".")[2].replace("_", " ").strip()
    return title[:1].upper() + title[1:]


def _line(handler: Handler[..., object]) -> str:
    first = next(iter(handler.help.splitlines()), "")
    parts = [part for part in (_names(handler), escape(first)) if part]
    return f"• {': '.join(parts)}"


def _names(handler: Handler[..., object]) -> str:
    return ", ".join(f"`{escape(name)}`" for name in handler.traits.names)
