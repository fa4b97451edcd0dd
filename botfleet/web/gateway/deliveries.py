"""What the Events API sends, decoded as far as routing needs; the event itself passes as Slack's bytes."""

from __future__ import annotations

import re
from typing import Any, TypeGuard

import msgspec

from ...slack.frames import Frame
from ...slack.frames import decode as decode_frame
from .answers import malformed

#: Ids that are worth looking for. A dash parts namespaces from teams in keys: an id with one in it would name
#: another app's bot.
_ID = re.compile(r"[A-Za-z0-9]{1,100}").fullmatch


class Authorization(msgspec.Struct, frozen=True):
    """One installation that an event is visible to."""

    team_id: Any = None
    enterprise_id: Any = None
    is_enterprise_install: Any = False


class Delivery(msgspec.Struct, frozen=True):
    """The outer object of one request of the Events API. Fields may be of unexpected types."""

    type: str = ""
    challenge: Any = None
    team_id: Any = None
    enterprise_id: Any = None
    event_id: Any = None
    event_time: Any = None
    minute_rate_limited: Any = None
    authorizations: tuple[Authorization, ...] | None = None
    #: As it was sent.
    event: msgspec.Raw = msgspec.Raw()

    @property
    def homes(self) -> list[str]:
        """Where its bot may live, most likely first; see `homes_of`."""
        first = self.authorizations[0] if self.authorizations else None
        if first is None:
            return homes_of(self.team_id, self.enterprise_id, False)
        found = homes_of(first.team_id, first.enterprise_id, first.is_enterprise_install)
        return found or homes_of(self.team_id, self.enterprise_id, False)

    def __repr__(self) -> str:
        return f"<Delivery {self.type}>"


class Revoked(msgspec.Struct, frozen=True):
    """Whose tokens a `tokens_revoked` is about: ids of users."""

    class Tokens(msgspec.Struct, frozen=True):
        """By kind of token."""

        bot: Any = ()

    tokens: Tokens = Tokens()


_decoder = msgspec.json.Decoder(Delivery)
_revoked = msgspec.json.Decoder(Revoked)


def homes_of(team: object, enterprise: object, org_wide: object) -> list[str]:
    """Where a bot may live: with an installation for the whole organisation first there.

    >>> homes_of("T1", "E1", False), homes_of("T1", "E1", "true"), homes_of(None, "E1", False)
    (['T1'], ['E1', 'T1'], ['E1'])
    >>> homes_of("other-T1", None, False)
    []
    """
    wide = org_wide is True or org_wide == "true"
    if not wide and _is_id(team):
        return [team]  # Most events' only place.
    places = [enterprise if wide or not team else None, team]
    return [one for one in places if _is_id(one)]


def _is_id(one: object) -> TypeGuard[str]:
    return isinstance(one, str) and _ID(one) is not None


def decode(body: bytes) -> Delivery:
    """Decodes a body, which is UTF-8.

    Raises:
        Refused: it is no JSON object, or one of an impossible form.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raise malformed("The body is no JSON of the Events API.") from None


def event_of(delivery: Delivery) -> tuple[Frame, bytes]:
    """The event of an `event_callback`, and its bytes.

    Raises:
        Refused: there is none, or it has no type.
    """
    raw = bytes(delivery.event)
    frame = decode_frame(raw)
    if frame is None or not frame.type:
        raise malformed("The event is no object with a type.")
    return frame, raw


def revoked_bots(raw: bytes) -> list[str]:
    """The users whose bot tokens a `tokens_revoked` names."""
    try:
        named = _revoked.decode(raw).tokens.bot
    except (msgspec.DecodeError, RecursionError):
        return []
    return [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
