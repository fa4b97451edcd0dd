"""The Web API's methods, each a small function from a call to an answer. `METHODS` is their table."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

from . import changes, farewells, files, views
from .call import Call, SlackError
from .model import Channel, Json, Message, history, microseconds

TEXT_CUT = 40_000
"""chat.postMessage cuts a longer text."""
TEXT_UPDATE = 4_000
"""chat.update refuses a longer text."""

Item = TypeVar("Item")


Method = Callable[[Call], Json]


def auth_test(call: Call) -> Json:
    """Say whose token it is; one of a whole organisation has that one's id for a team's."""
    team, organisation = call.team, call.team.enterprise
    bot = {"user": team.bot.name, "user_id": team.bot.id, "bot_id": team.bot_id}
    if organisation is not None and call.token.enterprise_id is not None:
        return {
            "url": f"https://{organisation.domain}.enterprise.slack.test/",
            "team": organisation.name,
            "team_id": organisation.id,
            **bot,
            "enterprise_id": organisation.id,
            "is_enterprise_install": True,
        }
    return {
        "url": f"https://{team.domain}.slack.test/",
        "team": team.name,
        "team_id": team.id,
        **bot,
        **({} if organisation is None else {"enterprise_id": organisation.id}),
        "is_enterprise_install": False,
    }


def auth_revoke(call: Call) -> Json:
    """Kill the caller's token, and its sockets."""
    if call.flag("test"):
        return {"revoked": False}
    farewells.end(call.sandbox, [call.token], "token_revoked")
    return {"revoked": True}


def apps_uninstall(call: Call) -> Json:
    """Remove the caller's app from the team, with all of its tokens."""
    app = call.token.app
    if call.text("client_id") != app.client_id:
        raise SlackError("invalid_client_id" if call.text("client_id") else "client_id_token_mismatch")
    if call.text("client_secret") != app.client_secret:
        raise SlackError("bad_client_secret")
    farewells.uninstall(call.sandbox, call.team, app)
    return {}


def rtm_connect(call: Call) -> Json:
    """Give a websocket URL for one use. ``rtm.start`` has answered the same since September 2022."""
    if call.token.transport != "rtm":
        raise SlackError("not_allowed_token_type")
    ticket = call.sandbox.hub.issue(call.token, call.sandbox.monotonic())
    team = call.team
    return {
        "url": f"{call.socket_base}websocket/{ticket}",
        "self": {"id": team.bot.id, "name": team.bot.name},
        "team": {"id": team.id, "name": team.name, "domain": team.domain},
    }


def chat_post_message(call: Call) -> Json:
    """Post a message as the bot."""
    channel = call.channel()
    extras = _extras(call)
    text = call.text("text")[:TEXT_CUT]
    if not text and not extras.keys() & {"attachments", "blocks"}:
        raise SlackError("no_text")
    thread_ts = call.text("thread_ts") or None
    bot = call.team.bot
    message = call.sandbox.post(call.team, channel, bot, text, "api", thread_ts=thread_ts, extras=extras)
    message.app_id = call.token.app.app_id
    return {"channel": channel.id, "ts": message.ts, "message": message.as_slack()}


def chat_post_ephemeral(call: Call) -> Json:
    """Show a message to one member of a channel; no history keeps it and no socket hears of it."""
    channel, user, extras = call.channel(), call.user(), _extras(call)
    text = call.text("text")
    if not text and not extras.keys() & {"attachments", "blocks"}:
        raise SlackError("no_text")
    if len(text) > TEXT_CUT:
        raise SlackError("msg_too_long")
    if user.id not in channel.members:
        raise SlackError("user_not_in_channel")
    sandbox, bot = call.sandbox, call.team.bot
    thread_ts = call.text("thread_ts") or None
    message = Message(sandbox.world.next_ts(channel), bot.id, text, thread_ts, call.team.bot_id, extras)
    message.app_id = call.token.app.app_id
    sandbox.whisper(call.team, channel, user, message)
    return {"message_ts": message.ts}


def chat_update(call: Call) -> Json:
    """Change a message of the bot's."""
    channel = call.channel()
    message = channel.messages.get(call.text("ts"))
    if message is None:
        raise SlackError("message_not_found")
    if message.user != call.team.bot.id:
        raise SlackError("cant_update_message")
    text, extras = call.text("text"), _extras(call)
    if not text and not extras:
        raise SlackError("no_text")
    if len(text) > TEXT_UPDATE:
        raise SlackError("msg_too_long")
    changes.edit(call.sandbox, call.team, channel, message, text, extras)
    call.sandbox.record(call.team, channel, call.team.bot, message, "api", edited=True)
    return {"channel": channel.id, "ts": message.ts, "text": text, "message": message.as_slack()}


