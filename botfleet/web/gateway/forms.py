"""Slash commands and interactive payloads: forms that become events."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from ...slack.envelope import harmless
from ...slack.frames import Frame
from ...slack.frames import decode as decode_frame
from .answers import malformed
from .deliveries import homes_of

#: The type of the event that a slash command becomes.
SLASH_COMMAND = "slash_command"
#: The types of payloads about a view, which carry no trigger of their own.
_OF_VIEWS = ("view_submission", "view_closed")
#: Fields that a form may have; Slack's have about fifteen.
_MAX_FIELDS = 100

_encode = msgspec.json.encode


class Submission(NamedTuple):
    """What somebody did in Slack, as an event.

    Attributes:
        frame: its routing fields.
        payload: as handlers get it: Slack's, but for the verification token, which is a secret.
        homes: where its bot may live, most likely first.
        mark: what tells it from others of its bot and type.
    """

    frame: Frame
    payload: bytes
    homes: list[str]
    mark: str

    def id_for(self, key: str) -> str:
        """The id of the event of a bot."""
        return harmless(f"{key}:{self.frame.type}:{self.mark}")

    def __repr__(self) -> str:
        return f"<Submission {self.frame.type}>"


class _Named(msgspec.Struct, frozen=True):
    """Something with an id."""

    id: Any = None
    hash: Any = None


class _Interaction(msgspec.Struct, frozen=True):
    """The fields of an interactive payload that routing needs."""

    type: str = ""
    team: _Named | None = None
    enterprise: _Named | None = None
    is_enterprise_install: Any = False
    trigger_id: Any = None
    view: _Named | None = None


_interaction = msgspec.json.Decoder(_Interaction)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def fields_of(body: str) -> dict[str, str]:
    """A form's fields; of one that is there several times the last.

    Raises:
        Refused: it is no form, or one of too many fields.
    """
    try:
        return dict(parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS))
    except ValueError:
        raise malformed("The body is no form.") from None


def checks_certificate(body: str) -> bool:
    """Whether Slack only looks at the certificate of an address for forms."""
    return fields_of(body).get("ssl_check") == "1"


def slash_command(fields: Mapping[str, str]) -> Submission:
    """The event of a slash command; its payload is the form's fields.

    Raises:
        Refused: no command is named.
    """
    if not fields.get("command"):
        raise malformed("The form names no command.")
    payload = _encode({name: value for name, value in fields.items() if name != "token"})
    frame = decode_frame(payload)
    if frame is None:
        raise malformed("The form can't be read.")
    homes = homes_of(fields.get("team_id"), fields.get("enterprise_id"), fields.get("is_enterprise_install"))
    mark = fields.get("trigger_id") or _digest(payload)
    return Submission(msgspec.structs.replace(frame, type=SLASH_COMMAND), payload, homes, mark)


def interaction(fields: Mapping[str, str]) -> Submission:
    """The event of an interactive payload: buttons, menus, views, shortcuts.

    Raises:
        Refused: the form has no payload, or one that is no JSON object with a type.
    """
    raw = fields.get("payload", "").encode(errors="replace")
    try:
        known = _interaction.decode(raw)
        members = _members.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        raise malformed("The form has no payload that is a JSON object.") from None
    if "token" in members:
        del members["token"]
        raw = _encode(members)
    frame = decode_frame(raw)
    if frame is None or not frame.type:
        raise malformed("The payload has no type.")
    homes = homes_of(
        known.team and known.team.id, known.enterprise and known.enterprise.id, known.is_enterprise_install
    )
    return Submission(frame, raw, homes, _mark_of(known, raw))


def _mark_of(known: _Interaction, raw: bytes) -> str:
    view = known.view
    if known.type in _OF_VIEWS and view is not None and isinstance(view.id, str):
        return f"{view.id}.{view.hash}" if isinstance(view.hash, str) else f"{view.id}.{_digest(raw)}"
    return known.trigger_id if isinstance(known.trigger_id, str) and known.trigger_id else _digest(raw)


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]
