"""How pages write numbers, times and states. Times stand in UTC; scripts say them on the reader's clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

#: What became of a bot, as people say it.
_HAPPENINGS = {
    "bot_created": "Added",
    "bot_started": "Started",
    "bot_stopped": "Stopped",
    "bot_restarted": "Restarted",
    "bot_deactivated": "Token died",
    "bot_reactivated": "Reactivated",
    "bot_removed": "Removed",
    "bot_error": "Error",
}
_REASONS = {
    "token": "a token was given",
    "asked": "somebody asked for it",
    "registry": "another program changed the registry",
}


def whole(value: float) -> str:
    """A count, with its thousands apart.

    >>> whole(1234567), whole(0)
    ('1,234,567', '0')
    """
    return f"{value:,.0f}"


def figure(value: float) -> str:
    """A number of any size, in about three digits.

    >>> figure(0), figure(0.034), figure(3.14), figure(31.4), figure(3141.5), figure(8.0)
    ('0', '0.03', '3.1', '31', '3,142', '8')
    """
    digits = 0 if value >= 20 else 1 if value >= 1 else 2
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def iso(at: float) -> str:
    """A time for programs.

    >>> iso(1_700_000_000.25)
    '2023-11-14T22:13:20.250Z'
    """
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc(at: float) -> str:
    """A time for people.

    >>> utc(1_700_000_000)
    '14 Nov 2023, 22:13:20 UTC'
    """
    return f"{datetime.fromtimestamp(at, UTC):%d %b %Y, %H:%M:%S} UTC"


def state_words(state: str) -> str:
    """A bot's state.

    >>> state_words("token_revoked")
    'token revoked'
    """
    return state.replace("_", " ")


def happening_words(what: str) -> str:
    """What became of a bot: a state, or an event of its life.

    >>> happening_words("bot_created"), happening_words("rate_limited")
    ('Added', 'Rate limited')
    """
    return _HAPPENINGS.get(what) or state_words(what).capitalize()


def reason_words(reason: str) -> str:
    """Why it became so; what is not known is said as it is."""
    return _REASONS.get(reason, reason)


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "bot"), plural(1200, "bot")
    ('1 bot', '1,200 bots')
    """
    return f"{whole(count)} {noun}" + ("" if count == 1 else "s")


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers, those in a row as one.

    >>> ranges([0, 1, 2, 5, 7, 8]), ranges([])
    ('0–2, 5, 7–8', '')
    """
    rows: list[list[int]] = []
    for number in numbers:
        if rows and number == rows[-1][-1] + 1:
            rows[-1].append(number)
        else:
            rows.append([number])
    return ", ".join(str(row[0]) if len(row) == 1 else f"{row[0]}–{row[-1]}" for row in rows)


FILTERS: dict[str, Callable[..., str]] = {
    "whole": whole,
    "figure": figure,
    "iso": iso,
    "utc": utc,
    "state_words": state_words,
    "happening_words": happening_words,
    "reason_words": reason_words,
    "plural": plural,
    "ranges": ranges,
}
