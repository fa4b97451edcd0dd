"""What the load sends: frames as Slack's RTM sends them, each with a timestamp that nothing else has."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

#: Of 250 to 300 bytes, as most of Slack's messages without blocks.
_MESSAGE = (
    b'{"client_msg_id":"5f2b1c70-8a1d-4b7e-9c1e-%012d","suppress_notification":false,"type":"message",'
    b'"text":"Deployed build 4711 to staging, checks are green","user":"U%08d","team":"T%08d",'
    b'"source_team":"T%08d","user_team":"T%08d","channel":"C%08d","ts":"%b"}'
)
_TYPING = b'{"type":"user_typing","channel":"C%08d","id":1,"user":"U%08d"}'
_PRESENCE = b'{"type":"presence_change","presence":"away","user":"U%08d"}'
HELLO = b'{"type":"hello","fast_reconnect":false,"region":"eu-central-1","start":true,"host_id":"gs-1"}'


def team_id(number: int) -> str:
    """The team of a bot, by the bot's number.

    >>> team_id(7)
    'T00000007'
    """
    return f"T{number:08}"


def token_of(number: int) -> str:
    """The token of a bot; the load knows the bot by it.

    >>> number_of(token_of(7))
    7
    """
    return f"xoxb-bench-{number:08}-4f9c1d2e3b5a6978"


def number_of(token: str) -> int:
    """The bot that a token (or an address that ends with a number) belongs to."""
    return int(token.removeprefix("xoxb-bench-").split("-")[0])


class Stamps:
    """Timestamps in Slack's form, microseconds apart: no event is ever taken for a copy of another one."""

    def __init__(self, start: float | None = None) -> None:
        self._last = int((time.time() if start is None else start) * 1_000_000)

    def next(self) -> bytes:
        """The next one.

        >>> Stamps(start=1700000000.0).next()
        b'1700000000.000001'
        """
        self._last += 1
        return b"%d.%06d" % divmod(self._last, 1_000_000)

    def now(self) -> bytes:
        """The present time, or the next free stamp after it."""
        self._last = max(self._last, int(time.time() * 1_000_000) - 1)
        return self.next()


def message(bot: int, number: int, stamp: bytes) -> bytes:
    """One message in one of a bot's channels.

    >>> 250 <= len(message(12, 34, b"1700000000.000001")) <= 300
    True
    """
    return _MESSAGE % (number, 1 + number % 97, bot, bot, bot, 1 + number % 13, stamp)


def unwanted(bot: int, number: int) -> bytes:
    """One frame that no handler wants: typing, or presence."""
    if number % 2:
        return _PRESENCE % (1 + number % 97)
    return _TYPING % (1 + number % 13, 1 + number % 97)


def flood(bots: list[int], events: int, unwanted_share: float, stamps: Stamps) -> Iterator[tuple[int, bytes]]:
    """Frames in turn over all bots, evenly mixed.

    Args:
        bots: their numbers.
        events: how many frames.
        unwanted_share: which part of them nobody wants, 0 to 1.
        stamps: gives the messages their time.

    >>> kinds = [b"message" in raw for _, raw in flood([1, 2], 10, 0.9, Stamps())]
    >>> sum(kinds)
    1
    """
    wanted = 0
    for number, bot in zip(range(events), itertools.cycle(bots)):
        # So that any prefix has its share, and every bot gets both kinds.
        if int((number + 1) * (1.0 - unwanted_share) + 1e-9) > wanted:
            wanted += 1
            yield bot, message(bot, number, stamps.next())
        else:
            yield bot, unwanted(bot, number)
