"""The world that the sandbox pretends: teams, users, channels, tokens and messages.

Plain state: no I/O, no loop, and time comes in. Every id follows from the order of creation, so a sandbox
that is started again with the same arguments knows the same teams and tokens.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from .apps import CLASSIC_SCOPES, HTTP_SCOPES, App, Transport, fake_app

HISTORY = 10_000
"""Messages kept per channel; older ones are forgotten."""

BOT_NAME = "botfleet"
TEAM_NAMES = ("Acme Inc", "Globex", "Initech", "Hooli")
PEOPLE = (("alice", "Alice Liddell"), ("bob", "Bob Cratchit"), ("carol", "Carol Kennicott"))

ChannelKind = Literal["channel", "group", "im"]
Json = dict[str, Any]

_CHANNEL = re.compile(r"(?<![\w<&#])#([a-z0-9][a-z0-9_-]*)", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w<@])@([a-z0-9][a-z0-9._-]*)", re.IGNORECASE)


def microseconds(ts: str) -> int:
    """Turn Slack's timestamp into a number that orders as Slack orders.

    >>> microseconds("1700000000.000100")
    1700000000000100

    Raises:
        ValueError: it is not a timestamp.
    """
    seconds, _, fraction = ts.partition(".")
    return int(seconds) * 1_000_000 + int(fraction.ljust(6, "0")[:6] or 0)


def timestamp(micros: int) -> str:
    """Write microseconds as Slack does: ``1700000000.000100``."""
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


@dataclass(slots=True)
class User:
    """A human member or the bot's user."""

    id: str
    name: str
    real_name: str
    team_id: str
    is_bot: bool = False
    display_name: str | None = None  # the name, where they chose no other

    def as_slack(self) -> Json:
        """Give the user object of ``users.info``."""
        return {
            "id": self.id,
            "team_id": self.team_id,
            "name": self.name,
            "deleted": False,
            "real_name": self.real_name,
            "tz": "Etc/UTC",
            "tz_offset": 0,
            "is_bot": self.is_bot,
            "is_admin": False,
            "is_app_user": False,
            "updated": 1_700_000_000,
            "profile": {
                "real_name": self.real_name,
                "display_name": self.name if self.display_name is None else self.display_name,
                "team": self.team_id,
            },
        }


@dataclass(slots=True)
class Message:
    """A message in a channel's history."""

    ts: str
    user: str
    text: str
    thread_ts: str | None = None
    bot_id: str | None = None
    extras: Json | None = None  # attachments, blocks, username, icons: as given
    edited: Json | None = None
    reactions: dict[str, list[str]] | None = None
    replies: int = 0
    app_id: str | None = None  # of the app that posted it

    @property
    def is_reply(self) -> bool:
        """Whether it stands in a thread and not in the channel."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    def as_slack(self) -> Json:
        """Give the message object as Web API answers and events hold it."""
        shown: Json = {"type": "message", "user": self.user, "text": self.text, "ts": self.ts}
        optional = {"bot_id": self.bot_id, "thread_ts": self.thread_ts, "edited": self.edited}
        shown.update({key: value for key, value in optional.items() if value is not None})
        if self.extras:
            shown.update(self.extras)
        if self.reactions:
            shown["reactions"] = [
                {"name": name, "users": users, "count": len(users)} for name, users in self.reactions.items()
            ]
        if self.replies:
            shown["reply_count"] = self.replies
        return shown


@dataclass(slots=True)
class Channel:
    """A public channel, a private group, or a direct message with the bot."""

    id: str
    name: str
    kind: ChannelKind
    members: list[str]
    messages: dict[str, Message] = field(default_factory=dict)
    last: int = 0  # microseconds of the newest ts, as ts must grow within a channel
    archived: bool = False

    @property
    def user(self) -> str:
        """The human's id in a direct message."""
        return self.members[0]

    def as_slack(self, bot_user: str) -> Json:
        """Give the conversation object of ``conversations.list``."""
        shared: Json = {
            "id": self.id,
            "created": 1_700_000_000,
            "is_archived": self.archived,
            "is_channel": self.kind == "channel",
            "is_group": self.kind == "group",
            "is_im": self.kind == "im",
            "is_mpim": False,
            "is_private": self.kind != "channel",
        }
        if self.kind == "im":
            return {**shared, "user": self.user, "is_open": True, "is_user_deleted": False}
        return {
            **shared,
            "name": self.name,
            "name_normalized": self.name,
            "is_general": self.name == "general",
            "is_member": bot_user in self.members,
            "num_members": len(self.members),
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass(slots=True)
class File:
    """A file that was announced, brought, or shown; its bytes are only counted."""

    id: str
    name: str
    length: int  # as announced
    ticket: str
    received: int = 0
    title: str = ""
    shared: bool = False


@dataclass(slots=True)
class Token:
    """A bot token: one installation of an app.

    Attributes:
        value: the token itself.
        team_id: its team's; of an organisation's token, its first team's.
        error: what the Web API answers for it, or None while it is good.
        by_fault: whether a fault has killed it, so that clearing the faults does not undo a real auth.revoke.
        app: whose installation it is.
        transport: how its bot hears of events.
        scopes: what it was granted.
        enterprise_id: the organisation that it is good for in all teams, where it is.
    """

    value: str
    team_id: str
    error: str | None = None
    by_fault: bool = False
    app: App = field(default_factory=lambda: fake_app(1))
    transport: Transport = "rtm"
    scopes: tuple[str, ...] = CLASSIC_SCOPES
    enterprise_id: str | None = None


@dataclass(slots=True)
class Enterprise:
    """An organisation of several teams. The bot's user is the same in all of them."""

    id: str
    number: int
    name: str
    domain: str
    teams: list[Team] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)  # those that are good for all teams


