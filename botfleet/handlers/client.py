"""The client: what a handler does to Slack in the name of one bot."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import cached_property
from typing import IO, Any

from slack_sdk import WebClient

from ..errors import SlackError, TokenNotConnected, TokenRevoked, UsageError
from ..model import Bot, Command, State, Status, bot_key, is_dead
from ..secrets import Token
from ..slack.markup import is_id
from ..slack.methods import is_repeatable
from ..store.base import Store
from ..webapi import translated
from .context import HandlerContext
from .directory import Directory
from .event import Event
from .sending.arguments import checked, contents, fits_a_frame, named, param
from .sending.broadcast import broadcast
from .sending.places import Places
from .sending.posting import Posting
from .sending.responding import answer_of, respond
from .sending.sender import Sender
from .sending.sent import Broadcast, Sent, joined, sent_of
from .sending.shadow import Shadow
from .sending.splitting import split
from .sending.web import TeamWebClient

logger = logging.getLogger(__name__)


class Client:
    """Speaks for one bot.

    The bot and its token are looked up when they are first needed, so that a handler that does nothing
    costs nothing. Make one per event and don't share it between threads.

    Args:
        context: of the process.
        team_id: the bot's team.
        namespace: the bot's namespace.
        event: what is answered by `reply`, where there is an event.
        origin: names what several tries of the same work have in common, so that what one of them has sent
            is not sent again by the next; empty where it may be.
    """

    def __init__(
        self,
        context: HandlerContext,
        team_id: str,
        namespace: str = "",
        event: Event | None = None,
        origin: str = "",
    ) -> None:
        self.team_id = team_id
        self.namespace = namespace
        self.event = event
        self._context = context
        self._origin = origin
        self._places = Places(context, self)
        shadow = Shadow(context, self.id, self._places.resolved)
        self._sender = Sender(context, self.id, origin, shadow)
        self._posting = Posting(lambda: self.web, context.settings.unfurl)

    @classmethod
    def of(cls, context: HandlerContext, bot: Bot, status: Status | None, origin: str = "") -> Client:
        """The client of a bot that was read just now, with its status: it is not looked up again."""
        client = cls(context, bot.team_id, bot.namespace, origin=origin)
        client._registered = bot, status
        return client

    # What is known of the bot

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
        bot, _ = self._registered
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
        """slack_sdk's WebClient for the team. What it raises is slack_sdk's.

        Its calls, too, wait for their turn, are not repeated by a later try of the handler, and are held back
        in shadow mode.
        """
        return TeamWebClient(self._context.api.web_client(self.token), self._sender)

    @cached_property
    def directory(self) -> Directory:
        """The team's channels, users and bots, by id and by name; it knows what the event has changed."""
        context = self._context
        directory = Directory(self.id, context.store, lambda: self.web, context.recent, context.clock)
        if self.event is not None:
            directory.follow(self.event)
        return directory

    # Saying something

    def message(
        self,
        channel: str | None,
        text: str,
        *,
        wait: bool = False,
        unfurl: bool | None = None,
        **options: Any,
    ) -> Sent | None:
        """Says something; a long text in several messages.

        Plain text goes out over the bot's socket, where it has one; it waits there while the socket is being
        connected. With a link, with any option, without a socket, and when too long for a frame, it is
        chat.postMessage.

        Args:
            channel: a channel's id or `#name`, or a user's id or `@name` for a direct message. None, which an
                event without a channel or user gives, is refused.
            text: what to say.
            wait: for Slack's answer, also over the socket.
            unfurl: whether links show what is behind them; the setting `unfurl` decides where not given.
            options: chat.postMessage's, e.g. `thread_ts` or `blocks`.

        Returns:
            What was said; None where it is on its way over the socket and nobody waits.

        Raises:
            UsageError: the channel or the text is no text, or is empty; or nothing has that name.
            TokenNotConnected: no such bot, or it is stopped.
            TokenRevoked: its token is dead.
            ConnectionRateLimited: Slack, or the fleet's own pace, asks to wait for longer than a call may
                take: `retry_after`.
            PerhapsDone: nobody knows whether it was said.
            SlackError: Slack refused.
        """
        channel = checked(channel, text, options)
        self._check_running()
        channel = self._places.resolved(channel)
        pieces = [text] if "blocks" in options else split(text)
        if not options and self._may_go_by_socket(channel, pieces, unfurl):
            return self._say_all(channel, pieces, wait)
        return self._posting.message(channel, pieces, unfurl, options)

    def reply(
        self, text: str, *, wait: bool = False, unfurl: bool | None = None, **options: Any
    ) -> Sent | None:
        """Answers the event: in its channel, and in its thread where it is in one; as `message`.

        Raises:
            UsageError: there is no event, or it happened in no channel.
        """
        channel = self._places.of_event("reply")
        return self.message(channel, text, wait=wait, unfurl=unfurl, **{**self._places.thread(), **options})

    def dm(
        self, user: str | None, text: str, *, wait: bool = False, unfurl: bool | None = None, **options: Any
    ) -> Sent | None:
        """Says something to one user, in their direct message with the bot; as `message`.

        Raises:
            UsageError: it is no user, but a channel, where others would read it.
        """
        self._check_running()
        user = self._places.named(checked(user, text, options))
        if not is_id(user, "UWD"):
            raise UsageError("dm takes a user: an id, as U0123, or @name")
        return self.message(user, text, wait=wait, unfurl=unfurl, **options)

    def ephemeral(
        self,
        user: str | None,
        text: str,
        *,
        channel: str | None = None,
        **options: Any,
    ) -> Sent:
        """Shows something to one user in a channel, until they look elsewhere; no history keeps it.

        Args:
            user: an id, or `@name`.
            text: what to show; a long one in several pieces.
            channel: where; the event's channel and thread where not given.
            options: chat.postEphemeral's.

        Raises:
            SlackError: Slack refused: `user_not_in_channel` …
        """
        user = self._places.named(checked(user, text, options))
        if channel is None:
            channel, options = self._places.of_event("ephemeral"), {**self._places.thread(), **options}
        pieces = [text] if "blocks" in options else split(text)
        return self._posting.ephemeral(self._target(channel), user, pieces, options)

    def respond(
        self,
        text: str = "",
        *,
        in_channel: bool = False,
        replace_original: bool = False,
        delete_original: bool = False,
        **options: Any,
    ) -> None:
        """Answers a slash command, or a click, where it was made: also where the bot is no member.

        Only who did it sees the answer, until they look elsewhere. Slack takes 5 answers, within 30 minutes.

        Args:
            text: what to say; in one message, however long.
            in_channel: everybody in the channel sees it.
            replace_original: it takes the place of the message that was clicked in.
            delete_original: that message goes away, and nothing is said.
            options: of Slack's message, e.g. `blocks` or `thread_ts`.

        Raises:
            UsageError: the event has no response_url, or there is nothing to say.
            TokenNotConnected: no such bot, or it is stopped.
            AnswerTooLate: it is answered often enough, or too long ago.
            PerhapsDone: nobody knows whether it was said.
            SlackError: Slack refused.
        """
        answer = answer_of(text, in_channel, replace_original, delete_original, options)
        self._check_running()
        respond(self._context.api, self._sender, self.event, answer)

    def broadcast(
        self, text: str, to: str = "#general", *, namespace: str | None = None, **options: Any
    ) -> Broadcast:
        """Says something in a channel of every team; as `message`, by every bot of the fleet.

        One bot's failure hinders no other. It takes its time: for many teams use a task of its own.

        Args:
            text: what to say.
            to: the channel, by its `#name`, for ids differ from team to team.
            namespace: only bots of this namespace; empty for those without one.
            options: as `message` takes them.

        Raises:
            UsageError: the channel or the text is no text, or is empty.
            StoreUnavailable: the store is away; some may have said it.
        """
        checked(to, text, options)

        def speak(bot: Bot, status: Status | None) -> None:
            Client.of(self._context, bot, status, self._origin).message(to, text, **options)

        return broadcast(self._context.store, speak, namespace)

    # Doing something to what was said

    def react(self, name: str, message: Sent | str | None = None, *, channel: str | None = None) -> None:
        """Puts an emoji under a message; where it is there already, nothing happens.

        Args:
            name: the emoji's, with colons or without.
            message: what `message` gave, or a `ts`; the event's message where not given.
            channel: of a `ts`; the event's channel where not given.
        """
        self._reaction("reactions.add", "already_reacted", name, message, channel)

    def unreact(self, name: str, message: Sent | str | None = None, *, channel: str | None = None) -> None:
        """Takes an emoji of the bot's away; where there is none, nothing happens. As `react`."""
        self._reaction("reactions.remove", "no_reaction", name, message, channel)

    def update(self, message: Sent | str, text: str, *, channel: str | None = None, **options: Any) -> Sent:
        """Changes a message of the bot's; up to 4,000 characters.

        Args:
            message: what `message` gave with `wait=True`, or a `ts`.
            text: what it says from now on.
            channel: of a `ts`; the event's channel where not given.
            options: chat.update's.

        Raises:
            UsageError: there is no message.
            SlackError: Slack refused: `message_not_found`, `cant_update_message`, `msg_too_long` …
        """
        place, ts = self._place(named(message, "update"), channel, "update")
        checked(place, text, options)
        return sent_of(self.call("chat.update", channel=place, ts=ts, text=text, **options), place)

    def delete(self, message: Sent | str, *, channel: str | None = None) -> None:
        """Deletes a message of the bot's, all pieces of a long one; takes what `update` does.

        Raises:
            UsageError: there is no message.
            SlackError: Slack refused: `message_not_found`, `cant_delete_message` …
        """
        place, ts = self._place(named(message, "delete"), channel, "delete")
        for each in (ts, *(message.more if isinstance(message, Sent) else ())):
            self.call("chat.delete", channel=place, ts=each)

    def upload(
        self,
        file: str | os.PathLike[str] | bytes | IO[bytes] | IO[str] | None = None,
        *,
        content: str | None = None,
        filename: str | None = None,
        title: str | None = None,
        comment: str | None = None,
        channel: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Brings a file to Slack and shows it in a channel.

        Args:
            file: its path, its bytes, or what is open for reading; else give `content`.
            content: the file's text.
            filename: its name; a path's own where not given.
            title: shown above it.
            comment: the message that it comes with.
            channel: where; the event's channel and thread where not given.
            options: further ones of slack_sdk's `files_upload_v2`.

        Returns:
            Slack's description of the file: `id`, `name`, `permalink` …

        Raises:
            UsageError: there is neither `file` nor `content`, or both.
            OSError: the file can't be read.
            SlackError: Slack refused.
        """
        raw, name = contents(file, content)
        if channel is None:
            channel, options = self._places.of_event("upload"), {**self._places.thread(), **options}
        given = {"filename": filename or name, "title": title, "initial_comment": comment, **options}
        channel = self._target(channel)
        with translated(changes=True):
            answer = self.web.files_upload_v2(file=raw, channel=channel, **given)
        found = answer.get("file")
        return found if isinstance(found, dict) else {}

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Calls any method of the Web API.

        Args:
            method: its name, as `conversations.invite`.
            arguments: its arguments; None is left out.

        Returns:
            Slack's answer.

        Raises:
            PerhapsDone: nobody knows whether it was done, and doing it again might do harm.
            SlackError: Slack refused.
        """
        params = {name: param(value) for name, value in arguments.items() if value is not None}
        with translated(changes=not is_repeatable(method)):
            answer = self.web.api_call(method, params=params).data
        return answer if isinstance(answer, dict) else {}

    # What only a socket does

    def typing(self, channel: str | None = None) -> None:
        """Shows that the bot is typing, in the event's channel where none is given.

        Only sockets can do that; elsewhere nothing happens.
        """
        channel = channel or self._places.of_event("typing")
        self._signal(Command(op="typing", key=self.id, channel=channel))

    def ping(self, **extra: str | int | float | bool) -> None:
        """Pings over the bot's socket; `extra` fields come back in the answer. Without a socket, nothing."""
        for name, value in extra.items():
            if not isinstance(value, str | int | float):
                raise UsageError(f"ping's {name} is no plain value; takes texts, numbers, true and false")
        self._signal(Command(op="ping", key=self.id, extra=dict(extra)))

    def secrets(self) -> list[str]:
        """What must not be logged of what was looked up so far: the token, and its stored form."""
        found = self.__dict__
        sealed = [found["bot"].sealed_token] if "bot" in found else []
        return [*sealed, *([found["token"].reveal()] if "token" in found else [])]

    def __repr__(self) -> str:
        return f"<Client {self.id}>"

    # Ways out

    @cached_property
    def _registered(self) -> tuple[Bot | None, Status | None]:
        return self._context.store.bot_and_status(self.id)

    @property
    def _has_socket(self) -> bool:
        return self.bot.transport == "rtm"

    def _may_go_by_socket(self, channel: str, pieces: list[str], unfurl: bool | None) -> bool:
        """Whether all pieces may; if only some did, they would overtake the others."""
        if not self._has_socket or channel.startswith("#"):
            return False
        unfurled = self._posting.unfurls if unfurl is None else unfurl
        # Over the socket Slack unfurls whatever it likes.
        return all(fits_a_frame(piece) and (unfurled or "://" not in piece) for piece in pieces)

    def _say_all(self, channel: str, pieces: Sequence[str], wait: bool) -> Sent | None:
        self._check_alive()
        sent = [self._sender.say(channel, piece, wait) for piece in pieces]
        known = [one for one in sent if one is not None]
        return joined(known) if known else None

    def _signal(self, command: Command) -> None:
        if self._has_socket:
            self._check_running()
            self._check_alive()
            self._sender.signal(command)
        else:
            logger.debug("%s has no socket for %s", self.id, command.op, extra={"action": "frame_skipped"})

    def _reaction(
        self, method: str, done: str, name: str, message: Sent | str | None, channel: str | None
    ) -> None:
        place, ts = self._place(message, channel, "a reaction")
        try:
            self.call(method, channel=place, timestamp=ts, name=name.strip(":"))
        except SlackError as exc:
            if exc.error != done:
                raise

    # Checks

    def _check_alive(self) -> None:
        _, status = self._registered
        if is_dead(self.bot, status):
            raise TokenRevoked("token_revoked", detail=f"the token of the bot {self.id} is dead")

    def _check_running(self) -> None:
        if self.bot.desired == "stopped":
            raise TokenNotConnected("stopped", detail=f"the bot {self.id} is stopped")

    # Places

    def _place(self, message: Sent | str | None, channel: str | None, what: str) -> tuple[str, str]:
        """The channel and the `ts` of a message that something is done to."""
        self._check_running()
        if isinstance(message, Sent):
            return message.channel, message.ts
        ts = message or (self.event.message_ts if self.event is not None else None)
        if not ts:
            raise UsageError(f"{what} needs a message: what message() gave, or a ts and its channel")
        return self._target(channel or self._places.of_event(what)), ts

    def _target(self, channel: str) -> str:
        self._check_running()
        return self._places.resolved(channel)
