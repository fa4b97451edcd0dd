"""What the client's calls take: checked, and brought into the form that Slack takes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import IO, Any

from ...errors import UsageError
from .sent import Sent
from .splitting import LIMIT

#: Slack disconnects at a frame over 16 KB.
_MAX_FRAME = 16 * 1024
#: Bytes for the rest of a message's frame: id, type, channel.
_FRAME_ROOM = 200


def checked(channel: object, text: object, options: Mapping[str, Any]) -> str:
    """The channel, where it and the text can be used."""
    if not isinstance(channel, str) or not channel:
        raise UsageError("the channel is an id, as C0123, D0123 or U0123, or #name or @name")
    if not isinstance(text, str):
        raise UsageError(f"the text is {type(text).__name__}; takes text")
    if not text.strip() and not options:
        raise UsageError("the text is empty")
    return channel


def named(message: Sent | str | None, what: str) -> Sent | str:
    """The message of the bot's that something is done to; the event's, which somebody wrote, is never meant.

    Raises:
        UsageError: there is none.
    """
    if not message:
        raise UsageError(f"{what} needs a message: what message() gives with wait=True, or a ts")
    return message


def fits_a_frame(text: str) -> bool:
    """Whether a socket takes a text."""
    # Reckoned as ASCII with escapes, the longest form that JSON has.
    return len(text) <= LIMIT and len(json.dumps(text)) + _FRAME_ROOM <= _MAX_FRAME


def param(value: object) -> object:
    """An argument as a form has it: lists of names with commas, whatever else has a structure as JSON."""
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return json.dumps(value) if isinstance(value, list | tuple | dict) else value


def contents(
    file: str | os.PathLike[str] | bytes | IO[bytes] | IO[str] | None, content: str | None
) -> tuple[bytes, str | None]:
    """A file's bytes and, where it has one, its name."""
    if (file is None) == (content is None):
        raise UsageError("upload takes either file or content")
    if content is not None:
        return content.encode(), None
    if isinstance(file, bytes):
        return file, None
    if isinstance(file, str | os.PathLike):
        with open(file, "rb") as opened:
            return opened.read(), os.path.basename(file)
    if file is None or not hasattr(file, "read"):
        raise UsageError("upload takes a path, bytes, or what is open for reading")
    name, read = getattr(file, "name", None), file.read()
    # slack_sdk would take a text for a path.
    raw = read.encode() if isinstance(read, str) else read
    return raw, os.path.basename(name) if isinstance(name, str) else None
