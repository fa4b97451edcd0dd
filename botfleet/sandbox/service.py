"""What can be done in the sandbox: each action changes the world and tells the sockets.

Web API, sockets and control endpoints are three doors to these actions.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import display, outgoing, storage
from .apps import App, Transport
from .faults import TeamFaults
from .feed import Feed
from .hub import Connection, Hub, encode
from .interactions import Interactions
from .limits import MethodLimits
from .model import BOT_NAME, Channel, Enterprise, Json, Message, Team, Token, User, World
from .oauth import Grants
from .outgoing import Outbox
from .records import Log

if TYPE_CHECKING:
    from .flood import Flood

MESSAGES_KEPT = 20_000
FRAMES_KEPT = 1_000
CALLS_KEPT = 10_000
DELIVERIES_KEPT = 20_000
RETRY_DELAYS = (0.0, 60.0, 300.0)
PATIENCE = 3.0
CODE_LIFETIME = 600.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a sandbox is started.

    Attributes:
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        teams: how many teams there are at first.
        bot_name: what the bot's user is called in each of them.
        state: a file that keeps the teams over a restart.
        certfile: a PEM certificate; with it the sandbox speaks https and wss.
        keyfile: the certificate's key, where it is not in `certfile`.
        limits: whether Slack's rate limits are enforced.
        url_lifetime: seconds that an rtm.connect URL lives.
        ready_file: a file that gets the start-up line.
        with_parent: end when the parent process does.
        enterprise: the name of an organisation with two teams of its own, or None for no such.
        app: what is known of the first app; fields that are not there are fake ones.
        retry_delays: seconds before each further try of an event by HTTP.
        patience: seconds in which an app has to answer.
        code_lifetime: seconds that an OAuth code lives.
    """

    host: str = "127.0.0.1"
    port: int = 0
    teams: int = 2
    bot_name: str = BOT_NAME
    state: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None
    limits: bool = False
    url_lifetime: float = 30.0
    ready_file: Path | None = None
    with_parent: bool = False
    enterprise: str | None = None
    app: Json = field(default_factory=dict)
    retry_delays: tuple[float, ...] = RETRY_DELAYS
    patience: float = PATIENCE
    code_lifetime: float = CODE_LIFETIME