@dataclass(slots=True)
class Team:
    """A workspace with its members, channels and installations of the bot."""

    id: str
    number: int
    name: str
    domain: str
    bot: User
    bot_id: str
    users: dict[str, User] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    enterprise: Enterprise | None = None
    files: dict[str, File] = field(default_factory=dict)
    tokens: list[Token] = field(default_factory=list)
    calls: dict[str, int] = field(default_factory=dict)  # by Web API method
    posted: dict[str, int] = field(default_factory=lambda: {"human": 0, "bot": 0})

    @property
    def humans(self) -> Iterator[User]:
        """The members that are no bots, oldest first."""
        return (user for user in self.users.values() if not user.is_bot)

    @property
    def good_for(self) -> list[Token]:
        """The tokens that work in this team, dead ones among them: its own first, then its organisation's."""
        return self.tokens + (self.enterprise.tokens if self.enterprise is not None else [])

    @property
    def bot_token(self) -> str:
        """The newest token that works, else the newest."""
        good = [token.value for token in self.tokens if token.error is None]
        return good[-1] if good else self.tokens[-1].value

    def user_named(self, name: str) -> User | None:
        """Find a member by name or id."""
        return self.users.get(name) or next((u for u in self.users.values() if u.name == name), None)

    def channel_named(self, name: str) -> Channel | None:
        """Find a channel by id, name or #name."""
        if name in self.channels:
            return self.channels[name]
        bare = name.removeprefix("#")
        return next((c for c in self.channels.values() if c.kind != "im" and c.name == bare), None)

    def direct_id(self, user: User) -> str:
        """Give the id that the direct message of this user and the bot has or would have."""
        return f"D{user.id[1:]}"

    def mentions(self, text: str) -> str:
        """Turn ``@name`` of a member into ``<@U…>``, ``#name`` into ``<#C…|name>``, as Slack's clients do."""

        def link(found: re.Match[str]) -> str:
            name = found[1].rstrip("._-").lower()
            user = self.user_named(found[1].lower()) or self.user_named(name)
            if user is None:
                return found[0]
            return f"<@{user.id}>{found[1][len(user.name) :]}"

        def link_channel(found: re.Match[str]) -> str:
            channel = self.channel_named(found[1])
            return found[0] if channel is None else f"<#{channel.id}|{channel.name}>"

        return _CHANNEL.sub(link_channel, _MENTION.sub(link, text))

    def summary(self) -> Json:
        """Give what a bot's owner needs to know: id, name, token."""
        return {"team_id": self.id, "name": self.name, "bot_token": self.bot_token}


