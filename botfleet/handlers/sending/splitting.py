"""Cuts long texts into pieces that Slack takes, at places where a reader would."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

#: Slack asks to keep texts to this many characters.
LIMIT = 4_000
#: Room in each piece for the fences that are put around it.
_FENCE = "```"
_ROOM = len(f"{_FENCE}\n") + len(f"\n{_FENCE}")
#: What must stay whole: a link or a mention, and an entity.
_ENTITY = re.compile(r"<[^<>\n]*>|&(?:amp|lt|gt);")
#: Joins two characters into one sign, or changes the one before: emoji, flags, skin.
_JOINERS = frozenset("\u200d\ufe0e\ufe0f\u20e3\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")


def split(text: str, limit: int = LIMIT) -> list[str]:
    """Cuts a text into pieces of up to `limit` characters, at ends of lines, else at spaces, else anywhere.

    The line end or the space where it is cut is left out. Links, mentions and signs that are made of several
    characters stay whole, and a block of code that is cut is closed and opened again.

    >>> split("one two three", limit=8)
    ['one two', 'three']
    >>> split("short"), split("")
    (['short'], [''])
    """
    if len(text) <= limit:
        return [text]
    return list(_with_fences(_pieces(text, limit - _ROOM if _FENCE in text else limit)))


def _pieces(text: str, limit: int) -> Iterator[str]:
    start = 0
    while len(text) - start > limit:
        end, following = _cut(text, start, start + limit)
        yield text[start:end]
        start = following
    yield text[start:]


def _cut(text: str, start: int, latest: int) -> tuple[int, int]:
    """Where a piece ends, and where the next one begins."""
    for separator in ("\n", " "):
        # One beyond, for the separator itself need not fit.
        at = text.rfind(separator, start, latest + 1)
        while at > start and _whole(text, start, at) != at:
            at = text.rfind(separator, start, at)
        if at > start:
            return at, at + 1
    end = _whole(text, start, latest)
    end = end if end > start else latest  # All of it is one thing, too long for a piece.
    return end, end


def _whole(text: str, start: int, at: int) -> int:
    """The last place up to `at` where nothing is torn; `start` where there is none."""
    for entity in _ENTITY.finditer(text, start):
        if entity.end() > at:
            at = min(at, entity.start())
            break
    while at > start and _joined(text[at - 1], text[at : at + 1]):
        at -= 1
    return at


def _joined(before: str, after: str) -> bool:
    if not after:
        return False
    surrogates = "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff"
    return surrogates or before == "\u200d" or after in _JOINERS or unicodedata.combining(after) > 0


def _with_fences(pieces: Iterator[str]) -> Iterator[str]:
    """Closes a block of code at the end of a piece, and opens it again in the next one."""
    inside = False
    for piece in pieces:
        opened = f"{_FENCE}\n{piece}" if inside else piece
        inside ^= piece.count(_FENCE) % 2 == 1
        yield f"{opened}\n{_FENCE}" if inside else opened
