"""Regular expressions that can't hang a worker: a search that takes too long is given up.

Python's `re` can't be stopped, and a pattern that backtracks (`(a+)+$`) takes years for a text of a few dozen
letters, which anybody may write. The library `regex` takes the same patterns and a time limit.
"""

from __future__ import annotations

import re
import time
from typing import Any

import regex

#: Seconds that the patterns of one handler may take for one event.
TIME_LIMIT = 0.1

#: The two libraries number their flags differently.
_FLAGS = {
    re.ASCII: regex.ASCII,
    re.DOTALL: regex.DOTALL,
    re.IGNORECASE: regex.IGNORECASE,
    re.MULTILINE: regex.MULTILINE,
    re.VERBOSE: regex.VERBOSE,
}


class TooSlow(Exception):
    """A pattern took too long for a text. Says nothing of either."""


class Pattern:
    """A pattern whose searches end in time.

    Args:
        pattern: as for `re`, compiled or not.
        ignore_case: whether case doesn't matter, whatever the pattern says.
        is_word: whether white space or the end must follow what is found.

    Raises:
        ValueError: it is no pattern.

    >>> Pattern("b+").search("abba")[0]
    'bb'
    """

    def __init__(
        self, pattern: str | re.Pattern[str], *, ignore_case: bool = False, is_word: bool = False
    ) -> None:
        source, flags = _taken_apart(pattern)
        if is_word:
            # The line break ends a comment that a verbose pattern may end with.
            source = f"(?:{source}{chr(10) if flags & regex.VERBOSE else ''})(?=\\s|\\Z)"
        try:
            self._compiled = regex.compile(source, flags | (regex.IGNORECASE if ignore_case else 0))
        except regex.error as exc:
            raise ValueError(str(exc)) from None

    def search(self, text: str, limit: float = TIME_LIMIT) -> Any:
        """The first match anywhere in a text, with the methods of `re`'s; or None.

        Raises:
            TooSlow: it takes longer than `limit` seconds.
        """
        return self._bounded(self._compiled.search, text, limit)

    def match(self, text: str) -> Any:
        """The match at the beginning of a text, or None.

        Raises:
            TooSlow: it takes too long.
        """
        return self._bounded(self._compiled.match, text, TIME_LIMIT)

    def finds(self, text: str) -> tuple[Any, ...]:
        """All that `re.findall` would find.

        Raises:
            TooSlow: it takes too long.
        """
        return tuple(self._bounded(self._compiled.findall, text, TIME_LIMIT))

    def __repr__(self) -> str:
        return f"<Pattern {self._compiled.pattern}>"

    @staticmethod
    def _bounded(search: Any, text: str, limit: float) -> Any:
        if limit <= 0:
            raise TooSlow
        try:
            return search(text, timeout=limit)
        except TimeoutError:
            raise TooSlow from None


class Budget:
    """The time that is left of `TIME_LIMIT` for several searches."""

    def __init__(self) -> None:
        self._end = time.monotonic() + TIME_LIMIT

    @property
    def left(self) -> float:
        """Seconds; none or less where it is used up."""
        return self._end - time.monotonic()


def _taken_apart(pattern: str | re.Pattern[str]) -> tuple[str, int]:
    if isinstance(pattern, str):
        return pattern, 0
    flags = sum(int(theirs) for ours, theirs in _FLAGS.items() if pattern.flags & ours)
    return pattern.pattern, flags
