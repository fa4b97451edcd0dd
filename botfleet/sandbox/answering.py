"""Apps answer people: in the body of the answer to a slash command, or by a response URL."""

from __future__ import annotations

import json
from typing import NamedTuple

from . import changes
from .interactions import Occasion
from .model import Json, Message, User
from .service import Sandbox

WHO_COMPLAINS = User("USLACKBOT", "slackbot", "Slackbot", "")
FAILURES = {"http_timeout": "operation_timeout"}


class Told(NamedTuple):
    """The answer to an app's use of a response URL."""

    status: int
    body: str


def respond(sandbox: Sandbox, name: str, body: bytes) -> Told:
    """Take what an app sends to a response URL."""
    occasion = sandbox.interactions.occasions.get(name)
    if occasion is None or occasion.expires <= sandbox.monotonic():
        return Told(404, "expired_url")
    if occasion.left <= 0:
        return Told(404, "used_url")
    content = _parsed(body)
    if content is None:
        return Told(400, "invalid_payload")
    error = _show(sandbox, occasion, content)
    if error:
        return Told(400, error)
    occasion.left -= 1
    return Told(200, "ok")


def take(sandbox: Sandbox, occasion: Occasion, body: bytes) -> None:
    """Show what an app has answered to a slash command: JSON, or plain text; nothing where that is empty."""
    text = body.decode("utf-8", "replace").strip()
    if text:
        _show(sandbox, occasion, _parsed(body) or {"text": text})


def complain(sandbox: Sandbox, occasion: Occasion, command: str, reason: str) -> None:
    """Tell a person that a slash command has failed."""
    error = FAILURES.get(reason, "dispatch_failed")
    text = f'{command} failed with the error "{error}"'
    ts = sandbox.world.next_ts(occasion.channel)
    message = Message(ts, WHO_COMPLAINS.id, text)
    sandbox.record(
        occasion.team, occasion.channel, WHO_COMPLAINS, message, "slack", ephemeral_for=occasion.user
    )


def _parsed(body: bytes) -> Json | None:
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _show(sandbox: Sandbox, occasion: Occasion, content: Json) -> str:
    """Show an answer; give the error, or nothing."""
    if _is_set(content, "delete_original"):
        _delete(sandbox, occasion)
        return ""
    text = str(content.get("text") or "")
    extras = {name: content[name] for name in ("blocks", "attachments") if content.get(name)}
    for name, value in extras.items():
        if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
            return f"invalid_{name}"
    if not text and not extras:
        return "no_text"
    if _is_set(content, "replace_original") and occasion.message is not None:
        _replace(sandbox, occasion, occasion.message, text, extras)
    elif content.get("response_type") == "in_channel":
        _post(sandbox, occasion, text, extras, _thread(content))
    else:
        _whisper(sandbox, occasion, text, extras, _thread(content))
    return ""


def _is_set(content: Json, name: str) -> bool:
    return content.get(name) in (True, "true", "1", 1)


def _thread(content: Json) -> str | None:
    given = content.get("thread_ts")
    return given if isinstance(given, str) and given else None


def _post(sandbox: Sandbox, occasion: Occasion, text: str, extras: Json, thread_ts: str | None) -> None:
    team, channel = occasion.team, occasion.channel
    message = sandbox.post(
        team, channel, team.bot, text, "response", thread_ts=thread_ts, extras=extras or None
    )
    message.app_id = occasion.app.app_id


def _whisper(sandbox: Sandbox, occasion: Occasion, text: str, extras: Json, thread_ts: str | None) -> None:
    team, channel = occasion.team, occasion.channel
    ts = sandbox.world.next_ts(channel)
    message = Message(ts, team.bot.id, text, thread_ts, team.bot_id, extras or None)
    message.app_id = occasion.app.app_id
    sandbox.whisper(team, channel, occasion.user, message)


def _replace(sandbox: Sandbox, occasion: Occasion, message: Message, text: str, extras: Json) -> None:
    team, channel = occasion.team, occasion.channel
    if not occasion.was_ephemeral:
        message.extras = None
        changes.edit(sandbox, team, channel, message, text, extras)
        sandbox.record(team, channel, team.bot, message, "response", edited=True)
        return
    message.text, message.extras = text, extras or None
    sandbox.whisper(team, channel, occasion.user, message, edited=True)


def _delete(sandbox: Sandbox, occasion: Occasion) -> None:
    message, channel = occasion.message, occasion.channel
    if message is None:
        return
    if occasion.was_ephemeral:
        sandbox.unwhisper(occasion.team, channel, message)
    elif message.ts in channel.messages:
        changes.delete(sandbox, occasion.team, channel, message)
