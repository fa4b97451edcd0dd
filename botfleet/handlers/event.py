"""The event as a handler sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..errors import SlackError, UsageError
from ..model import Envelope, Transport, bot_key
from ..slack.markup import mentioned, plain
from .inputs import Value, inputs_of

if TYPE_CHECKING:
    from .directory import Channel, Directory, Team, User


class HasDirectory(Protocol):
    """What an event needs to look things up: a client has it."""

    @property
    def directory(self) -> Directory:
        """The directory of the event's team."""


class Event:
    """One event of Slack's: botfleet's envelope, with the payload's fields as attributes.

    `event.ts`, `event.thread_ts` and whatever else Slack sends are read from the payload; what is not there
    is None, because most of Slack's fields are optional. `payload` (or `event["field"]`) is the raw thing.

    `team`, `user_info`, `channel_info` and `permalink` look things up in the directory of the client that the
    event is bound to. Where a handler runs with a client, it is; a batch handler's events are of many teams
    and raise `UsageError` there, unless they are bound to one.

    Args:
        envelope: as it comes in the task's message; see `model.Envelope`.

    Raises:
        UsageError: it is no envelope.

    >>> event = Event(EXAMPLE)
    >>> event.user, event.channel, event.text, event.ts, event.thread_ts
    ('U1', 'C1', 'hi', '1700000000.000100', None)
    >>> event
    <Event Ev1 message>
    """

    __slots__ = ("_client", "_envelope")

    def __init__(self, envelope: Mapping[str, Any]) -> None:
        try:
            self._envelope = msgspec.convert(envelope, Envelope)
        except msgspec.ValidationError as exc:
            raise UsageError(f"not an event's envelope: {exc}") from None
        self._client: HasDirectory | None = None

    def bind(self, client: HasDirectory) -> None:
        """Lets the event look things up with a client of its team."""
        self._client = client

    @property
    def id(self) -> str:
        """What makes the event unique."""
        return self._envelope.id

    @property
    def type(self) -> str:
        """Slack's type of event."""
        return self._envelope.type

    @property
    def subtype(self) -> str | None:
        """Slack's subtype; None for plain messages."""
        return self._envelope.subtype

    @property
    def team_id(self) -> str:
        """The team whose bot got the event."""
        return self._envelope.team_id

    @property
    def namespace(self) -> str:
        """The bot's namespace; empty where there is none."""
        return self._envelope.namespace

    @property
    def key(self) -> str:
        """The bot's key."""
        return bot_key(self.team_id, self.namespace)

    @property
    def bot_user_id(self) -> str:
        """The bot's own user id."""
        return self._envelope.bot_user_id

    @property
    def transport(self) -> Transport:
        """How the event came: `rtm`, `socket` or `http`."""
        return self._envelope.transport

    @property
    def received_at(self) -> float:
        """When botfleet got it, in unix seconds."""
        return self._envelope.received_at

    @property
    def backfilled(self) -> bool:
        """Whether it was fetched later because the connection had missed it."""
        return self._envelope.backfilled

    @property
    def payload(self) -> dict[str, Any]:
        """Slack's object, untouched."""
        return self._envelope.payload

    @property
    def user(self) -> str | None:
        """The user's id, also where Slack sends a whole user (team_join); of an edit, the author's."""
        user = self.payload.get("user") or self.payload.get("user_id") or self._inner.get("user")
        return _id(user)

    @property
    def channel(self) -> str | None:
        """The channel's id, also where Slack sends a whole channel, or an item with one (reactions)."""
        found = self.payload.get("channel") or self.payload.get("channel_id") or self._item.get("channel")
        return _id(found or self._container.get("channel_id"))

    @property
    def text(self) -> str:
        """What was said; of an edit the new text, of a slash command what follows it; empty for nothing."""
        text = self.payload.get("text") or self._inner.get("text")
        return text if isinstance(text, str) else ""

    @property
    def mentions(self) -> list[str]:
        """The ids of the users whom the text names, each once, in order; the bot itself is not among them."""
        return [user for user in mentioned(self.text) if user != self.bot_user_id]

    @property
    def plain_text(self) -> str:
        """The text as a person reads it: `@names` and `#names`, links by their labels, no entities.

        Where a name can't be looked up, it is the id. Never raises for Slack's sake.
        """
        return plain(self.text, self._user_label, self._channel_label)

    @property
    def message_ts(self) -> str | None:
        """The `ts`, which is the id, of the message that was said, edited, reacted to or clicked in."""
        found = self._inner.get("ts") or self.payload.get("deleted_ts") or self.payload.get("ts")
        return _id(found or self._item.get("ts") or self._container.get("message_ts"))

    @property
    def thread(self) -> str | None:
        """The `thread_ts` to answer in; None outside of threads."""
        places = (self.payload, self._inner, self._container)
        return _id(next((place["thread_ts"] for place in places if place.get("thread_ts")), None))

    @property
    def is_thread_reply(self) -> bool:
        """Whether it stands in a thread, and does not begin it."""
        return self.thread is not None and self.thread != self.message_ts

    @property
    def permalink(self) -> str | None:
        """The address of the message that it is about; None where it is about none.

        Made of the team's address, which Slack is asked for once a day: there is no call for each message.

        Raises:
            UsageError: the event is bound to no client.
            SlackError: Slack was to be asked for the team's address, and refused.
        """
        if not self.channel or not self.message_ts:
            return None
        link = f"{self.team.url}archives/{self.channel}/p{self.message_ts.replace('.', '')}"
        return f"{link}?thread_ts={self.thread}&cid={self.channel}" if self.is_thread_reply else link

    @property
    def team(self) -> Team:
        """The team: its name, domain and address.

        Raises:
            UsageError: the event is bound to no client.
            SlackError: Slack was to be asked, and refused.
        """
        return self._directory("team").team

    @property
    def user_info(self) -> User | None:
        """What is known of the user: names, time zone; None where the event has none.

        Raises:
            UsageError: the event is bound to no client.
            SlackError: Slack was to be asked, and refused.
        """
        return self._directory("user_info").user(self.user) if self.user else None

    @property
    def channel_info(self) -> Channel | None:
        """What is known of the channel: its name, whether it is private; None where the event has none.

        Raises:
            UsageError: the event is bound to no client.
            SlackError: Slack was to be asked, and refused.
        """
        return self._directory("channel_info").channel(self.channel) if self.channel else None

    @property
    def is_dm(self) -> bool:
        """Whether it happened in a direct message to the bot."""
        return self.payload.get("channel_type") == "im" or (self.channel or "").startswith("D")

    # Slash commands, and what is done to buttons, menus and forms

    @property
    def command(self) -> str | None:
        """The slash command, with its `/`; `text` is what follows it."""
        return _id(self.payload.get("command"))

    @property
    def actions(self) -> list[dict[str, Any]]:
        """What was done to buttons and menus: Slack's objects, each with its `action_id`."""
        return self._objects("actions")

    @property
    def view(self) -> dict[str, Any] | None:
        """The form, or home tab, that it is about."""
        found = self.payload.get("view")
        return found if isinstance(found, dict) else None

    @property
    def callback_id(self) -> str | None:
        """What the app calls the form or shortcut."""
        return _id(self.payload.get("callback_id") or (self.view or {}).get("callback_id"))

    @property
    def inputs(self) -> dict[str, Value | None]:
        """What people entered and chose, by `action_id`: texts, lists of texts, or None where it is empty."""
        return inputs_of(self.payload)

    @property
    def trigger_id(self) -> str | None:
        """What opens a form: `client.call("views.open", trigger_id=…, view=…)`, within 3 seconds."""
        return _id(self.payload.get("trigger_id"))

    @property
    def response_url(self) -> str | None:
        """Where `client.respond` answers: a secret, good for 5 answers within 30 minutes."""
        places = [self.payload, *self._objects("response_urls")]
        return _id(next((one["response_url"] for one in places if one.get("response_url")), None))

    def age(self, now: float) -> float:
        """Seconds since it happened.

        Reckoned from when it was received, since Slack's clock and ours may differ; only what was fetched
        later is reckoned from Slack's time.
        """
        happened = self.received_at
        if self.backfilled:
            happened = _seconds(self.payload.get("event_ts") or self.payload.get("ts")) or happened
        return max(0.0, now - happened)

    def get(self, name: str, default: Any = None) -> Any:
        """A field of the payload, or `default` where it is not there."""
        return self.payload.get(name, default)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.payload.get(name)

    def __getitem__(self, name: str) -> Any:
        return self.payload[name]

    def __contains__(self, name: object) -> bool:
        return name in self.payload

    def __repr__(self) -> str:
        return f"<Event {self.id} {self.type}>"

    def _directory(self, what: str) -> Directory:
        if self._client is None:
            raise UsageError(
                f"event.{what} needs a client, and events of batch handlers have none; "
                "event.bind(client) gives them one"
            )
        return self._client.directory

    def _user_label(self, id_: str) -> str:
        try:
            return self._directory("plain_text").user(id_).label
        except (UsageError, SlackError):
            return id_

    def _channel_label(self, id_: str) -> str:
        try:
            return self._directory("plain_text").channel(id_).name or id_
        except (UsageError, SlackError):
            return id_

    @property
    def _inner(self) -> dict[str, Any]:
        """The message inside a message_changed, or that somebody clicked in."""
        return self._object("message")

    @property
    def _item(self) -> dict[str, Any]:
        """What somebody reacted to."""
        return self._object("item")

    @property
    def _container(self) -> dict[str, Any]:
        """Where the button was that somebody clicked, also where Slack does not send the message."""
        return self._object("container")

    def _object(self, name: str) -> dict[str, Any]:
        found = self.payload.get(name)
        return found if isinstance(found, dict) else {}

    def _objects(self, name: str) -> list[dict[str, Any]]:
        found = self.payload.get(name)
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _id(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def _seconds(ts: object) -> float | None:
    try:
        return float(str(ts))
    except ValueError:
        return None


#: For the examples above.
EXAMPLE: dict[str, Any] = {
    "id": "Ev1",
    "type": "message",
    "subtype": None,
    "team_id": "T1",
    "namespace": "",
    "bot_user_id": "U0",
    "transport": "rtm",
    "received_at": 1_700_000_000.0,
    "backfilled": False,
    "payload": {"type": "message", "user": "U1", "channel": "C1", "text": "hi", "ts": "1700000000.000100"},
}
