"""Where something is sent: names become ids, users direct messages, and an event its channel and thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ...errors import SlackError, UsageError
from ...slack.markup import is_id
from ..context import HandlerContext
from ..event import Event

if TYPE_CHECKING:
    from ..directory import Directory


class Speaker(Protocol):
    """Whose places they are: a client."""

    @property
    def id(self) -> str:
        """The bot's key."""

    @property
    def event(self) -> Event | None:
        """What it answers."""

    @property
    def directory(self) -> Directory:
        """The team's directory."""

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Calls a method of the Web API."""


class Places:
    """Finds the places that one client sends to.

    Args:
        context: of the process.
        speaker: the client.
    """

    def __init__(self, context: HandlerContext, speaker: Speaker) -> None:
        self._known = context.direct_messages
        self._speaker = speaker

    def of_event(self, what: str) -> str:
        """The event's channel.

        Args:
            what: the call that needs it.

        Raises:
            UsageError: there is none.
        """
        event = self._speaker.event
        channel = event.channel if event is not None else None
        if not channel:
            raise UsageError(f"{what} needs an event that happened in a channel; name one, with message()")
        return channel

    def thread(self) -> dict[str, Any]:
        """The option that keeps an answer in the event's thread."""
        event = self._speaker.event
        thread = event.thread if event is not None else None
        return {"thread_ts": thread} if thread else {}

    def resolved(self, channel: str) -> str:
        """The channel to send to: a name becomes an id, a user's id the direct message with that user."""
        channel = self.named(channel)
        if not is_id(channel, "UW"):
            return channel
        key = self._speaker.id
        found = self._known.get(key, channel)
        if found is None:
            found = self._open_direct_message(channel)
            if found != channel:  # A shadow opens none.
                self._known.put(key, channel, found)
        return found

    def named(self, channel: str) -> str:
        """The id of a `#name` or `@name`; what is an id stays."""
        try:
            return self._speaker.directory.resolve(channel)
        except SlackError as exc:
            # Where the bot may not list channels, Slack itself finds the name: chat.postMessage takes it.
            # After what passes, a later try would have an id, and say anew what this one had said by name.
            if exc.fatal and channel.startswith("#"):
                return channel
            raise

    def _open_direct_message(self, user: str) -> str:
        opened = self._speaker.call("conversations.open", users=user).get("channel")
        if not isinstance(opened, dict) or not isinstance(opened.get("id"), str):
            raise SlackError("bad_answer", detail="conversations.open gave no channel")
        return str(opened["id"])