def chat_delete(call: Call) -> Json:
    """Delete a message of the bot's."""
    channel = call.channel()
    message = channel.messages.get(call.text("ts"))
    if message is None:
        raise SlackError("message_not_found")
    if message.user != call.team.bot.id:
        raise SlackError("cant_delete_message")
    changes.delete(call.sandbox, call.team, channel, message)
    return {"channel": channel.id, "ts": message.ts}


def reactions_add(call: Call) -> Json:
    """Put an emoji under a message."""
    name, channel, message = _reaction(call)
    if not changes.react(call.sandbox, call.team, channel, message, call.team.bot, name):
        raise SlackError("already_reacted")
    return {}


def reactions_remove(call: Call) -> Json:
    """Take an emoji of the bot's away."""
    name, channel, message = _reaction(call)
    if not changes.unreact(call.sandbox, call.team, channel, message, call.team.bot, name):
        raise SlackError("no_reaction")
    return {}


def conversations_list(call: Call) -> Json:
    """List the channels of the types asked for, public ones by default."""
    _need_team(call)
    kinds = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
    types = [name.strip() for name in (call.text("types") or "public_channel").split(",")]
    if not set(types) <= kinds.keys():
        raise SlackError("invalid_types")
    wanted = {kinds[name] for name in types}
    kept = (c for c in call.team.channels.values() if not (c.archived and call.flag("exclude_archived")))
    found = [channel for channel in kept if channel.kind in wanted]
    page, cursor = _page(call, found, 1000)
    shown = [channel.as_slack(call.team.bot.id) for channel in page]
    return {"channels": shown, "response_metadata": {"next_cursor": cursor}}


def conversations_info(call: Call) -> Json:
    """Describe a channel."""
    channel = call.team.channels.get(call.text("channel"))
    if channel is None:
        raise SlackError("channel_not_found")
    return {"channel": channel.as_slack(call.team.bot.id)}


def conversations_history(call: Call) -> Json:
    """Give a channel's messages, newest first; threads' replies are not among them."""
    channel = call.team.channels.get(call.text("channel"))
    if channel is None:
        raise SlackError("channel_not_found")
    oldest, latest = _time(call, "oldest", 0), _time(call, "latest", 1 << 62)
    if call.flag("inclusive"):
        oldest, latest = oldest - 1, latest + 1
    latest = _open_cursor(call.text("cursor")) or latest
    found = history(channel, oldest, latest)
    page = list(islice(found, call.number("limit", 100, 999)))
    more = next(found, None) is not None
    answer: Json = {"messages": [message.as_slack() for message in page], "has_more": more, "pin_count": 0}
    if more:
        answer["response_metadata"] = {"next_cursor": _cursor(microseconds(page[-1].ts))}
    return answer


def conversations_open(call: Call) -> Json:
    """Open the direct message with a user."""
    if call.text("channel"):
        channel, known = call.channel(), True
    else:
        ids = [name.strip() for name in call.text("users").split(",") if name.strip()]
        if not ids:
            raise SlackError("users_list_not_supplied")
        if len(ids) > 1:
            raise SlackError("not_supported")  # the sandbox has no group DMs
        user = call.team.users.get(ids[0])
        if user is None or user.is_bot:
            raise SlackError("user_not_found")
        known = call.team.direct_id(user) in call.team.channels
        channel = call.sandbox.direct(call.team, user)
    shown = channel.as_slack(call.team.bot.id) if call.flag("return_im") else {"id": channel.id}
    return {"channel": shown, **({"no_op": True, "already_open": True} if known else {})}


def bots_info(call: Call) -> Json:
    """Describe a bot by its bot id; the sandbox knows the team's own."""
    team = call.team
    if call.text("bot") != team.bot_id:
        raise SlackError("bot_not_found")
    shown = {"id": team.bot_id, "deleted": False, "name": team.bot.real_name, "updated": 1_700_000_000}
    return {"bot": {**shown, "app_id": call.token.app.app_id, "user_id": team.bot.id, "icons": {}}}