class Sandbox:
    """The whole state of a running sandbox.

    Attributes:
        outbox: takes what apps are sent by HTTP; None where nothing is sent.
    """

    outbox: Outbox | None = None

    def __init__(
        self,
        options: Options,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self.clock = clock
        self.monotonic = monotonic
        self.url = ""  # known once the server listens
        self.world = World(clock, options.bot_name)
        self.feed = Feed()
        self.hub = Hub(options.url_lifetime, self._count_connections)
        self.limits = MethodLimits() if options.limits else None
        self.messages = Log(MESSAGES_KEPT)
        self.reactions = Log(MESSAGES_KEPT)
        self.frames = Log(FRAMES_KEPT)
        self.calls = Log(CALLS_KEPT)
        self.deliveries = Log(DELIVERIES_KEPT)
        self.grants = Grants(options.code_lifetime)
        self.interactions = Interactions()
        self.call_counts: Counter[str] = Counter()
        self.floods: list[Flood] = []
        self._faults: dict[str, TeamFaults] = {}
        self._load()

    def faults(self, team: Team) -> TeamFaults:
        """Give the faults of a team, to read or to change."""
        return self._faults.setdefault(team.id, TeamFaults())

    def clear_faults(self, team: Team) -> None:
        """Forget a team's faults, and mend the tokens that a fault revoked."""
        self._faults.pop(team.id, None)
        for connection in self.hub.connections(team.id):
            connection.mute(False)
        for token in team.good_for:
            if token.by_fault:
                self.restore(token)

    def add_teams(
        self,
        names: Iterable[str | None],
        transport: Transport = "rtm",
        enterprise: Enterprise | None = None,
    ) -> list[Team]:
        """Create teams, with the next free name where none is given."""
        teams = [self.world.add_team(name, enterprise=enterprise, transport=transport) for name in names]
        self.feed.tell_all(display.teams(self.world))
        self.save()
        return teams

    def add_enterprise(self, name: str) -> Enterprise:
        """Create an organisation with two teams."""
        enterprise = self.world.add_enterprise(name)
        self.add_teams([f"{name} {part}" for part in ("North", "South")], enterprise=enterprise)
        return enterprise

    def install(
        self, team: Team, revoke_old: bool, transport: Transport = "rtm", app: App | None = None
    ) -> Token:
        """Install an app once more in a team."""
        old = list(team.tokens)
        token = self.world.install(team, transport, app)
        for other in old if revoke_old else ():
            self.revoke(other, "token_revoked")
        self.save()
        return token

    def revoke(self, token: Token, error: str, by_fault: bool = False) -> None:
        """Kill a token and cut its connections. Apps are told by `farewells.end`."""
        token.error = error
        token.by_fault = by_fault
        self.hub.sever(token)
        if not by_fault:
            self.save()

    def restore(self, token: Token) -> None:
        """Let a dead token live again."""
        token.error = None
        token.by_fault = False
        self.save()

    def join(self, team: Team, name: str) -> User:
        """Let a new member join a team."""
        user = self.world.add_user(team, name)
        self.welcome(team, user)
        self.save()
        return user

    def change_user(
        self, team: Team, user: User, name: str | None, real_name: str | None, display_name: str | None
    ) -> None:
        """Give a member other names; None leaves one as it is."""
        user.name = user.name if name is None else name
        user.real_name = user.real_name if real_name is None else real_name
        user.display_name = user.display_name if display_name is None else display_name
        now = self.world.next_moment()
        event = {
            "type": "user_change",
            "user": user.as_slack(),
            "cache_ts": int(self.clock()),
            "event_ts": now,
        }
        self.send_event(team, event)
        self.save()

    def create_channel(self, team: Team, name: str, private: bool) -> Channel:
        """Let a human create a channel; the bot hears of a private one as it is taken into it."""
        channel = self.world.create_channel(team, name, "group" if private else "channel")
        if private:
            self._tell_of_channel(team, "group_joined", channel.as_slack(team.bot.id))
        else:
            creator = next(team.humans).id
            shown = {"id": channel.id, "name": name, "created": int(self.clock()), "creator": creator}
            self._tell_of_channel(team, "channel_created", shown)
        return channel

    def rename_channel(self, team: Team, channel: Channel, name: str) -> None:
        """Give a channel another name."""
        channel.name = name
        shown = {"id": channel.id, "name": name, "created": 1_700_000_000}
        self._tell_of_channel(team, f"{channel.kind}_rename", shown)

    def archive_channel(self, team: Team, channel: Channel, archived: bool) -> None:
        """Archive a channel, or bring it back."""
        channel.archived = archived
        kind = f"{channel.kind}_{'archive' if archived else 'unarchive'}"
        self._tell_of_channel(team, kind, channel.id, user=next(team.humans).id)

    def _tell_of_channel(self, team: Team, kind: str, channel: Json | str, **more: str) -> None:
        now = self.world.next_moment()
        self.send_event(team, {"type": kind, "channel": channel, **more, "event_ts": now})

    def welcome(self, team: Team, user: User) -> None:
        """Tell that a member joined the team."""
        now = self.world.next_moment()
        self.send_event(team, {"type": "team_join", "user": user.as_slack(), "event_ts": now})

    def direct(self, team: Team, user: User) -> Channel:
        """Give the direct message of a user and the bot, opened if need be."""
        channel, is_new = self.world.open_direct(team, user)
        if is_new:
            shown = channel.as_slack(team.bot.id)
            self.send_event(team, {"type": "im_created", "user": user.id, "channel": shown})
        return channel

    def post(
        self,
        team: Team,
        channel: Channel,
        user: User,
        text: str,
        via: str,
        thread_ts: str | None = None,
        extras: Json | None = None,
        sender: Connection | None = None,
    ) -> Message:
        """Post a message, and tell every connection of the team but the one that sent it."""
        message, frame = self.write(team, channel, user, text, via, thread_ts, extras)
        self.hub.publish(team.id, [frame], but=sender)
        if self.listening(team):
            self.tell_apps(team, message_event(team, channel, message))
        return message

    def write(
        self,
        team: Team,
        channel: Channel,
        user: User,
        text: str,
        via: str,
        thread_ts: str | None = None,
        extras: Json | None = None,
    ) -> tuple[Message, bytes]:
        """Post a message without telling anybody; give it with its frame."""
        message = self.world.post(team, channel, user, text, thread_ts, extras)
        self.record(team, channel, user, message, via)
        event = message_event(team, channel, message)
        self.feed.hear(team.id, event)
        return message, encode(event)

    def whisper(
        self, team: Team, channel: Channel, user: User, message: Message, *, edited: bool = False
    ) -> None:
        """Show a message to one member; no history keeps it and no socket hears of it."""
        self.interactions.whisper(channel, message)
        self.record(team, channel, team.bot, message, "api", ephemeral_for=user, edited=edited)

    def unwhisper(self, team: Team, channel: Channel, message: Message) -> None:
        """Take an ephemeral message away."""
        self.interactions.whispers.pop((channel.id, message.ts), None)
        gone = {"type": "sandbox_ephemeral_deleted", "channel": channel.id, "ts": message.ts}
        self.feed.tell(team.id, gone)

    def record(
        self,
        team: Team,
        channel: Channel,
        user: User,
        message: Message,
        via: str,
        *,
        ephemeral_for: User | None = None,
        edited: bool = False,
    ) -> None:
        """Note a message for those who follow `/sandbox/messages`."""
        entry = {
            "team": team.id,
            "channel": channel.id,
            "channel_name": channel.name,
            "user": user.id,
            "user_name": user.name,
            "by": "bot" if user.is_bot else "human",
            "text": message.text,
            "ts": message.ts,
            "thread_ts": message.thread_ts,
            "via": via,
            "ephemeral": ephemeral_for is not None,
            "edited": edited,
        }
        entry |= message.extras or {}
        if ephemeral_for is not None:
            entry["visible_to"] = ephemeral_for.id
            self.feed.tell(team.id, {"type": "sandbox_ephemeral", **entry})
        self.messages.add(entry)

    def send_event(self, team: Team, event: Json) -> None:
        """Send any event to every connection of a team, and to the apps that hear of it by HTTP."""
        self.feed.hear(team.id, event)
        self.hub.publish(team.id, [encode(event)])
        self.tell_apps(team, event)

    def tell_apps(self, team: Team, event: Json) -> None:
        """Send an event to the apps that hear of a team by HTTP."""
        if self.outbox is None:
            return
        for app, token in self.listening(team):
            now = self.clock()
            events = outgoing.for_http(event, team)
            self.outbox.send(
                [outgoing.event_callback(app, team, token, one, self.event_id(), now) for one in events]
            )

    def listening(self, team: Team) -> list[tuple[App, Token]]:
        """Give the apps that hear of a team by HTTP, each with the installation by which it does."""
        found: dict[str, Token] = {}
        for token in team.good_for:
            if token.transport == "http" and token.error is None:
                found.setdefault(token.app.app_id, token)
        return [(token.app, token) for token in found.values()]

    def installed(self, team: Team) -> list[App]:
        """Give the apps that people can speak to in a team: those that hear of it by HTTP first.

        What people do with commands and buttons goes by HTTP even where the app's bot has a socket.
        """
        there = [token.app for token in team.good_for if token.error is None]
        by_id = {app.app_id: app for app in [*(app for app, _ in self.listening(team)), *there]}
        return list(by_id.values())

    def event_id(self) -> str:
        """Give an id that no event had before, not even before a restart."""
        return f"Ev{int(self.world.next_moment().replace('.', '')):X}"

    def count_call(self, method: str, team: Team | None, error: str | None) -> None:
        """Note a Web API call; never its token or arguments."""
        self.call_counts[method] += 1
        if team is not None:
            team.calls[method] = team.calls.get(method, 0) + 1
            self.feed.stir(team.id)
        team_id = team.id if team is not None else None
        self.calls.add({"method": method, "team": team_id, "time": self.clock(), "error": error})

    def save(self) -> None:
        """Write the state file, where there is one."""
        if self.options.state is not None:
            storage.save(self.world, self.options.state)

    def ready_line(self) -> Json:
        """Give what a process that started this one wants to know."""
        return {
            "url": self.url,
            "api_url": f"{self.url}api/",
            "teams": [team.summary() for team in self.world.teams.values()],
        }

    def _count_connections(self, team_id: str) -> None:
        self.feed.tell(team_id, {"type": "sandbox_connections", "connections": self.hub.count(team_id)})

    def _load(self) -> None:
        if self.options.state is not None:
            storage.load(self.world, self.options.state)
        while len(self.world.teams) < self.options.teams:
            self.world.add_team()
        name = self.options.enterprise
        if name is not None and self.world.find_enterprise(name) is None:
            self.add_enterprise(name)
        self.world.app.change(self.options.app)


def message_event(team: Team, channel: Channel, message: Message) -> dict[str, Any]:
    """Give the event by which the sockets learn of a message."""
    place = {"channel": channel.id, "channel_type": channel.kind, "team": team.id, "event_ts": message.ts}
    return message.as_slack() | place
