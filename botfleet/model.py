"""The values that cross processes: bots, their statuses, events, subscriptions, holders, shard commands.

All are frozen and go over the wire as JSON. A field that a newer botfleet added is ignored by an older one,
and a missing one takes its default, so that releases can run side by side during a deploy.
"""

from __future__ import annotations

import zlib
from typing import Any, Literal, get_args

import msgspec

Transport = Literal["rtm", "socket", "http"]
TRANSPORTS: tuple[Transport, ...] = get_args(Transport)

State = Literal["connecting", "connected", "disconnected", "rate_limited", "token_revoked", "stopped"]
STATES: tuple[State, ...] = get_args(State)
#: Those that somebody should look at.
TROUBLES: tuple[State, ...] = ("disconnected", "rate_limited", "token_revoked")

#: Seconds between two samples of the fleet.
SAMPLE_EVERY = 10.0

Desired = Literal["running", "stopped"]


def bot_key(team_id: str, namespace: str = "") -> str:
    """Names a bot: the team id, or `NAMESPACE-TEAM` (the field that Relax used).

    >>> bot_key("T1"), bot_key("T1", "beta")
    ('T1', 'beta-T1')
    """
    return f"{namespace}-{team_id}" if namespace else team_id


def split_key(key: str) -> tuple[str, str]:
    """The reverse of `bot_key`: (team id, namespace).

    >>> split_key("T1"), split_key("my-app-T1")
    (('T1', ''), ('T1', 'my-app'))
    """
    namespace, _, team_id = key.rpartition("-")
    return team_id, namespace


def shard_of(key: str, shards: int) -> int:
    """The shard that a bot's key belongs to: CRC-32 of the key, so that any language can reckon it.

    >>> shard_of("T00000001", 256)
    40
    """
    return zlib.crc32(key.encode()) % shards


class Bot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One installation of an app in one team, as the registry keeps it.

    `desired` and `generation` are what people ask for; holders bring the connection in line with them. A
    higher generation than the connection's means: connect anew (another token, or a restart).
    """

    team_id: str
    namespace: str = ""
    #: The token in stored form (`secrets.Seal`); opened only where it goes to Slack.
    sealed_token: str
    #: `Token.fingerprint`, to find a bot by its token without opening every seal.
    fingerprint: str
    transport: Transport = "rtm"
    desired: Desired = "running"
    generation: int = 1
    bot_user_id: str = ""
    bot_id: str = ""
    #: The bot user's name, which people may address it by.
    bot_name: str = ""
    team_name: str = ""
    enterprise_id: str = ""
    added_at: float = 0.0
    updated_at: float = 0.0

    @property
    def key(self) -> str:
        """`bot_key` of this bot."""
        return bot_key(self.team_id, self.namespace)

    def __repr__(self) -> str:
        return f"<Bot {self.key} {self.transport} {self.desired} generation={self.generation}>"


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a bot's connection is doing, as its holder last said."""

    state: State
    #: Unix seconds at which this state began.
    since: float
    #: The holder's node name; empty when nobody holds the bot.
    holder: str = ""
    #: Slack's error string or a short text of ours; empty when all is well.
    error: str = ""
    #: Unix seconds of the next attempt; 0 when none is planned.
    retry_at: float = 0.0
    #: The `Bot.generation` that this status is about.
    generation: int = 0


def state_of(bot: Bot, status: Status | None) -> State:
    """A bot's state, also where no holder has said anything yet of the connection that is wanted now.

    A bot whose events come by HTTP has no connection: it is there as soon as it is wanted.

    >>> bot = Bot(team_id="T1", sealed_token="plain:b", fingerprint="b", generation=2)
    >>> state_of(bot, Status(state="token_revoked", since=0.0, generation=1))
    'connecting'
    """
    if status is not None and status.generation >= bot.generation:
        return status.state
    if bot.desired == "stopped":
        return "stopped"
    return "connected" if bot.transport == "http" else "connecting"


def is_dead(bot: Bot, status: Status | None) -> bool:
    """Whether Slack said of the token that the bot has now that it is dead."""
    return state_of(bot, status) == "token_revoked"


