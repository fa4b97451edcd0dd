"""What Slack's events change of what is known: each kind of event is a line of `CHANGES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from ..event import Event
from .entries import BotUser, Channel, Team, User
from .shelf import Shelf


class Shelves(NamedTuple):
    """All that a directory has."""

    channels: Shelf[Channel]
    users: Shelf[User]
    bots: Shelf[BotUser]
    teams: Shelf[Team]


def follow(event: Event, shelves: Shelves) -> None:
    """Changes what an event says has changed; nothing where that is not known, or known better."""
    change = CHANGES.get(event.type)
    if change is not None:
        change(event, shelves)


def _created(event: Event, shelves: Shelves) -> None:
    made = Channel.of(_object(event, "channel"))
    shelves.channels.change(made.id, event.received_at, lambda old: made, new=True)


def _joined(event: Event, shelves: Shelves) -> None:
    """The bot is in a channel now: of a private one, this is the first that it hears."""
    made = Channel.of({**_object(event, "channel"), "is_member": True})
    shelves.channels.change(made.id, event.received_at, lambda old: made, new=True)


def _renamed(event: Event, shelves: Shelves) -> None:
    _set(event, shelves, name=Channel.of(_object(event, "channel")).name)


def _archived(event: Event, shelves: Shelves) -> None:
    _set(event, shelves, is_archived=True)


def _unarchived(event: Event, shelves: Shelves) -> None:
    _set(event, shelves, is_archived=False)


def _deleted(event: Event, shelves: Shelves) -> None:
    _change(event, shelves, lambda old: None)


def _set(event: Event, shelves: Shelves, **fields: Any) -> None:
    def changed(old: Channel | None) -> Channel | None:
        return None if old is None else msgspec.structs.replace(old, **fields)

    _change(event, shelves, changed)


def _change(event: Event, shelves: Shelves, change: Callable[[Channel | None], Channel | None]) -> None:
    shelves.channels.change(event.channel or "", event.received_at, change)


def _id_changed(event: Event, shelves: Shelves) -> None:
    """A channel that is shared with another team from now on has a new id."""
    shelves.channels.change(str(event.get("old_channel_id")), event.received_at, lambda old: None)


def _user_changed(event: Event, shelves: Shelves) -> None:
    made = User.of(_object(event, "user"))
    shelves.users.change(made.id, event.received_at, lambda old: made)


def _user_came(event: Event, shelves: Shelves) -> None:
    made = User.of(_object(event, "user"))
    shelves.users.change(made.id, event.received_at, lambda old: made, new=True)


def _bot_changed(event: Event, shelves: Shelves) -> None:
    made = BotUser.of(_object(event, "bot"))
    shelves.bots.change(made.id, event.received_at, lambda old: made)


def _team_changed(event: Event, shelves: Shelves) -> None:
    shelves.teams.change(event.team_id, event.received_at, lambda old: None)


def _object(event: Event, field: str) -> Mapping[str, Any]:
    found = event.get(field)
    return found if isinstance(found, Mapping) else {}


CHANNEL_CHANGES: dict[str, Callable[[Event, Shelves], None]] = {
    "channel_created": _created,
    "channel_joined": _joined,
    "group_joined": _joined,
    "channel_rename": _renamed,
    "group_rename": _renamed,
    "channel_archive": _archived,
    "group_archive": _archived,
    "channel_unarchive": _unarchived,
    "group_unarchive": _unarchived,
    "channel_deleted": _deleted,
    "group_deleted": _deleted,
    "channel_id_changed": _id_changed,
}
USER_CHANGES: dict[str, Callable[[Event, Shelves], None]] = {
    "team_join": _user_came,
    "user_change": _user_changed,
}
BOT_CHANGES: dict[str, Callable[[Event, Shelves], None]] = {
    "bot_added": _bot_changed,
    "bot_changed": _bot_changed,
}
TEAM_CHANGES: dict[str, Callable[[Event, Shelves], None]] = {
    "team_domain_change": _team_changed,
    "team_rename": _team_changed,
}
CHANGES = {**CHANNEL_CHANGES, **USER_CHANGES, **BOT_CHANGES, **TEAM_CHANGES}
