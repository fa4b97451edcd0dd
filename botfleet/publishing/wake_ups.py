"""What passes between the publisher, the lanes of ordered handlers (`ordered.py`), and the handlers' runs.

No more than values: who handles an event, and is not asked for order, needs no Redis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..model import Subscription
from ..slack.envelope import harmless
from ..slack.frames import Frame


def lane_of(subscription: Subscription, key: str, frame: Frame) -> str:
    """Names the lane of a bot's event: `TASK:BOT:VALUE`; empty for a handler that is not ordered.

    >>> note = Subscription(task="tasks.note", types=("message",), ordered="channel")
    >>> lane_of(note, "T1", Frame(type="message", channel="C1")), lane_of(note, "T1", Frame(type="team_join"))
    ('tasks.note:T1:C1', 'tasks.note:T1:')
    """
    if not subscription.ordered:
        return ""
    value = {"channel": frame.channel_id, "user": frame.user_id}.get(subscription.ordered, "")
    return f"{subscription.task}:{key}:{harmless(value) if value else ''}"


def task_of(lane: str) -> str:
    """The task of a lane.

    >>> task_of("tasks.note:T1:C1")
    'tasks.note'
    """
    return lane.partition(":")[0]


def wake_up(event_id: str, lane: str, failures: int = 0) -> dict[str, Any]:
    """What the task message of an ordered handler carries.

    Args:
        event_id: names the event for people; which one is handled is the lane's to say.
        lane: the lane that is to be looked at.
        failures: how often the event at its head had failed, where this is the message to try it again.
    """
    return {"id": event_id, "lane": lane, **({"failures": failures} if failures else {})}


def is_wake_up(argument: object) -> bool:
    """Whether a task's argument is a wake-up, and not an event."""
    return isinstance(argument, Mapping) and "lane" in argument and "payload" not in argument


class Head(NamedTuple):
    """The event at a lane's head.

    Attributes:
        envelope: as JSON.
        failures: how often it has failed.
        lost: how many runs in a row had it and never said what became of it.
    """

    envelope: bytes
    failures: int = 0
    lost: int = 0


class Pause(NamedTuple):
    """The event at a lane's head has failed, and is to be tried again.

    Attributes:
        seconds: until then.
        failures: how often it has failed.
    """

    seconds: float
    failures: int


class Struck(NamedTuple):
    """What comes after an event that was struck out.

    Attributes:
        kept: False where another run has the lane; then nothing was struck out.
        head: the next event, if the run asked for it and there is one.
        rest: the id of the event that waits in the lane which the run gave back; empty where none does.
    """

    kept: bool = True
    head: Head | None = None
    rest: str = ""