class Subscription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one handler wants. Filters are cheap enough to be applied by whoever publishes.

    An event matches when every filter that is set lets it through.
    """

    #: The Celery task that is run.
    task: str
    #: The queue its messages go to; empty takes the event type's own queue.
    queue: str = ""
    #: Slack's event types; `*` takes every type.
    types: tuple[str, ...]
    #: Message subtypes wanted; None takes messages without a subtype (and other events with any).
    subtypes: tuple[str, ...] | None = None
    #: Where: `public`, `private` (groups and group DMs), `dm`; empty means everywhere.
    scopes: tuple[str, ...] = ()
    #: Only what is addressed to the bot: in a DM, or beginning with its mention, name or an alias.
    addressed: bool = False
    #: Other names of the bot, case-folded, that address it.
    aliases: tuple[str, ...] = ()
    #: Only texts whose first word (after the address) is one of these, case-folded; "" is no word at all.
    words: tuple[str, ...] = ()
    #: Only addressed texts whose first word is none of these.
    not_words: tuple[str, ...] = ()
    #: Only texts that begin with one of these, case-folded.
    prefixes: tuple[str, ...] = ()
    #: Only texts that hold one of these, case-folded.
    contains: tuple[str, ...] = ()
    #: Only texts that are addressed to the bot, or mention it anywhere.
    mentioned: bool = False
    #: Only messages with attachments.
    attachments: bool = False
    #: Only reactions of these names, in any skin tone; other events have none.
    reactions: tuple[str, ...] = ()
    #: Only these slash commands, each with its `/`.
    commands: tuple[str, ...] = ()
    #: Only what was done to a button or menu with one of these ids.
    action_ids: tuple[str, ...] = ()
    #: Only views and shortcuts with one of these `callback_id`s.
    callback_ids: tuple[str, ...] = ()
    #: Also what the bot itself said.
    own: bool = False
    #: Also what other bots said.
    bots: bool = False
    #: Only this bot's events (a key); empty means every bot's.
    bot: str = ""
    #: Seconds after which an event is too old to be handled; None means never.
    max_age: float | None = None
    #: Keyword arguments that each of its task messages carries.
    kwargs: dict[str, Any] = {}
    #: Events that one task message carries at the most; 0: each has a message of its own.
    batch: int = 0
    #: Seconds for which the publisher gathers a batch.
    linger: float = 0.0
    #: Events with the same `channel`, `user` or `team` are handled one after another; empty: in any order.
    ordered: str = ""


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a timer is due, and what is run then: each so many seconds, or at the times of a cron line."""

    #: The Celery task that is run; also the timer's name.
    task: str
    #: The queue its messages go to; empty takes `events.other`.
    queue: str = ""
    #: Seconds from one due time to the next; 0 where `cron` says when.
    seconds: float = 0.0
    cron: str = ""
    #: IANA's name of the time zone that `cron` is meant in.
    timezone: str = "UTC"

    @property
    def plan(self) -> str:
        """What the due times follow from; another plan is a new beginning.

        >>> Schedule(task="t", seconds=90).plan, Schedule(task="t", cron="0 9 * * 1-5").plan
        ('every 90 s', '0 9 * * 1-5 UTC')
        """
        return f"{self.cron} {self.timezone}" if self.cron else f"every {self.seconds:.15g} s"


class TimerState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a timer has come; unix seconds by the store's clock."""

    #: The `Schedule.plan` that this is about.
    plan: str
    #: Due times up to this one are dealt with.
    due_at: float
    #: When it was last sent to be run; None where it never was.
    last_run: float | None = None


class HolderInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a holder says of itself with every heartbeat."""

    name: str
    host: str = ""
    pid: int = 0
    since: float = 0.0
    shards: int = 0
    bots: int = 0
    connected: int = 0
    #: Events read from sockets, published as tasks, dropped for want of room, and waiting to be published.
    events: int = 0
    published: int = 0
    dropped: int = 0
    unsent: int = 0
    malformed: int = 0
    #: It has no shard: there are others enough, or it is the last of them to have joined.
    standby: bool = False
    #: Shards that it leads: whose bots' statuses it reports, and whose queues it reads.
    led: int = 0
    #: It gives its shards away.
    draining: bool = False
    #: Bots that are not connected because the holder is full.
    left_out: int = 0
    #: Events a second, read from sockets, lately.
    rate: float = 0.0
    #: The version of the subscriptions that events are published by.
    subscriptions: int = 0
    #: Events left out because they were published already.
    copies: int = 0
    #: Connections opened anew, by reason: see `slack/reconnects.py`.
    reconnects: dict[str, int] = {}


class Member(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A living holder, as the others see it when they share the shards out."""

    #: Its node name: decides, with the shard's number, who should own what.
    name: str
    #: The name and a part that no other start of this holder has: who does own what.
    owner: str
    host: str = ""
    #: When it started, unix seconds.
    since: float = 0.0
    #: It takes nothing new and gives away what it has.
    draining: bool = False
    #: Shards that it has no room for.
    declines: tuple[int, ...] = ()


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A change of a bot's status, or of what people want of it. A short row: each bot has a few of them."""

    #: Unix seconds.
    at: float
    #: A `State`, or an event of `lifecycle.py`.
    what: str
    error: str = ""
    #: The holder that said so; empty where it was no holder.
    holder: str = ""
    #: Of an event of `lifecycle.py`: why.
    reason: str = ""


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the fleet was at one moment; one is taken each `SAMPLE_EVERY` seconds."""

    #: Unix seconds.
    at: float
    #: How many bots are in which state; of each bot, as reconciliation last saw it.
    bots: dict[str, int] = {}
    #: How many holders there are, those that stand by included.
    holders: int = 0
    #: Events a second that came in lately: read from sockets, and by HTTP.
    rate: float = 0.0
    #: Events, slash commands and interactive payloads that came by HTTP since the store was made.
    http: int = 0
    #: Events read, published and dropped since the holders that live now have begun, and those that wait.
    events: int = 0
    published: int = 0
    dropped: int = 0
    unsent: int = 0
    #: Messages that wait, by queue.
    queues: dict[str, int] = {}
    #: Messages that workers have fetched and not yet done; None where the broker does not tell.
    unacked: int | None = None
    #: Of all handlers since the store was made: events handled, given up, too old, and tried again.
    runs: int = 0
    failed: int = 0
    late: int = 0
    retries: int = 0


class Happening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that became of a bot, which handlers may take as an event; see `lifecycle.py`."""

    type: str
    #: The bot as it is now, or was when it was removed; without its token.
    bot: Bot
    #: Why: `token` (one was given), `asked` (by people), `registry` (another program changed that).
    reason: str = ""
    #: Slack's error string or a short text of ours, of `bot_deactivated` and `bot_error`.
    error: str = ""
    #: When, unix seconds; 0 for what can become of one generation of a bot only once.
    at: float = 0.0

    @property
    def id(self) -> str:
        """The event's id, the same for every copy."""
        bot = self.bot
        return f"{bot.key}:{self.type}:{bot.generation}:{bot.added_at}" + (f":{self.at}" if self.at else "")

    def __repr__(self) -> str:
        return f"<Happening {self.type} {self.bot.key}>"


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that must reach a bot's connection; travels in its shard's queue.

    `sync` asks the owner to look at the registry again, `event` to publish what became of the bot; the others
    become frames on the socket.
    """

    op: Literal["sync", "event", "message", "typing", "ping", "disconnect"]
    key: str
    channel: str = ""
    text: str = ""
    #: Further flat fields of a ping.
    extra: dict[str, Any] = {}
    #: Of a message: under which somebody waits for its `Answer`; empty where nobody does.
    ticket: str = ""
    #: What an `event` is about.
    happening: Happening | None = None

    def __repr__(self) -> str:
        return f"<Command {self.op} {self.key}>"


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a message that a socket was to carry; for whoever waits for it."""

    #: Slack's name for the message; empty where it was not said, or where nobody knows.
    ts: str = ""
    #: Slack's error string, or a short code of ours; empty where the message was said.
    error: str = ""
    detail: str = ""
    #: The socket went away before Slack answered: the message was said, or was not.
    in_doubt: bool = False


class Watch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody watches events come in; holders show them what they ask for."""

    #: Names the channel that it is shown on.
    id: str
    #: Only these teams' events, and only these types; empty means all.
    teams: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    #: Only what a handler wants.
    wanted: bool = False
    #: Whole envelopes too, with what people wrote.
    text: bool = False


class Sighting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event that came in, as those who watch see it."""

    id: str
    #: When it came, unix seconds.
    received_at: float
    #: The key of the bot that got it.
    bot: str
    type: str
    subtype: str | None = None
    channel: str = ""
    user: str = ""
    #: How many handlers want it.
    handlers: int = 0
    #: The envelope as JSON, for a watch that asks for text.
    envelope: str = ""

    def __repr__(self) -> str:
        return f"<Sighting {self.id}>"


class Shown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a holder shows to one who watches, several times a second; at first that it has begun."""

    holder: str
    sightings: tuple[Sighting, ...] = ()
    #: Events that came too fast to be shown.
    skipped: int = 0


Rights = Literal["read", "admin"]


class AccessKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that somebody uses the web role with; what it is made of is known to its owner only."""

    #: What stands in front of the secret part: 8 hexadecimal letters.
    id: str
    #: What people call it.
    name: str
    rights: Rights
    #: SHA-256 of the whole key, hexadecimal.
    digest: str
    #: Unix seconds.
    created_at: float

    def __repr__(self) -> str:
        return f"<AccessKey {self.id} {self.rights}>"


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An event as consumers get it; see docs/events.md. `payload` is Slack's object, untouched."""

    id: str
    type: str
    subtype: str | None
    team_id: str
    namespace: str
    bot_user_id: str
    transport: Transport
    received_at: float
    backfilled: bool
    payload: dict[str, Any]

    def __repr__(self) -> str:
        return f"<Envelope {self.id}>"


def fields_of(value: msgspec.Struct) -> dict[str, Any]:
    """All fields of a flat value, also those that have their default, for people and for JSON."""
    return {name: getattr(value, name) for name in value.__struct_fields__}
