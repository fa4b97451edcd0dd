"""A gateway without HTTP: slash commands and clicks of a sandbox in the same process become events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ..holder.teller import Publish
from ..model import bot_key
from ..sandbox.outgoing import Delivery, Reply
from ..slack.envelope import Origin
from ..slack.frames import decode
from ..store.base import Store

#: What a slash command's event is called, which has no type of its own.
_SLASH_COMMAND = "slash_command"
_TAKEN = Reply(200)


class InnerOutbox:
    """Takes what the sandbox sends to the team's app. Events are left out: they come over the socket.

    Args:
        store: knows the bots.
        namespace: of the bots.
        publish: takes what becomes an event.
    """

    is_crowded = False

    def __init__(self, store: Store, namespace: str, publish: Publish) -> None:
        self._store = store
        self._namespace = namespace
        self._publish = publish

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Sends some, and answers as a gateway does: at once, with nothing."""
        for delivery in deliveries:
            if delivery.kind in ("command", "interactive"):
                self._take(delivery)
                if delivery.answered is not None:
                    delivery.answered(_TAKEN)

    def _take(self, delivery: Delivery) -> None:
        bot = self._store.bot(bot_key(delivery.team_id, self._namespace))
        raw = json.dumps(_payload(delivery)).encode()
        frame = decode(raw, _SLASH_COMMAND)
        if bot is not None and frame is not None:
            self._publish(Origin.of(msgspec.structs.replace(bot, transport="http")), frame, raw, "")


def _payload(delivery: Delivery) -> dict[str, Any]:
    """The event's payload: without the verification token, as the gateway gives it to handlers."""
    form: dict[str, Any] = dict(parse_qsl(delivery.body.decode(), keep_blank_values=True))
    payload = form if delivery.kind == "command" else json.loads(form["payload"])
    return {name: value for name, value in payload.items() if name != "token"}
