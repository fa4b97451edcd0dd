"""The options of a command: `deploy --env prod --force key=value "quoted text"`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Kind = type[str] | type[int] | type[float] | type[bool]
#: What an option may be declared as, and how a person calls that.
KINDS: dict[Kind, str] = {str: "a text", int: "a whole number", float: "a number", bool: "no value"}

#: Keyboards make these of straight quotes and of two hyphens.
_STRAIGHT = str.maketrans({"“": '"', "”": '"', "„": '"'})
_DASHES = ("--", "—", "–")
_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_ASSIGNMENT = re.compile(r"[A-Za-z][\w-]*=")
_NAME = re.compile(r"[A-Za-z][\w-]*")


class WrongOptions(Exception):
    """What somebody said can't be read as options; the text is the answer, and has nothing of theirs."""


class Form:
    """The options that a command takes.

    Args:
        kinds: by name, what each is; None takes any, as texts, and those without a value as True.

    >>> Form().parse('--env prod --force key=value "quoted text"')
    ({'env': 'prod', 'force': True, 'key': 'value'}, ('quoted text',))
    >>> Form({"count": int, "dry-run": bool}).parse("--dry-run main --count=3")
    ({'dry-run': True, 'count': 3}, ('main',))
    """

    def __init__(self, kinds: Mapping[str, Kind] | None = None) -> None:
        self._kinds = kinds

    def parse(self, text: str) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Returns the options by name, and the words that belong to none.

        `--name value`, `--name=value` and `name=value` are the same; double quotes hold words together.
        Without declared kinds the word after `--name` is its value, unless it is an option itself. An
        option that is said twice has the last value.

        Raises:
            WrongOptions: a quote is not closed, an option is not known, or its value is missing or wrong.
        """
        options: dict[str, Any] = {}
        arguments = []
        words = _words(text)
        while words:
            word = words.pop(0)
            name, equals, value = _option(word)
            if not name or (equals and not word.startswith(_DASHES) and not self._knows(name)):
                arguments.append(_unquoted(word))
            elif equals:
                options[name] = self._value(name, _unquoted(value))
            elif self._takes_value(name, words):
                options[name] = self._value(name, _unquoted(words.pop(0)))
            else:
                options[name] = self._without_value(name)
        return options, tuple(arguments)

    def _knows(self, name: str) -> bool:
        return self._kinds is None or name in self._kinds

    def _kind(self, name: str) -> Kind:
        if self._kinds is None:
            return str
        if name not in self._kinds:
            known = ", ".join(f"`--{known}`" for known in self._kinds)
            raise WrongOptions(f"I don't know one of these options. There are: {known}.")
        return self._kinds[name]

    def _takes_value(self, name: str, words: Sequence[str]) -> bool:
        if self._kinds is None:
            return bool(words) and not _option(words[0])[0]
        return self._kind(name) is not bool and bool(words)

    def _without_value(self, name: str) -> bool:
        kind = self._kind(name)
        if self._kinds is not None and kind is not bool:
            raise WrongOptions(f"`--{name}` takes {KINDS[kind]}.")
        return True

    def _value(self, name: str, text: str) -> Any:
        kind = self._kind(name)
        if kind is str:
            return text
        try:
            return _truth(text) if kind is bool else kind(text)
        except ValueError:
            raise WrongOptions(f"`--{name}` takes {KINDS[kind]}.") from None


def _truth(text: str) -> bool:
    if text.casefold() in ("true", "yes", "on", "1"):
        return True
    if text.casefold() in ("false", "no", "off", "0"):
        return False
    raise ValueError(text)


def _words(text: str) -> list[str]:
    text = text.translate(_STRAIGHT)
    if text.count('"') % 2:
        raise WrongOptions("A quote is not closed.")
    return _WORD.findall(text)


def _option(word: str) -> tuple[str, str, str]:
    """The name, the equals sign and the value of an option; no name where it is none."""
    for dashes in _DASHES:
        if word.startswith(dashes):
            name, equals, value = word.removeprefix(dashes).partition("=")
            return (name, equals, value) if _NAME.fullmatch(name) else ("", "", "")
    return word.partition("=") if _ASSIGNMENT.match(word) else ("", "", "")


def _unquoted(word: str) -> str:
    return word.replace('"', "")
