"""The fixture's value: one team of people with the bot, as a test sees it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import UsageError
from ..sandbox.client import Posted, SandboxControl
from .clock import Clock
from .seen import Call, Message, Reaction
from .stage import Stage

#: `<@U1>`, `<@U1|alice>`, `<#C1>` or `<#C1|general>` in a text.
_REFERENCE = re.compile(r"<([@#])([A-Z0-9]+)(?:\|[^>]*)?>")
#: What a channel is given by: its name, `@alice` for direct messages with her, or something said there.
Place = str | Message


class Fleet:
    """A team with alice, bob, carol and the bot in #general, #random and the private #secret-plans.

    Each act (`say`, `react`, `join` …) returns when the bot has done what it does about it; `replies`,
    `messages`, `reactions` and `calls` then have what it did since the act began. In texts `@bot`, `@alice`
    and `#general` become Slack's references, and the bot's references are shown so.

    Args:
        stage: where it plays.
        name: of the team.
    """

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self._name = name
        self._id = ""
        self._teams: dict[str, Fleet] = {name: self}
        # Numbers in the sandbox's records, after which the last act began.
        self._messages_from = self._reactions_from = self._calls_from = 0
        stage.before_move.append(self._mark)

    def __repr__(self) -> str:
        return f"<Fleet {self._name}>"

    # Whose it is

    def load(self, *what: object) -> None:
        """Runs these handlers in place of the project's; botfleet's own stay.

        Args:
            what: modules or their names, what `on`, `command`, `every` … made, classes of `Commands`.
        """
        self._stage.load(what)

    def team(self, name: str) -> Fleet:
        """Another team that has the bot; new when it is first named."""
        if name not in self._teams:
            self._teams[name] = Fleet(self._stage, name)
            self._teams[name]._teams = self._teams
        return self._teams[name]

    @property
    def team_id(self) -> str:
        """Slack's id of the team."""
        if not self._id:
            self._id = self._stage.add_team(self._name)
            self._mark()
        return self._id

    def id(self, name: str) -> str:
        """Slack's id of `#general`, `@alice` or `@bot`.

        Raises:
            UsageError: there is nobody and nothing of that name.
        """
        ids = self._ids()
        if name not in ids:
            raise UsageError(f"{name!r} is unknown; takes one of {', '.join(ids)}")
        return ids[name]

    # What people do

    def say(
        self,
        channel: Place,
        text: str,
        user: str | None = None,
        *,
        thread: Message | str | None = None,
        late: float = 0.0,
    ) -> Message:
        """Lets somebody say something.

        Args:
            channel: `#general`, `@alice` for her direct messages with the bot, or a message in the channel.
            text: what is said.
            user: who says it; alice, where it is not somebody else's direct message.
            thread: the message that it replies to, or its `ts`.
            late: seconds that it waits before handlers are run.
        """
        with self._acting(late):
            given = {"thread_ts": thread.ts if isinstance(thread, Message) else thread}
            who = user.removeprefix("@") if user else None
            said = self._control.say(_where(channel), text, team=self.team_id, user=who, **given)
        (message,) = self._seen(int(said["seq"]) - 1, "human", 1)
        return message

    def dm(self, text: str, user: str = "alice", **options: Any) -> Message:
        """Lets somebody say something to the bot alone; `options` are those of `say`."""
        return self.say(f"@{user.removeprefix('@')}", text, **options)

    def edit(self, message: Message, text: str) -> None:
        """Lets a message's author change it."""
        with self._acting():
            self._control.edit(message.channel_id, message.ts, text, team=self.team_id)

    def delete(self, message: Message) -> None:
        """Lets a message's author delete it."""
        with self._acting():
            self._control.delete(message.channel_id, message.ts, team=self.team_id)

    def react(self, message: Message, name: str, user: str = "alice") -> None:
        """Lets somebody put an emoji under a message."""
        with self._acting():
            self._control.react(message.channel_id, message.ts, name, team=self.team_id, user=user)

    def unreact(self, message: Message, name: str, user: str = "alice") -> None:
        """Lets somebody take an emoji away again."""
        with self._acting():
            self._control.react(
                message.channel_id, message.ts, name, team=self.team_id, user=user, remove=True
            )

    def join(self, channel: str, user: str = "alice") -> None:
        """Lets a member join a channel; who is there already joins anew."""
        with self._acting():
            self._control.enter(channel, user.removeprefix("@"), team=self.team_id)

    def join_team(self, user: str) -> None:
        """Lets somebody join the team; who is there already joins anew."""
        with self._acting():
            self._control.join(user.removeprefix("@"), team=self.team_id, again=True)

    def add_channel(self, channel: str, *, private: bool = False) -> None:
        """Lets somebody create a channel; the bot is in it where it is private."""
        with self._acting():
            self._control.create_channel(channel.removeprefix("#"), private=private, team=self.team_id)

    def slash(
        self, command: str, text: str = "", *, channel: Place = "#general", user: str | None = None
    ) -> None:
        """Lets somebody give a slash command.

        Args:
            command: with its `/`.
            text: what follows it.
            channel: where, as with `say`.
            user: who gives it; alice, where it is not somebody else's direct message.
        """
        with self._acting():
            self._stage.hear_by_http(self.team_id)
            who = user.removeprefix("@") if user else None
            self._control.command(command, text, channel=_where(channel), team=self.team_id, user=who)

    def click(self, message: Message, action_id: str, value: Any = None, user: str | None = None) -> None:
        """Lets somebody use a button or a menu in a message.

        Args:
            message: of the bot's, with blocks; also one that only one person sees.
            action_id: of the element.
            value: what is chosen: an option's value, a list of such, a date; nothing for a button.
            user: who does it; alice, where it is not somebody else's direct message.
        """
        with self._acting():
            self._stage.hear_by_http(self.team_id)
            who = user.removeprefix("@") if user else None
            place, ts = message.channel_id, message.ts
            self._control.interact(place, ts, action_id, value=value, team=self.team_id, user=who)

    def send(self, event: Mapping[str, Any]) -> None:
        """Sends the bot any event of Slack's; values like `@alice` and `#general` become ids."""
        with self._acting():
            self._control.event(dict(_with_ids(event, self._ids())), team=self.team_id)

    # What goes wrong, and when

    def fail(self, method: str, error: str, times: int = 1, retry_after: int = 1) -> None:
        """Has the next calls of a Web API method fail.

        Args:
            method: e.g. `chat.postMessage`.
            error: Slack's error string; `ratelimited` is answered with HTTP 429.
            times: how many calls.
            retry_after: seconds that Slack asks to wait when it is `ratelimited`.
        """
        limited = error == "ratelimited"
        more: dict[str, Any] = {"retry_after": retry_after} if limited else {"error": error}
        kind = "ratelimit" if limited else "fail"
        self._control.fault(kind, team=self.team_id, method=method, count=times, **more)

    @property
    def clock(self) -> Clock:
        """The fleet's time: `fleet.clock.advance(60)` also runs the timers that are due by then."""
        # Who is there when they are due.
        _ = self.team_id
        return self._stage.clock

    def run_timer(self, name: str) -> None:
        """Runs a timer, due or not; `name` is its function's, or the task's."""
        with self._acting():
            self._stage.run_timer(name)

    @property
    def raise_errors(self) -> bool:
        """Whether what handlers raise is raised where the test acts; true at first."""
        return self._stage.raise_errors

    @raise_errors.setter
    def raise_errors(self, wanted: bool) -> None:
        self._stage.raise_errors = wanted

    # What the bot did

    @property
    def replies(self) -> list[str]:
        """The texts that the bot said since the last act began, without edits."""
        return [message.text for message in self.messages if not message.edited]

    @property
    def messages(self) -> list[Message]:
        """What the bot said since the last act began, with edits."""
        return self._seen(self._messages_from, "bot")

    @property
    def reactions(self) -> list[Reaction]:
        """The emoji that the bot put under messages since the last act began."""
        found, _ = self._control.reactions(self._reactions_from, team=self.team_id)
        return [Reaction(one["name"], _place(one), one["ts"]) for one in found if one["by"] == "bot"]

    @property
    def calls(self) -> list[Call]:
        """The bot's calls of the Web API since the last act began."""
        return self._stage.calls(self.team_id, self._calls_from)

    @property
    def errors(self) -> list[Exception]:
        """What handlers raised that were not tried again, or no more; oldest first."""
        return self._stage.errors

    # Steps

    @property
    def _control(self) -> SandboxControl:
        return self._stage.control

    @contextmanager
    def _acting(self, late: float = 0.0) -> Iterator[None]:
        # Asked for first: not every stage has one, and then nothing is to happen at all.
        clock = self._stage.clock if late else None
        team = self.team_id
        self._mark()
        yield
        if clock is not None:
            clock.skip(late)
        self._stage.settle(team)

    def _mark(self) -> None:
        """What happened until now belongs to an earlier act."""
        counts = self._control.counts()
        self._messages_from = counts["seq"]
        self._reactions_from, self._calls_from = counts["reactions"], sum(counts["calls"].values())

    def _ids(self) -> dict[str, str]:
        shown = self._control.team(self.team_id)
        channels = {f"#{one['name']}": one["id"] for one in shown["channels"] if one["id"][0] != "D"}
        people = {f"@{one['name']}": one["id"] for one in shown["users"]}
        return {**channels, **people, "@bot": shown["bot_user_id"]}

    def _seen(self, after: int, by: str, most: int | None = None) -> list[Message]:
        names = {ident: name for name, ident in self._ids().items()}
        found: list[Posted] = self._control.messages(after, team=self.team_id, by=by)[0]
        return [_message(one, names) for one in found[:most]]


def _message(posted: Posted, names: Mapping[str, str]) -> Message:
    extras = ("attachments", "blocks", "username", "icons")
    return Message(
        text=_REFERENCE.sub(lambda found: names.get(found[2], found[0]), posted["text"]),
        raw=posted["text"],
        channel=_place(posted),
        channel_id=posted["channel"],
        user=posted["user_name"],
        ts=posted["ts"],
        thread=posted["thread_ts"],
        ephemeral=posted["ephemeral"],
        edited=posted["edited"],
        extras={name: value for name, value in posted.items() if name in extras},
    )


def _place(record: Mapping[str, Any]) -> str:
    sign = "@" if record["channel"].startswith("D") else "#"
    return f"{sign}{record['channel_name']}"


def _where(channel: Place) -> str:
    return channel.channel_id if isinstance(channel, Message) else channel


def _with_ids(value: Any, ids: Mapping[str, str]) -> Any:
    """A value of JSON with ids in place of names."""
    if isinstance(value, Mapping):
        return {name: _with_ids(one, ids) for name, one in value.items()}
    if isinstance(value, list):
        return [_with_ids(one, ids) for one in value]
    return ids.get(value, value) if isinstance(value, str) else value
