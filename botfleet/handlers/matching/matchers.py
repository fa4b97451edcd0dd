"""Look closer than a subscription can: whether an event is really for a handler, and what it found in it.

Each is called with what was heard and gives a `Match`, or None. They decide by the event alone, so that every
worker decides alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ...slack.address import after_prefix
from ..inputs import value_of
from .conditions import Condition
from .heard import Heard
from .match import Match, Phrases, match_of
from .patterns import Budget, Pattern

Matcher = Callable[[Heard], Match | None]


class CommandMatcher:
    """Texts that are addressed to the bot and begin with a command.

    Args:
        phrases: commands of one or several words.
        patterns: commands that are patterns, followed by white space or the end.
    """

    def __init__(self, phrases: Sequence[str], patterns: Iterable[Pattern] = ()) -> None:
        self._phrases = Phrases(phrases)
        self._patterns = tuple(patterns)
        # A pattern may begin with anything.
        self._words = ("",) if self._patterns else tuple({phrase.casefold().split()[0] for phrase in phrases})

    def __call__(self, heard: Heard) -> Match | None:
        for rest in heard.rests(self._words):
            found = self._phrases.find(rest) or self._find_pattern(rest)
            if found is not None:
                return found
        return None

    def _find_pattern(self, rest: str) -> Match | None:
        for pattern in self._patterns:
            found = pattern.match(rest)
            if found is not None:
                return match_of(found, command=found[0], expression=rest[found.end() :].strip())
        return None


class PrefixMatcher:
    """Texts that begin with one of several prefixes."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        # The longest first: the text may begin with several.
        self._prefixes = sorted((prefix.lstrip() for prefix in prefixes), key=len, reverse=True)

    def __call__(self, heard: Heard) -> Match | None:
        for prefix in self._prefixes:
            rest = after_prefix(heard.text, prefix.casefold())
            if rest is not None:
                return Match(command=prefix, expression=rest.strip())
        return None


class TextMatcher:
    """Texts in which a pattern is found."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern

    def __call__(self, heard: Heard) -> Match | None:
        found = self._pattern.search(heard.text)
        return None if found is None else match_of(found)


class ScanMatcher:
    """Texts in which a pattern is found, and all that it finds."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern

    def __call__(self, heard: Heard) -> Match | None:
        finds = self._pattern.finds(heard.text)
        return Match(finds=finds) if finds else None


class AttachmentMatcher:
    """Messages with an attachment in a field of which a pattern is found."""

    def __init__(self, pattern: Pattern, fields: Sequence[str]) -> None:
        self._pattern = pattern
        self._fields = tuple(fields)

    def __call__(self, heard: Heard) -> Match | None:
        budget = Budget()
        for attachment in _attachments(heard):
            for name in self._fields:
                text = attachment.get(name)
                found = self._pattern.search(text, budget.left) if isinstance(text, str) else None
                if found is not None:
                    return match_of(found, attachment=attachment)
        return None


def _attachments(heard: Heard) -> Iterator[dict[str, object]]:
    attachments = heard.event.payload.get("attachments")
    yield from (one for one in attachments if isinstance(one, dict)) if isinstance(attachments, list) else ()


class ContainsMatcher:
    """Texts that hold one of several words, and may have to mention the bot."""

    def __init__(self, words: Iterable[str], mentioned: bool = False) -> None:
        self._words = tuple((word, word.casefold()) for word in words)
        self._mentioned = mentioned

    def __call__(self, heard: Heard) -> Match | None:
        for word, folded in self._words:
            if folded in heard.folded:
                return Match(command=word) if heard.is_mentioned or not self._mentioned else None
        return None


class ReactionMatcher:
    """Reactions of some names, in any skin tone."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def __call__(self, heard: Heard) -> Match | None:
        reaction = heard.event.payload.get("reaction")
        name = reaction.partition("::")[0] if isinstance(reaction, str) else ""
        return Match(command=name) if name in self._names else None


class SlashMatcher:
    """Slash commands of some names."""

    def __init__(self, commands: Iterable[str]) -> None:
        self._commands = frozenset(commands)

    def __call__(self, heard: Heard) -> Match | None:
        event = heard.event
        if event.type != "slash_command" or event.command not in self._commands:
            return None
        return Match(command=event.command, expression=event.text.strip())


class ActionMatcher:
    """What was done to buttons and menus with some ids.

    Args:
        action_ids: as they are.
        patterns: searched for in the ids of others.
    """

    def __init__(self, action_ids: Iterable[str], patterns: Iterable[Pattern] = ()) -> None:
        self._ids = frozenset(action_ids)
        self._patterns = tuple(patterns)

    def __call__(self, heard: Heard) -> Match | None:
        for action in heard.event.actions:
            found = self._find(action)
            if found is not None:
                return found
        return None

    def _find(self, action: dict[str, Any]) -> Match | None:
        name = action.get("action_id")
        if not isinstance(name, str):
            return None
        chosen = value_of(action)
        facts: dict[str, Any] = {
            "command": name,
            "expression": " ".join(chosen) if isinstance(chosen, list) else str(chosen or ""),
            "action": action,
        }
        if name in self._ids:
            return Match(**facts)
        for pattern in self._patterns:
            found = pattern.search(name)
            if found is not None:
                return match_of(found, **facts)
        return None


class CallbackMatcher:
    """Views, shortcuts and old messages' buttons that the app calls by some names."""

    def __init__(self, callback_ids: Iterable[str]) -> None:
        self._ids = frozenset(callback_ids)

    def __call__(self, heard: Heard) -> Match | None:
        name = heard.event.callback_id
        return Match(command=name) if name is not None and name in self._ids else None


def anything(heard: Heard) -> Match:
    """Takes every event."""
    return Match()


class Filtered:
    """Takes what another matcher takes, where conditions of the author's hold as well."""

    def __init__(self, matcher: Matcher, conditions: Iterable[Condition]) -> None:
        self._matcher = matcher
        self._conditions = tuple(conditions)

    @classmethod
    def of(cls, matcher: Matcher | None, conditions: Sequence[Condition]) -> Matcher | None:
        """A matcher with conditions, where there are any."""
        return cls(matcher or anything, conditions) if conditions else matcher

    def __call__(self, heard: Heard) -> Match | None:
        match = self._matcher(heard)
        if match is None or not all(one.holds(heard.event, heard.client, match) for one in self._conditions):
            return None
        return match


class OneIn:
    """Takes one in so many of what another takes: by the event's id, so that every try decides alike."""

    def __init__(self, matcher: Matcher, number: int) -> None:
        self._matcher = matcher
        self._number = number

    @classmethod
    def of(cls, matcher: Matcher, number: int) -> Matcher:
        """A matcher that takes one in so many, where that is not every one."""
        return cls(matcher, number) if number > 1 else matcher

    def __call__(self, heard: Heard) -> Match | None:
        return self._matcher(heard) if is_chosen(heard.event.id, self._number) else None


def is_chosen(event_id: str, one_in: int) -> bool:
    """Whether an event is one of those, one in so many, that are chosen.

    >>> [is_chosen(f"Ev{number}", 3) for number in range(6)]
    [True, True, True, False, False, False]
    """
    return zlib.crc32(event_id.encode()) % one_in == 0
