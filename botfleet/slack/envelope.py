"""Events in botfleet's envelope: what makes one unique, and how it is written.

The payload is spliced in as the bytes that Slack sent: it is neither decoded nor written again.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import uuid
from typing import NamedTuple

import msgspec

from ..model import Bot, Transport, bot_key
from .frames import Frame

_encode = msgspec.json.encode
_HARMLESS = re.compile(r"[A-Za-z0-9_:.+*=,;@!~^$(){}\[\]|-]{1,200}").fullmatch


class Origin(NamedTuple):
    """Where events come from: the constants of one bot's connection."""

    key: str
    team_id: str
    namespace: str
    bot_user_id: str
    bot_name: str
    bot_id: str
    transport: Transport
    #: The constant middle of this bot's envelopes.
    middle: bytes

    @classmethod
    def of(cls, bot: Bot) -> Origin:
        """The origin of a bot's events."""
        names = (bot.team_id, bot.namespace, bot.bot_user_id)
        middle = b'"team_id":%b,"namespace":%b,"bot_user_id":%b,"transport":%b,' % tuple(
            _encode(name) for name in (*names, bot.transport)
        )
        key = bot_key(bot.team_id, bot.namespace)
        return cls(key, *names, bot.bot_name, bot.bot_id, bot.transport, middle)


class Identifier:
    """Gives each event its id; see `identify`."""

    def __init__(self, nonce: str | None = None) -> None:
        self._nonce = nonce or uuid.uuid4().hex[:12]
        self._count = itertools.count(1)

    def identify(self, origin: Origin, frame: Frame) -> str:
        """Names an event: every copy of it gets the same id.

        But for one without a time of its own (typing, presence): its id is one that nothing else has.
        """
        channel, time = frame.channel_id, frame.time
        if time:
            if frame.type == "message" and not frame.subtype:
                # What most events are, told apart from the rest for speed alone.
                return harmless(f"{origin.key}:{channel}:message:{time}")
            # With the subtype: a thread's message_replied may have the very ts of the thread's first message.
            parts = [origin.key, channel, frame.type, _subtype(frame) or "", time]
            if frame.type != "message":
                # Two people may react in the same microsecond; a message's (channel, ts) is unique by itself.
                parts.append(frame.user_id)
            return harmless(":".join(filter(None, parts)))
        if used := frame.interaction:
            return harmless(f"{origin.key}:{frame.type}:{used}")
        return harmless(f"{origin.key}:{frame.type}:{self._nonce}.{next(self._count)}")


def _subtype(frame: Frame) -> str | None:
    return frame.subtype if isinstance(frame.subtype, str) else None


def harmless(text: str) -> str:
    """Ids go into keys, log lines and addresses: one with anything odd in it is replaced by its digest."""
    if _HARMLESS(text):
        return text
    return "odd:" + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def wrap(
    event_id: str,
    origin: Origin,
    frame: Frame,
    raw: bytes,
    received_at: float,
    backfilled: bool = False,
) -> bytes:
    """Returns the envelope as JSON; see `model.Envelope`."""
    return b'{"id":%b,"type":%b,"subtype":%b,%b"received_at":%b,"backfilled":%b,"payload":%b}' % (
        _encode(event_id),
        _encode(frame.type),
        _encode(_subtype(frame)),
        origin.middle,
        _encode(received_at),
        b"true" if backfilled else b"false",
        raw,
    )
