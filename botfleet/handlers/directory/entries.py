"""What the directory knows of a channel, a user, a bot and the team; made of Slack's objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import msgspec

Fields = Mapping[str, Any]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that has an id.

    Attributes:
        id: Slack's.
        known: false where Slack knows nothing of the id (or tells this bot nothing): all else is empty then.
    """

    id: str
    known: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """What it is found by, beside its id."""
        return ()

    @classmethod
    def of(cls, fields: Fields) -> Self:
        """Makes an entry of Slack's object."""
        return cls(id=_text(fields, "id"))

    def __repr__(self) -> str:
        # Names are people's own business, and a repr ends up in logs.
        return f"<{type(self).__name__} {self.id}>"


class Channel(Entry, frozen=True, kw_only=True, omit_defaults=True):
    """A channel, private or public, or a direct message.

    Attributes:
        name: without `#`; empty for direct messages.
        is_private: also for direct messages.
        is_member: whether the bot is in it, as far as Slack said.
        user: with whom, in a direct message.
    """

    name: str = ""
    is_private: bool = False
    is_im: bool = False
    is_mpim: bool = False
    is_archived: bool = False
    is_member: bool = False
    user: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name; none where nobody can speak in it any more."""
        return () if self.is_archived else _folded(self.name)

    @classmethod
    def of(cls, fields: Fields) -> Self:
        """Makes a channel of Slack's conversation object."""
        is_im = fields.get("is_im") is True
        return cls(
            id=_text(fields, "id"),
            name=_text(fields, "name"),
            is_private=is_im or fields.get("is_private") is True or fields.get("is_group") is True,
            is_im=is_im,
            is_mpim=fields.get("is_mpim") is True,
            is_archived=fields.get("is_archived") is True,
            is_member=fields.get("is_member") is True,
            user=_text(fields, "user"),
        )


class User(Entry, frozen=True, kw_only=True, omit_defaults=True):
    """A person, or a bot's user.

    Attributes:
        name: the handle, one of its kind in the team.
        real_name: may be any.
        display_name: what the person wants to be called; may be empty, and others may have the same.
        deleted: the account is closed.
        tz: the time zone's name, `Europe/Berlin`; empty where Slack does not say.
    """

    name: str = ""
    real_name: str = ""
    display_name: str = ""
    is_bot: bool = False
    deleted: bool = False
    tz: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Handle and display name; none of an account that is closed."""
        return () if self.deleted else _folded(self.name, self.display_name)

    @property
    def label(self) -> str:
        """What to call them: the display name, else the handle, else the id."""
        return self.display_name or self.name or self.id

    @classmethod
    def of(cls, fields: Fields) -> Self:
        """Makes a user of Slack's user object."""
        profile = fields.get("profile")
        profile = profile if isinstance(profile, Mapping) else {}
        return cls(
            id=_text(fields, "id"),
            name=_text(fields, "name"),
            real_name=_text(profile, "real_name") or _text(fields, "real_name"),
            display_name=_text(profile, "display_name"),
            is_bot=fields.get("is_bot") is True,
            deleted=fields.get("deleted") is True,
            tz=_text(fields, "tz"),
        )


class BotUser(Entry, frozen=True, kw_only=True, omit_defaults=True):
    """An integration that posts, by the `bot_id` of its messages.

    Attributes:
        name: as its messages show it.
        app_id: the app that it belongs to.
        user: its user, where it has one.
    """

    name: str = ""
    app_id: str = ""
    user: str = ""
    deleted: bool = False

    @classmethod
    def of(cls, fields: Fields) -> Self:
        """Makes a bot of Slack's bot object."""
        return cls(
            id=_text(fields, "id"),
            name=_text(fields, "name"),
            app_id=_text(fields, "app_id"),
            user=_text(fields, "user_id"),
            deleted=fields.get("deleted") is True,
        )


class Team(Entry, frozen=True, kw_only=True, omit_defaults=True):
    """A workspace.

    Attributes:
        name: as people see it.
        url: `https://acme.slack.com/`.
    """

    name: str = ""
    url: str = ""

    @property
    def domain(self) -> str:
        """The first part of its address: `acme`."""
        return self.url.partition("://")[2].partition(".")[0]

    @classmethod
    def of(cls, fields: Fields) -> Self:
        """Makes a team of what auth.test answers."""
        url = _text(fields, "url")
        return cls(id=_text(fields, "team_id"), name=_text(fields, "team"), url=url and url.rstrip("/") + "/")


def folded(name: str) -> str:
    """A name as it is compared: whatever its case and its white space, and without what can't be seen.

    >>> folded("  Alice\\tLiddell ")
    'alice liddell'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in name).split()).casefold()


def _folded(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for name in names if (found := folded(name))))


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
