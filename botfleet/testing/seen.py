"""What a test sees of a bot: what it said, its reactions, and its calls of the Web API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """Something that was said.

    Attributes:
        text: as people see it: `@alice` and `#general` where Slack has `<@U…>` and `<#C…>`.
        raw: as Slack has it.
        channel: `#general`, or `@alice` for her direct messages with the bot.
        channel_id: Slack's.
        user: who said it, without the `@`.
        ts: Slack's timestamp, which is the message's name within its channel.
        thread: the `ts` of the message that it replies to; None outside of threads.
        ephemeral: whether only one person sees it.
        edited: whether it is an edit of an earlier message, with the text as it is now.
        extras: `attachments`, `blocks`, `username` and `icons`, where they were given.
    """

    text: str
    raw: str
    channel: str
    channel_id: str
    user: str
    ts: str
    thread: str | None = None
    ephemeral: bool = False
    edited: bool = False
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reaction:
    """An emoji that the bot put under a message.

    Attributes:
        name: the emoji's, without colons.
        channel: where the message is, as in `Message`.
        ts: the message's.
    """

    name: str
    channel: str
    ts: str


@dataclass(frozen=True)
class Call:
    """A call of the Web API.

    Attributes:
        method: e.g. `chat.postMessage`.
        error: Slack's error string; None where all was well.
        arguments: what was given, without the token; empty where the sandbox is a process of its own, which
            does not tell them.
    """

    method: str
    error: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
