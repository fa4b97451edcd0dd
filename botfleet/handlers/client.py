"""The client: what a handler does to Slack in the name of one bot."""

from __future__ import annotations

import json
import logging
from functools import cached_property
from typing import Any

from slack_sdk import WebClient

from ..errors import SlackError, TokenNotConnected, TokenRevoked, UsageError
from ..model import Bot, Command, State, bot_key
from ..secrets import Token
from ..store.base import Store
from ..webapi import translated
from .context import HandlerContext
from .event import Event

logger = logging.getLogger(__name__)

#: Slack asks to keep texts to 4,000 characters, and disconnects at a frame over 16 KB.
_MAX_TEXT = 4_000
_MAX_FRAME = 16 * 1024
#: Bytes for the rest of a message's frame: id, type, channel.
_FRAME_ROOM = 200


class Client:
    """Speaks for one bot.

    The bot and its token are looked up when they are first needed, so that a handler that does nothing
    costs nothing. Make one per event and don't share it between threads.

    Args:
        context: of the process.
        team_id: the bot's team.
        namespace: the bot's namespace.
        event: what is answered by `reply`, where there is an event.
    """

    def __init__(
        self, context: HandlerContext, team_id: str, namespace: str = "", event: Event | None = None
    ) -> None:
        self.team_id = team_id
        self.namespace = namespace
        self.event = event
        self._context = context

    @property
    def id(self) -> str:
        """The bot's key: its team id, or `NAMESPACE-TEAM`."""
        return bot_key(self.team_id, self.namespace)

    @property
    def storage(self) -> Store:
        """The fleet's store."""
        return self._context.store

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names that people address the bot by (the setting `botfleet_aliases`)."""
        return self._context.settings.aliases

    @cached_property
    def bot(self) -> Bot:
        """The bot as the registry has it.

        Raises:
            TokenNotConnected: there is no such bot (any more).
        """
        bot = self._context.store.bot(self.id)
        if bot is None:
            raise TokenNotConnected("team_not_found", detail=f"no bot {self.id} is registered")
        return bot

    @cached_property
    def token(self) -> Token:
        """The bot's token.

        Raises:
            TokenNotConnected: there is no such bot.
            SealError: this process has no key for it.
        """
        return self._context.seal.open(self.bot.sealed_token)

    @property
    def status(self) -> State:
        """What the bot's connection is doing; `disconnected` where nothing is known."""
        status = self._context.store.status(self.id)
        return status.state if status else "disconnected"

    @cached_property
    def web(self) -> WebClient:
        """slack_sdk's WebClient for the team. What it raises is slack_sdk's."""
        return self._context.api.web_client(self.token)

    def message(self, channel: str | None, text: str, **options: Any) -> None:
        """Says something.

        Plain text goes out over the bot's socket, where it has one; it waits there while the socket is being
        connected. With any option, without a socket, and when too long for a frame, it is chat.postMessage.

        Args:
            channel: a channel's id or `#name`, or a user's id for a direct message. None, which an event
                without a channel or user gives, is refused.
            text: what to say.
            options: chat.postMessage's, e.g. `thread_ts` or `blocks`.

        Raises:
            UsageError: the channel or the text is no text, or is empty.
            TokenNotConnected: no such bot, or it is stopped.
            TokenRevoked: its token is dead.
            SlackError: Slack refused.
        """
        channel = _checked(channel, text, options)
        self._check_running()
        channel = self._resolved(channel)
        if options or channel.startswith("#") or not self._has_socket or not _fits_a_frame(text):
            with translated():
                self.web.chat_postMessage(channel=channel, text=text, **options)
        else:
            self._send(Command(op="message", key=self.id, channel=channel, text=text))

    def reply(self, text: str, **options: Any) -> None:
        """Answers the event: in its channel, and in its thread where it is in one.

        Raises:
            UsageError: there is no event, or it happened in no channel.
        """
        if self.event is not None and self.event.thread_ts:
            options.setdefault("thread_ts", self.event.thread_ts)
        self.message(self._event_channel("reply"), text, **options)

    def typing(self, channel: str | None = None) -> None:
        """Shows that the bot is typing, in the event's channel where none is given.

        Only sockets can do that; elsewhere nothing happens.
        """
        channel = channel or self._event_channel("typing")
        self._frame(Command(op="typing", key=self.id, channel=channel))

    def ping(self, **extra: str | int | float | bool) -> None:
        """Pings over the bot's socket; `extra` fields come back in the answer. Without a socket, nothing."""
        for name, value in extra.items():
            if not isinstance(value, str | int | float):
                raise UsageError(f"ping's {name} is no plain value; takes texts, numbers, true and false")
        self._frame(Command(op="ping", key=self.id, extra=dict(extra)))

    def secrets(self) -> list[str]:
        """What must not be logged of what was looked up so far: the token, and its stored form."""
        found = self.__dict__
        sealed = [found["bot"].sealed_token] if "bot" in found else []
        return [*sealed, *([found["token"].reveal()] if "token" in found else [])]

    def __repr__(self) -> str:
        return f"<Client {self.id}>"

    @property
    def _has_socket(self) -> bool:
        return self.bot.transport == "rtm"

    def _frame(self, command: Command) -> None:
        if self._has_socket:
            self._check_running()
            self._send(command)
        else:
            logger.debug("%s has no socket for %s", self.id, command.op, extra={"action": "frame_skipped"})

    def _send(self, command: Command) -> None:
        if self.status == "token_revoked":
            raise TokenRevoked("token_revoked", detail=f"the token of the bot {self.id} is dead")
        self._context.store.send([command])

    def _check_running(self) -> None:
        if self.bot.desired == "stopped":
            raise TokenNotConnected("stopped", detail=f"the bot {self.id} is stopped")

    def _event_channel(self, what: str) -> str:
        channel = self.event.channel if self.event is not None else None
        if not channel:
            raise UsageError(f"{what} needs an event that happened in a channel; name one, with message()")
        return channel

    def _resolved(self, channel: str) -> str:
        """The channel to send to: a user's id becomes the direct message with that user."""
        if not _is_user_id(channel):
            return channel
        known = self._context.direct_messages
        found = known.get(self.id, channel)
        if found is None:
            found = self._open_direct_message(channel)
            known.put(self.id, channel, found)
        return found

    def _open_direct_message(self, user: str) -> str:
        with translated():
            opened = self.web.conversations_open(users=user).get("channel")
        if not isinstance(opened, dict) or not isinstance(opened.get("id"), str):
            raise SlackError("bad_answer", detail="conversations.open gave no channel")
        return str(opened["id"])


def _checked(channel: object, text: object, options: dict[str, Any]) -> str:
    """The channel, where it and the text can be used."""
    if not isinstance(channel, str) or not channel:
        raise UsageError("the channel is an id, as C0123, D0123 or U0123, or #name")
    if not isinstance(text, str):
        raise UsageError(f"the text is {type(text).__name__}; takes text")
    if not text and not options:
        raise UsageError("the text is empty")
    return channel


def _is_user_id(channel: str) -> bool:
    return channel[0] in "UW" and channel.isalnum() and channel == channel.upper()


def _fits_a_frame(text: str) -> bool:
    # Reckoned as ASCII with escapes, the longest form that JSON has.
    return len(text) <= _MAX_TEXT and len(json.dumps(text)) + _FRAME_ROOM <= _MAX_FRAME