def chat_get_permalink(call: Call) -> Json:
    """Give the address of a message."""
    channel = call.team.channels.get(call.text("channel"))
    if channel is None:
        raise SlackError("channel_not_found")
    message = channel.messages.get(call.text("message_ts"))
    if message is None:
        raise SlackError("message_not_found")
    place = f"archives/{channel.id}/p{message.ts.replace('.', '')}"
    thread = f"?thread_ts={message.thread_ts}&cid={channel.id}" if message.is_reply else ""
    return {"channel": channel.id, "permalink": f"https://{call.team.domain}.slack.test/{place}{thread}"}


def users_info(call: Call) -> Json:
    """Describe a user."""
    return {"user": call.user().as_slack()}


def users_list(call: Call) -> Json:
    """List the team's members, the bot among them."""
    _need_team(call)
    page, cursor = _page(call, list(call.team.users.values()), 1000)
    members = [user.as_slack() for user in page]
    return {
        "members": members,
        "cache_ts": int(call.sandbox.clock()),
        "response_metadata": {"next_cursor": cursor},
    }


def team_info(call: Call) -> Json:
    """Describe the caller's team."""
    team = call.team
    if call.text("team") not in ("", team.id):
        raise SlackError("team_not_found")
    return {
        "team": {
            "id": team.id,
            "name": team.name,
            "domain": team.domain,
            "email_domain": "",
            "icon": {"image_default": True},
        }
    }


METHODS: dict[str, Method] = {
    "auth.test": auth_test,
    "auth.revoke": auth_revoke,
    "apps.uninstall": apps_uninstall,
    "rtm.connect": rtm_connect,
    "rtm.start": rtm_connect,
    "chat.delete": chat_delete,
    "bots.info": bots_info,
    "chat.getPermalink": chat_get_permalink,
    "chat.postMessage": chat_post_message,
    "chat.postEphemeral": chat_post_ephemeral,
    "chat.update": chat_update,
    "files.completeUploadExternal": files.complete_upload,
    "files.getUploadURLExternal": files.get_upload_url,
    "reactions.add": reactions_add,
    "reactions.remove": reactions_remove,
    "conversations.list": conversations_list,
    "conversations.history": conversations_history,
    "conversations.info": conversations_info,
    "conversations.open": conversations_open,
    "users.info": users_info,
    "users.list": users_list,
    "team.info": team_info,
    "views.open": views.views_open,
    "views.push": views.views_push,
    "views.update": views.views_update,
}
"""Every method that needs a token; ``api.test`` needs none."""


def api_test(args: Json) -> Json:
    """Answer what was asked, or the error that was asked for."""
    shown = {name: value for name, value in args.items() if name != "token"}
    if shown.get("error"):
        return {"ok": False, "error": str(shown["error"]), "args": shown}
    return {"ok": True, "args": shown} if shown else {"ok": True}


def _need_team(call: Call) -> None:
    if call.token.enterprise_id is not None and not call.text("team_id"):
        raise SlackError("missing_argument")


def _extras(call: Call) -> Json:
    extras: Json = {name: call.nested(name) for name in ("attachments", "blocks")}
    extras["username"] = call.text("username") or None
    emoji = call.text("icon_emoji")
    extras["icons"] = {"emoji": emoji} if emoji else None
    return {name: value for name, value in extras.items() if value}


def _reaction(call: Call) -> tuple[str, Channel, Message]:
    """Find the emoji's name, and the message that it is put under."""
    name = call.text("name").strip(":")
    if not name:
        raise SlackError("invalid_name")
    if not call.text("channel") or not call.text("timestamp"):
        raise SlackError("no_item_specified")
    channel = call.channel()
    message = channel.messages.get(call.text("timestamp"))
    if message is None:
        raise SlackError("message_not_found")
    return name, channel, message


def _time(call: Call, name: str, default: int) -> int:
    text = call.text(name)
    try:
        return microseconds(text) if text else default
    except ValueError:
        raise SlackError(f"invalid_ts_{name}") from None


def _page(call: Call, found: Sequence[Item], highest: int) -> tuple[Sequence[Item], str]:
    start = _open_cursor(call.text("cursor")) or 0
    end = start + call.number("limit", 100, highest)
    return found[start:end], _cursor(end) if end < len(found) else ""


def _cursor(position: int) -> str:
    return base64.b64encode(f"next:{position}".encode()).decode()


def _open_cursor(cursor: str) -> int | None:
    if not cursor:
        return None
    try:
        word, _, position = base64.b64decode(cursor, validate=True).decode().partition(":")
        if word == "next":
            return int(position)
    except (binascii.Error, ValueError):
        pass
    raise SlackError("invalid_cursor")
