"""What a handler found in an event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any


@dataclass(frozen=True, repr=False)
class Match:
    """What was found in a text; which of these is set depends on the declaration.

    Attributes:
        command: the command, operator, prefix, contained word or reaction, as it was declared; of a command
            that is a pattern, as it was written; of a button or menu its `action_id`.
        expression: what follows it, over all lines; empty where nothing does; of a button or menu what was
            chosen.
        options: where `@command` has `options=`: by name, with True for one without a value.
        arguments: the words of the expression that belong to no option.
        groups: the groups of the pattern, in order; None for one that took no part.
        named: its named groups; `match["name"]` and `match[1]` are short for these.
        finds: where `@scan` found something: what `re.findall` gives.
        attachment: where `@attachment` found something: Slack's object.
        action: of a button or menu: Slack's object.
    """

    command: str = ""
    expression: str = ""
    _: KW_ONLY
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    groups: tuple[str | None, ...] = ()
    named: Mapping[str, str | None] = field(default_factory=dict)
    finds: tuple[Any, ...] = ()
    attachment: Mapping[str, Any] | None = None
    action: Mapping[str, Any] | None = None

    def __getitem__(self, name: str | int) -> str | None:
        if isinstance(name, str):
            return self.named[name]
        if name < 1:
            raise IndexError("groups are numbered from 1")
        return self.groups[name - 1]

    def texts(self) -> Iterator[str]:
        """What people wrote, in it."""
        yield self.expression
        finds = (one for find in self.finds for one in (find if isinstance(find, tuple) else (find,)))
        found = (*self.groups, *self.named.values(), *finds, *self.arguments, *self.options.values())
        yield from (text for text in found if isinstance(text, str))

    def __repr__(self) -> str:
        # Never what people wrote.
        return "<Match>"


def match_of(found: Any, **fields: Any) -> Match:
    """A match of what a pattern found."""
    return Match(groups=found.groups(), named=found.groupdict(), **fields)


class Phrases:
    """Commands of one or several words, of which a text may begin with one.

    Args:
        phrases: as they were declared.

    >>> found = Phrases(["sign", "sign up"]).find("Sign  UP  for lunch")
    >>> found.command, found.expression
    ('sign up', 'for lunch')
    >>> Phrases(["ping"]).find("pinging") is None
    True
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        folded = {phrase.casefold(): phrase for phrase in phrases}
        # The longest first: the text may begin with several.
        self._words = [(words.split(), folded[words]) for words in sorted(folded, key=len, reverse=True)]

    def find(self, text: str) -> Match | None:
        """The longest of them that a text begins with. Case and the width of white space don't matter."""
        for words, phrase in self._words:
            rest = _after(words, text)
            if rest is not None:
                return Match(command=phrase, expression=rest)
        return None


def _after(words: Sequence[str], text: str) -> str | None:
    parts = text.split(None, len(words))
    if [part.casefold() for part in parts[: len(words)]] != words:
        return None
    return parts[len(words)].rstrip() if len(parts) > len(words) else ""
