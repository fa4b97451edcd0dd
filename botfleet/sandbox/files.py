"""Files: a URL is asked for, the bytes are brought there, and then the file is shown in channels.

Slack does not say how long a URL lives, nor what it answers for one that is used twice or that gets another
number of bytes than was announced. Here it lives as long as the sandbox, and the other two are refused.
"""

from __future__ import annotations

import mimetypes
from typing import Any

from .call import Call, SlackError
from .model import Channel, File, Json
from .service import Sandbox
from .webhandler import Discreet

TITLES = 100
"""Files that one call of files.completeUploadExternal takes."""


def get_upload_url(call: Call) -> Json:
    """Give a URL for the bytes of a new file."""
    name, length = call.text("filename"), call.text("length")
    if not name or not length.isdigit() or not int(length):
        raise SlackError("invalid_arguments")
    file = call.sandbox.world.add_file(call.team, name, int(length))
    base = call.socket_base.replace("ws", "http", 1)
    return {"upload_url": f"{base}upload/v1/{file.ticket}", "file_id": file.id}


def complete_upload(call: Call) -> Json:
    """Show files that were brought, in a channel where one is named."""
    asked = call.nested("files")
    if not isinstance(asked, list) or not 0 < len(asked) <= TITLES:
        raise SlackError("invalid_arguments")
    files = [_brought(call, one) for one in asked]
    channels = _channels(call)
    for file, one in zip(files, asked, strict=True):
        file.title = str(one.get("title") or file.name)
        file.shared = True
    shown = [_as_slack(file, call.team.bot.id, call.sandbox.clock()) for file in files]
    for channel in channels:
        _share(call, channel, shown)
    return {"files": shown}


class UploadHandler(Discreet):
    """``/upload/v1/TICKET``: takes a file's bytes, raw or as a form."""

    def post(self, ticket: str) -> None:
        """Take the bytes."""
        parts = [part for given in self.request.files.values() for part in given]
        status, answer = receive(self.sandbox, ticket, len(parts[0]["body"] if parts else self.request.body))
        self.set_status(status)
        self.finish(answer)


def receive(sandbox: Sandbox, ticket: str, size: int) -> tuple[int, str]:
    """Take a file's bytes, by their number; give the HTTP status and the text of the answer."""
    file = sandbox.world.uploads.pop(ticket, None)
    if file is None:
        return 404, "Not Found"
    file.received = size
    return (200, f"OK - {size}") if size == file.length else (400, "Bad Request")


def _brought(call: Call, asked: Any) -> File:
    file = call.team.files.get(str(asked.get("id"))) if isinstance(asked, dict) else None
    if file is None or file.received != file.length or file.shared:
        raise SlackError("file_not_found")
    return file


def _channels(call: Call) -> list[Channel]:
    named = [call.text("channel_id"), *call.text("channels").split(",")]
    wanted = list(dict.fromkeys(name.strip() for name in named if name.strip()))
    found = [call.team.channels.get(name) for name in wanted]
    if None in found:
        raise SlackError("invalid_channel")
    return [channel for channel in found if channel is not None]


def _share(call: Call, channel: Channel, shown: list[Json]) -> None:
    sandbox, team = call.sandbox, call.team
    extras = {"subtype": "file_share", "files": shown, "upload": True}
    thread_ts = call.text("thread_ts") or None
    text = call.text("initial_comment")
    message = sandbox.post(team, channel, team.bot, text, "api", thread_ts=thread_ts, extras=extras)
    for file in shown:
        event = {"channel_id": channel.id, "file_id": file["id"], "user_id": team.bot.id}
        sandbox.send_event(
            team, {"type": "file_shared", **event, "file": {"id": file["id"]}, "event_ts": message.ts}
        )


def _as_slack(file: File, user: str, now: float) -> Json:
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return {
        "id": file.id,
        "created": int(now),
        "timestamp": int(now),
        "name": file.name,
        "title": file.title,
        "mimetype": kind,
        "filetype": file.name.rpartition(".")[2] if "." in file.name else "binary",
        "size": file.length,
        "user": user,
        "mode": "hosted",
        "is_external": False,
        "permalink": f"https://files.slack.test/{file.id}",
    }
