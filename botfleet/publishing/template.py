"""Celery messages from a template: what `apply_async` takes 350 µs to build is built once per subscription.

A template is a real message: `app.send_task` publishes a sample through kombu's in-memory transport, and
the places that differ from event to event are cut out of it. So whatever the installed Celery and kombu put
into a message is in ours too; `tests/integration/test_messages.py` holds them equal.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from kombu import Connection, Exchange, Producer, Queue
from kombu.utils.json import dumps

from ..model import Subscription
from ..redaction import HIDDEN_KEYWORDS, describe_event

#: Names that no message contains by chance.
_ID, _EVENT, _EXPIRES, _TAG = (f"~botfleet-{name}~" for name in ("id", "event", "expires", "tag"))
_PLACES = re.compile("~botfleet-(?:id|body|expires|tag)~")
_BODY = "~botfleet-body~"


class Template:
    """The messages of one subscription.

    Args:
        app: the Celery app, for its serializer, protocol and queues.
        subscription: whose messages.
        queue: the queue's name.
    """

    def __init__(self, app: Any, subscription: Subscription, queue: str) -> None:
        self.queue = queue
        self._subscription = subscription
        message = _sample(app, subscription, queue)
        body = base64.b64decode(message["body"]).decode()
        self._before, self._after = (part.encode() for part in body.split(json.dumps(_EVENT)))
        message["body"] = _BODY
        message["properties"]["delivery_tag"] = _TAG
        if subscription.max_age is not None:
            message["headers"]["expires"] = _EXPIRES
        text = dumps(message)
        self._parts = [part.encode() for part in _PLACES.split(text)]
        self._places = _PLACES.findall(text)
        # The broker tells unacknowledged messages apart by this tag.
        self._nonce = uuid.uuid4().hex
        self._count = itertools.count(1)

    def render(self, event_id: str, envelope: bytes, received_at: float) -> bytes:
        """Returns the message for an event, ready for the queue."""
        values = {
            _ID: event_id.encode(),
            _BODY: base64.b64encode(b"%b%b%b" % (self._before, envelope, self._after)),
            _TAG: f"{self._nonce}-{next(self._count)}".encode(),
        }
        if self._subscription.max_age is not None:
            expires = datetime.fromtimestamp(received_at + self._subscription.max_age, UTC)
            values[_EXPIRES] = expires.isoformat().encode()
        filled = [values[place] for place in self._places]
        return b"".join(piece for pair in zip(self._parts, [*filled, b""], strict=True) for piece in pair)


def _sample(app: Any, subscription: Subscription, queue: str) -> dict[str, Any]:
    """Publishes one message to a queue in memory and takes it out again."""
    place = f"botfleet.sample.{uuid.uuid4().hex}"
    with Connection("memory://") as connection:
        channel = connection.channel()
        producer = Producer(channel, auto_declare=False)
        app.send_task(
            subscription.task,
            args=[_EVENT],
            kwargs=subscription.kwargs,
            producer=producer,
            **publish_options(_ID, subscription),
            queue=Queue(place, Exchange(place, type="direct")),
            declare=[],
        )
        message: dict[str, Any] = channel._get(place)
    message["properties"]["delivery_info"]["routing_key"] = queue
    return message


def publish_options(event_id: str, subscription: Subscription) -> dict[str, Any]:
    """The options that `send_task` gets for an event's message, on any broker."""
    return {
        # In every log line of Celery's and in Flower's list.
        "task_id": f"{event_id}:{subscription.task}",
        "argsrepr": describe_event([{"id": event_id}]),
        "kwargsrepr": HIDDEN_KEYWORDS if subscription.kwargs else "{}",
        "expires": subscription.max_age,
        "ignore_result": True,
        "add_to_parent": False,
    }
