"""How a bot's author declares the handlers of the chain: of those that match an event, the first is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Unpack

from ..model import Subscription
from ..slack.address import first_word
from .declaration import Declaration
from .handler import Handler, P, R, TaskOptions
from .matching import CommandMatcher


def command(
    *words: str,
    max_age: float | None = 30.0,
    queue: str = "",
    **task_options: Unpack[TaskOptions],
) -> Callable[[Callable[P, R]], Handler[P, R]]:
    """Declares a handler for a command: `@bot ping`, `bot: ping`, or `ping` in a direct message.

        @command("ping")
        def ping(event, client, match):
            client.reply("pong")

    Args:
        words: the command and its aliases; each may be several words. Case and white space don't matter.
        max_age: seconds after which nobody waits for the answer any more; None lifts that.
        queue: the Celery queue to wait on; without it the event type's own.
        task_options: Celery's, e.g. `max_retries`, `rate_limit`, `time_limit`.

    Raises:
        ConfigurationError: the declaration is wrong.
    """
    declared = Declaration("command", words, 'a command, as in @command("ping")')
    commands = [declared.command(word) for word in declared.names]
    template = Subscription(
        task="",
        types=("message",),
        addressed=True,
        words=tuple(dict.fromkeys(first_word(text) for text in commands)),
        queue=declared.queue(queue),
        max_age=declared.max_age(max_age),
    )
    return declared.decorator(template, task_options, CommandMatcher(commands))
