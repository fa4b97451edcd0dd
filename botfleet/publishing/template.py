"""Celery messages from a template: what `apply_async` takes 350 µs to build is built once per subscription.

A template is a real message: `app.send_task` publishes a sample through kombu's in-memory transport, and
the places that differ from event to event are cut out of it. So whatever the installed Celery and kombu put
into a message is in ours too; `tests/integration/test_messages.py` holds them equal. The broker's script
(`lua/publish.lua`) fills the places in, so that only what is an event's own goes over the wire for it.

A message's body is base64. Three bytes make four letters, so texts whose lengths are multiples of three can
be encoded apart and put together: the frame of a body is encoded once, an event once for all its handlers,
and the script can put a batch together of the events that are new. Spaces fill up; JSON allows it.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from binascii import b2a_base64
from datetime import UTC, datetime
from typing import Any

# Loaded now, for a process whose files are used up can't load them when the first event comes.
import celery.app.amqp  # noqa: F401
import kombu.transport.memory  # noqa: F401
from kombu import Connection, Exchange, Producer, Queue
from kombu.utils.json import dumps

from ..errors import PublishError
from ..model import Subscription
from ..redaction import BATCH, HIDDEN_KEYWORDS, describe_event

#: Names that no message contains by chance, with the letters that the script knows their places by.
_ID, _BODY, _EXPIRES, _TAG, _EVENT = (
    f"~botfleet-{name}~" for name in ("id", "body", "expires", "tag", "event")
)
_LETTERS = {_ID: "I", _BODY: "B", _EXPIRES: "X", _TAG: "T"}
_PLACES = re.compile("|".join(_LETTERS))
_FILLING = (b"", b"  ", b" ")


def encode_event(envelope: bytes) -> bytes:
    """An event's part of a body, in base64."""
    return b2a_base64(envelope + _FILLING[len(envelope) % 3], newline=False)


class Template:
    """The messages of one subscription.

    Attributes:
        queue: where they go.
        places: the letters of what is filled in, in order.
        literals: what stands before, between and after the places.
        max_age: seconds after which a message expires; None for never.

    Args:
        app: the Celery app, for its serializer, protocol and queues.
        subscription: whose messages.
        queue: the queue's name.

    Raises:
        PublishError: no message can be made now: the process has no file left to load Celery's parts with.
    """

    def __init__(self, app: Any, subscription: Subscription, queue: str) -> None:
        self.queue = queue
        self.max_age = message_age(subscription)
        try:
            message = _sample(app, subscription, queue)
        except (OSError, ImportError) as exc:
            raise PublishError(f"no message can be made: {type(exc).__name__}: {exc}") from exc
        body = base64.b64decode(message["body"]).decode()
        before, after = (part.encode() for part in body.split(json.dumps(_EVENT)))
        frame = encode_event(before), b2a_base64(after, newline=False)
        message["body"] = _BODY.join(part.decode() for part in frame)
        message["properties"]["delivery_tag"] = _TAG
        if self.max_age is not None:
            message["headers"]["expires"] = _EXPIRES
        text = dumps(message)
        self.places = "".join(_LETTERS[place] for place in _PLACES.findall(text))
        self.literals = [part.encode() for part in _PLACES.split(text)]

    def expiry(self, received_at: float) -> str:
        """When the message of an event that came at this time expires; empty where none does."""
        if self.max_age is None:
            return ""
        return datetime.fromtimestamp(received_at + self.max_age, UTC).isoformat()


def _sample(app: Any, subscription: Subscription, queue: str) -> dict[str, Any]:
    """Publishes one message to a queue in memory and takes it out again."""
    place = f"botfleet.sample.{uuid.uuid4().hex}"
    with Connection("memory://") as connection:
        channel = connection.channel()
        producer = Producer(channel, auto_declare=False)
        app.send_task(
            subscription.task,
            args=[[_EVENT] if subscription.batch else _EVENT],
            kwargs=subscription.kwargs,
            producer=producer,
            **publish_options(_ID, subscription),
            queue=Queue(place, Exchange(place, type="direct")),
            declare=[],
        )
        message: dict[str, Any] = channel._get(place)
    message["properties"]["delivery_info"]["routing_key"] = queue
    return message


def message_age(subscription: Subscription) -> float | None:
    """Seconds after which a message is of no use; None for never.

    As it is with an ordered handler's: its message may be the one that wakes the lane for other events.
    """
    return None if subscription.ordered else subscription.max_age


def publish_options(event_id: str, subscription: Subscription) -> dict[str, Any]:
    """The options that `send_task` gets for a message, on any broker."""
    return {
        # In every log line of Celery's and in Flower's list.
        "task_id": f"{event_id}:{subscription.task}",
        "argsrepr": BATCH if subscription.batch else describe_event([{"id": event_id}]),
        "kwargsrepr": HIDDEN_KEYWORDS if subscription.kwargs else "{}",
        "expires": message_age(subscription),
        "ignore_result": True,
        "add_to_parent": False,
    }
