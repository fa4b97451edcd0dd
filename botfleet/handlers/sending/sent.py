"""What sending gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was said: what `Client.update` and `Client.delete` take.

    Attributes:
        channel: the channel's id, as Slack gave it.
        ts: Slack's name for the message within its channel.
        more: of a long text, the names of the pieces after the first one.
        shadow: it was not said: the fleet is in shadow mode.
    """

    channel: str
    ts: str
    more: tuple[str, ...] = ()
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Broadcast:
    """What became of a broadcast, in bots.

    Attributes:
        sent: those that said it, or whose sockets have it to say.
        failed: those that could not; the log says why.
        stopped: those that were passed over, for they are stopped or their token is dead.
    """

    sent: int = 0
    failed: int = 0
    stopped: int = 0


def sent_of(answer: Mapping[str, Any], channel: str) -> Sent:
    """The message that Slack's answer tells of, in a channel where it does not say so itself."""
    ts = answer.get("ts") or answer.get("message_ts") or ""
    return Sent(str(answer.get("channel") or channel), str(ts), shadow=answer.get("shadow") is True)


def joined(pieces: Sequence[Sent]) -> Sent:
    """The pieces of a text as one."""
    first, *more = pieces
    return replace(first, more=tuple(one.ts for one in more))
