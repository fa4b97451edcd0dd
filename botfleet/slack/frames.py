"""Slack's JSON, decoded as far as routing needs: the rest of a frame is never touched.

`Frame` names the few fields that decide what a frame is, where it goes and what makes it unique. msgspec
skips all others, so decoding costs about a microsecond however large the frame is.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

#: Slack closes a connection on which a longer frame is sent, bytes.
FRAME_LIMIT = 16 * 1024


class _Action(msgspec.Struct):
    action_id: str = ""


class _View(msgspec.Struct):
    id: str = ""
    hash: str = ""
    callback_id: str = ""


_actions_decoder = msgspec.json.Decoder(list[_Action])
_view_decoder = msgspec.json.Decoder(_View)


class Frame(msgspec.Struct, frozen=True, rename={"named_channel": "channel_id", "named_user": "user_id"}):
    """The routing fields of one RTM frame, Events API event, slash command or interactive payload.

    Any of them may be of an unexpected type.
    """

    type: str = ""
    subtype: Any = None
    channel: Any = None
    user: Any = None
    text: Any = None
    ts: Any = None
    event_ts: Any = None
    bot_id: Any = None
    channel_type: Any = None
    item: Any = None
    #: Of a message_changed: the message as it is now.
    message: Any = None
    reply_to: Any = None
    ok: Any = None
    error: Any = None
    reaction: Any = None
    #: As they were sent: nothing here reads them.
    attachments: msgspec.Raw = msgspec.Raw()
    #: `channel_id` and `user_id`, as events about files have them.
    named_channel: Any = None
    named_user: Any = None
    #: Of a slash command: itself, as `/deploy`, and its channel's name.
    command: Any = None
    channel_name: Any = None
    #: Of what somebody did to a button, a menu or a form.
    trigger_id: Any = None
    callback_id: Any = None
    actions: msgspec.Raw = msgspec.Raw()
    view: msgspec.Raw = msgspec.Raw()

    @property
    def channel_id(self) -> str:
        """The channel's id, wherever this kind of event has it; empty where it has none."""
        if isinstance(self.channel, str):
            return self.channel
        for place, name in ((self.channel, "id"), (self.item, "channel")):
            if isinstance(place, dict) and isinstance(place.get(name), str):
                return str(place[name])
        return self.named_channel if isinstance(self.named_channel, str) else ""

    @property
    def user_id(self) -> str:
        """The acting user's id; empty where there is none."""
        if isinstance(self.user, dict):
            return str(self.user.get("id", ""))
        if self.user is None and isinstance(self.message, dict):
            return str(self.message.get("user", ""))
        user = self.named_user if self.user is None else self.user
        return user if isinstance(user, str) else ""

    @property
    def time(self) -> str:
        """The timestamp that is this event's own (`event_ts`, else `ts`); empty for one without.

        The `ts` of `channel_marked` and its like is that of the message up to which somebody has read.
        """
        own = self.event_ts
        if not own and not self.type.endswith("_marked"):
            own = self.ts
        return own if isinstance(own, str) else ""

    @property
    def place(self) -> str:
        """A channel's name, where slash commands and interactive payloads have it; else empty.

        Slack calls every private channel `privategroup` there, and every direct message `directmessage`.
        """
        name = self.channel.get("name") if isinstance(self.channel, dict) else self.channel_name
        return name if isinstance(name, str) else ""

    @property
    def action_ids(self) -> tuple[str, ...]:
        """The ids of the buttons and menus that were used; decoded with each call."""
        try:
            return tuple(one.action_id for one in _actions_decoder.decode(self.actions or b"[]"))
        except msgspec.DecodeError:
            return ()

    @property
    def callback(self) -> str:
        """The `callback_id` of a view, a shortcut or an old message's buttons; decoded with each call."""
        own = self.callback_id or self._view.callback_id
        return own if isinstance(own, str) else ""

    @property
    def interaction(self) -> str:
        """What tells one use of a command, button or form from all others; empty for other events."""
        view = self._view
        if self.type in ("view_submission", "view_closed") and view.id:
            return f"{view.id}.{view.hash}"
        return self.trigger_id if isinstance(self.trigger_id, str) else ""

    @property
    def _view(self) -> _View:
        try:
            return _view_decoder.decode(self.view or b"{}")
        except msgspec.DecodeError:
            return _View()

    @property
    def has_attachments(self) -> bool:
        """Whether a message has attachments."""
        raw = bytes(self.attachments).strip()
        return raw.startswith(b"[") and raw[1:].lstrip() != b"]"

    def __repr__(self) -> str:
        return f"<Frame {self.type} {self.channel_id} {self.time}>"


_decoder = msgspec.json.Decoder(Frame)


def decode(raw: bytes, kind: str = "") -> Frame | None:
    """Decodes a frame; None for what is no JSON object in UTF-8, or has a `type` that is no text.

    Args:
        raw: JSON.
        kind: the type of what has none itself, as a slash command.

    >>> decode(b'{"type":"hello"}').type, decode(b'{"command":"/deploy"}', "slash_command").type
    ('hello', 'slash_command')
    >>> decode(b'[1]') is None
    True
    """
    try:
        if not raw.isascii():
            raw.decode()  # msgspec does not look into the fields that it skips.
        frame = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return msgspec.structs.replace(frame, type=kind) if kind and not frame.type else frame


_TYPE_FIRST = b'{"type":"'


def peek_type(raw: bytes) -> bytes:
    """A frame's type where it stands first, as Slack writes it; empty elsewhere. Looks at nothing else.

    >>> peek_type(b'{"type":"user_typing","channel":"C1"}'), peek_type(b'{"ok":true}')
    (b'user_typing', b'')
    """
    if not raw.startswith(_TYPE_FIRST):
        return b""
    return raw[len(_TYPE_FIRST) : raw.find(b'"', len(_TYPE_FIRST))]


def encode(frame: dict[str, Any]) -> str:
    """Encodes an outgoing frame."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