class World:
    """All teams, and whose each token is."""

    def __init__(self, clock: Callable[[], float] = time.time, bot_name: str = BOT_NAME) -> None:
        self.clock = clock
        self.bot_name = bot_name
        self.teams: dict[str, Team] = {}
        self.enterprises: dict[str, Enterprise] = {}
        self.apps = [fake_app(1)]
        self.tokens: dict[str, Token] = {}
        self.uploads: dict[str, File] = {}  # by ticket, while their bytes are waited for
        self._moment = 0

    @property
    def app(self) -> App:
        """The first app, which is meant where none is named."""
        return self.apps[0]

    def add_app(self) -> App:
        """Create an app."""
        app = fake_app(len(self.apps) + 1)
        self.apps.append(app)
        return app

    def find_app(self, name: str) -> App | None:
        """Find an app by its id or its client id."""
        return next((app for app in self.apps if name in (app.app_id, app.client_id)), None)

    def add_enterprise(self, name: str) -> Enterprise:
        """Create an organisation, without teams."""
        number = len(self.enterprises) + 1
        enterprise = Enterprise(f"E{number:08d}", number, name, _domain(name))
        self.enterprises[enterprise.id] = enterprise
        return enterprise

    def add_team(
        self,
        name: str | None = None,
        *,
        enterprise: Enterprise | None = None,
        transport: Transport = "rtm",
    ) -> Team:
        """Create a team with its people, channels, bot and first token."""
        number = len(self.teams) + 1
        name = name or _team_name(number)
        team_id = f"T{number:08d}"
        # An organisation's people and bots have one id in all of its teams, and it begins with W.
        bot_user = f"U{number:05d}000" if enterprise is None else f"W{enterprise.number:08d}"
        bot_id = f"B{number:08d}" if enterprise is None else f"B9{enterprise.number:07d}"
        bot = User(bot_user, self.bot_name, self.bot_name.title(), team_id, is_bot=True)
        team = Team(team_id, number, name, _domain(name), bot, bot_id, enterprise=enterprise)
        for person, real_name in PEOPLE:
            self.add_user(team, person, real_name)
        team.users[bot.id] = bot
        self._add_channel(team, "general", "channel")
        self._add_channel(team, "random", "channel")
        self._add_channel(team, "secret-plans", "group")
        self.teams[team_id] = team
        if enterprise is not None:
            enterprise.teams.append(team)
        self.install(team, transport)
        return team

    def add_user(self, team: Team, name: str, real_name: str | None = None) -> User:
        """Let a human join a team and its #general."""
        number = len(team.users) + (0 if team.bot.id in team.users else 1)
        user = User(f"U{team.number:05d}{number:03d}", name, real_name or name.title(), team.id)
        team.users[user.id] = user
        general = team.channel_named("general")
        if general is not None:
            general.members.append(user.id)
        return user

    def create_channel(self, team: Team, name: str, kind: ChannelKind) -> Channel:
        """Create a channel: a public one of the humans, or a private one that the bot is in, too."""
        channel = self._add_channel(team, name, kind)
        if kind == "channel":
            channel.members.remove(team.bot.id)
        return channel

    def install(
        self,
        team: Team,
        transport: Transport = "rtm",
        app: App | None = None,
        scopes: tuple[str, ...] | None = None,
    ) -> Token:
        """Install an app in a team, once more where it is: a new token beside the old ones."""
        count = len(team.tokens) + 1
        value = f"xoxb-sandbox-{team.id}" + (f"-{count}" if count > 1 else "")
        token = Token(value, team.id, app=app or self.app, transport=transport)
        token.scopes = scopes or (CLASSIC_SCOPES if transport == "rtm" else HTTP_SCOPES)
        return self._keep(token, team.tokens)

    def install_everywhere(
        self, enterprise: Enterprise, app: App | None = None, scopes: tuple[str, ...] | None = None
    ) -> Token:
        """Install an app in a whole organisation, which has a team."""
        value = f"xoxb-sandbox-{enterprise.id}-{len(enterprise.tokens) + 1}"
        home = enterprise.teams[0].id
        token = Token(value, home, app=app or self.app, transport="http")
        token.scopes, token.enterprise_id = scopes or HTTP_SCOPES, enterprise.id
        return self._keep(token, enterprise.tokens)

    def _keep(self, token: Token, among: list[Token]) -> Token:
        among.append(token)
        self.tokens[token.value] = token
        return token

    def find_enterprise(self, name: str) -> Enterprise | None:
        """Find an organisation by id, name or domain."""
        found = (e for e in self.enterprises.values() if name in (e.id, e.name, e.domain))
        return next(found, None)

    def find_team(self, name: str) -> Team | None:
        """Find a team by id, name or domain."""
        if name in self.teams:
            return self.teams[name]
        return next((t for t in self.teams.values() if name in (t.name, t.domain)), None)

    def open_direct(self, team: Team, user: User) -> tuple[Channel, bool]:
        """Give the direct message of a user and the bot, and whether it is new."""
        channel_id = team.direct_id(user)
        known = team.channels.get(channel_id)
        if known is not None:
            return known, False
        channel = Channel(channel_id, user.name, "im", [user.id, team.bot.id])
        team.channels[channel_id] = channel
        return channel, True

    def next_moment(self) -> str:
        """Give a timestamp above every earlier one of this kind, for what happens in no channel."""
        self._moment = max(int(self.clock() * 1_000_000), self._moment + 1)
        return timestamp(self._moment)

    def next_ts(self, channel: Channel) -> str:
        """Give a timestamp above every earlier one of the channel."""
        now = int(self.clock() * 1_000_000)
        channel.last = max(now - now % 100, channel.last + 100)
        return timestamp(channel.last)

    def post(
        self,
        team: Team,
        channel: Channel,
        user: User,
        text: str,
        thread_ts: str | None = None,
        extras: Json | None = None,
    ) -> Message:
        """Write a message into a channel's history."""
        bot_id = team.bot_id if user.is_bot else None
        message = Message(self.next_ts(channel), user.id, text, thread_ts, bot_id, extras)
        channel.messages[message.ts] = message
        if len(channel.messages) > HISTORY * 1.1:
            # In batches: a dict's first key is found by walking over what was deleted before it.
            for old in list(channel.messages)[:-HISTORY]:
                del channel.messages[old]
        parent = channel.messages.get(thread_ts) if thread_ts else None
        if parent is not None:
            parent.thread_ts = parent.ts
            parent.replies += 1
        team.posted["bot" if user.is_bot else "human"] += 1
        return message

    def delete(self, channel: Channel, message: Message) -> None:
        """Take a message out of a channel's history."""
        del channel.messages[message.ts]
        parent = channel.messages.get(message.thread_ts or "")
        if parent is not None and parent is not message:
            parent.replies -= 1

    def add_file(self, team: Team, name: str, length: int) -> File:
        """Announce a file."""
        number = len(team.files) + 1
        file = File(f"F{team.number:05d}{number:03d}", name, length, secrets.token_hex(16))
        team.files[file.id] = self.uploads[file.ticket] = file
        return file

    def _add_channel(self, team: Team, name: str, kind: ChannelKind) -> Channel:
        letter = "G" if kind == "group" else "C"
        channel_id = f"{letter}{team.number:05d}{len(team.channels) + 1:03d}"
        channel = team.channels[channel_id] = Channel(channel_id, name, kind, list(team.users))
        return channel


def history(channel: Channel, oldest: int, latest: int) -> Iterator[Message]:
    """Yield a channel's messages strictly between two times in microseconds, newest first.

    Threads' replies are not among them.
    """
    for message in reversed(channel.messages.values()):
        when = microseconds(message.ts)
        if when <= oldest:
            return
        if when < latest and not message.is_reply:
            yield message


def _team_name(number: int) -> str:
    return TEAM_NAMES[number - 1] if number <= len(TEAM_NAMES) else f"Team {number}"


def _domain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "team"
