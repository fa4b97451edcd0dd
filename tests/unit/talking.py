"""A role's handlers that are spoken to: what a holder would publish is run as Celery would."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from typing import Any

import msgspec
from celery import Celery

from botfleet.handlers import Commands, Handler, HandlerContext, Hook, Loaded
from botfleet.handlers.builtin.answers import with_builtins
from botfleet.handlers.declaring.classes import handlers_of
from botfleet.handlers.running.binding import bind
from botfleet.model import Subscription
from botfleet.publishing.router import Router
from botfleet.settings import Settings
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import decode

from .bots import context_with_bot, envelope, sent


class Talk:
    """A worker of some handlers, and a holder that asks the store what to publish.

    Args:
        handlers: in order of definition.
        hooks: around them.
        builtins: which of the built-in answers are there as well.
        aliases: other names of the bot.
        context: another worker's, to stand beside that one.
    """

    def __init__(
        self,
        *handlers: Handler[..., Any] | type[Commands],
        hooks: Iterable[Hook[..., Any]] = (),
        builtins: Iterable[str] = (),
        aliases: tuple[str, ...] = (),
        context: HandlerContext | None = None,
        role: str = "handler",
    ) -> None:
        self._numbers = itertools.count(1)
        self.app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
        settings = Settings(
            slack_api_url="http://127.0.0.1:1/api/", connect_timeout=1.0, send_rate=0.0, aliases=aliases
        )
        self.context = context or context_with_bot(settings, bot_id="B0")
        found = [one for each in handlers for one in _handlers(each)]
        loaded = with_builtins(Loaded((), tuple(found), tuple(hooks)), set(builtins))
        self.handlers = loaded.handlers
        self.context.store.put_subscriptions(role, bind(self.app, loaded, self.context))
        self.app.finalize()

    def say(self, text: str, channel: str = "C1", **fields: Any) -> list[str]:
        """Says something, as anybody in a channel; returns what the bot says to it."""
        # A handler says the same to the same event once.
        return self.happen(envelope(text, id=f"Ev{next(self._numbers)}", channel=channel, **fields))

    def happen(self, event: dict[str, Any]) -> list[str]:
        """Has something happen; returns what the bot says to it."""
        wanted = self._wanted(event)
        # Tasks run in any order, each by itself.
        random.shuffle(wanted)
        for one in wanted:
            if one.task in self.app.tasks:
                self.app.tasks[one.task].apply(args=[event], kwargs=one.kwargs).get()
        return [command.text for command in sent(self.context)]

    def published(self, text: str, channel: str = "C1", **fields: Any) -> set[str]:
        """The tasks that a holder sends when somebody says something."""
        wanted = self._wanted(envelope(text, channel=channel, **fields))
        return {one.task.rpartition(".")[2] for one in wanted}

    def _wanted(self, event: dict[str, Any]) -> list[Subscription]:
        bot = self.context.store.bot("T1")
        frame = decode(msgspec.json.encode(event["payload"]))
        assert bot is not None
        assert frame is not None
        groups = self.context.store.subscriptions().values()
        return Router(one for group in groups for one in group).match(Origin.of(bot), frame)


def _handlers(declared: Handler[..., Any] | type[Commands]) -> list[Handler[..., Any]]:
    return [declared] if isinstance(declared, Handler) else list(handlers_of(declared))
