"""What sending gives back."""

from __future__ import annotations

from dataclasses import dataclass


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
