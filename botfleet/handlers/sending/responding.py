"""Answers by response_url: to slash commands, and to what people do to buttons, menus and forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import UsageError
from ...webapi import SlackApi, translated
from ..event import Event
from .sender import Sender

#: Stands among the methods of the Web API for an answer by response_url.
RESPOND = "respond"


def answer_of(
    text: str, in_channel: bool, replace_original: bool, delete_original: bool, options: Mapping[str, Any]
) -> dict[str, Any]:
    """An answer as Slack takes it.

    Raises:
        UsageError: there is nothing to say, or what is said contradicts itself.
    """
    if not isinstance(text, str):
        raise UsageError(f"the text is {type(text).__name__}; takes text")
    if delete_original and (text or options or in_channel or replace_original):
        raise UsageError("respond takes delete_original by itself")
    if not (delete_original or text.strip() or options):
        raise UsageError("the text is empty")
    return {
        "response_type": "in_channel" if in_channel else "ephemeral",
        # Without a word Slack replaces what a button stands in, and with `false` it never does.
        "replace_original": replace_original,
        **({"delete_original": True} if delete_original else {"text": text}),
        **options,
    }


def respond(api: SlackApi, sender: Sender, event: Event | None, answer: dict[str, Any]) -> None:
    """Sends an answer to an event.

    Raises:
        UsageError: the event has no response_url.
        SlackError: as `Client.respond` says.
    """
    url = event.response_url if event is not None else None
    if event is None or not url:
        raise UsageError("respond needs a slash command, or something done to a button, menu or form")
    # Not by the URL, which is a secret: the run of the handler is told by its event.
    told_by = {**answer, "channel": event.channel or event.user}
    with translated(changes=True):
        sender.call(RESPOND, told_by, lambda: api.respond(url, answer))
