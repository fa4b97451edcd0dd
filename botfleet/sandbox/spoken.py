"""People speak to an app by HTTP: slash commands, and the buttons and menus of its messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import answering, outgoing
from .apps import VERIFICATION_TOKEN, App
from .fields import Refused
from .interactions import Occasion, View
from .model import Channel, Json, Message, Team, User
from .outgoing import Reply
from .service import Sandbox

VALUES: dict[str, str] = {
    "button": "value",
    "checkboxes": "selected_options",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "multi_static_select": "selected_options",
    "overflow": "selected_option",
    "plain_text_input": "value",
    "radio_buttons": "selected_option",
    "static_select": "selected_option",
    "users_select": "selected_user",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
}
"""The field of an action that holds what was chosen, by the element's type."""


def app_of(sandbox: Sandbox, team: Team, wanted: str | None) -> App:
    """Find the app that is spoken to, by default one that hears of the team by HTTP, or else over sockets.

    Raises:
        Refused: there is none.
    """
    apps = sandbox.installed(team)
    found = next((app for app in apps if wanted in (None, app.app_id)), None)
    if found is None:
        raise Refused(409, f"no app{f' {wanted}' if wanted else ''} is installed in {team.name}")
    return found


def command(
    sandbox: Sandbox, team: Team, channel: Channel, user: User, name: str, text: str, app: App
) -> Json:
    """Let somebody use a slash command; give what the app is sent.

    Raises:
        Refused: the app has no URL for commands, or nothing is sent from this sandbox.
    """
    fields = {
        "token": VERIFICATION_TOKEN,
        "team_id": team.id,
        "team_domain": team.domain,
        "channel_id": channel.id,
        "channel_name": "directmessage" if channel.kind == "im" else channel.name,
        "user_id": user.id,
        "user_name": user.name,
        "command": name,
        "text": text,
        "api_app_id": app.app_id,
        "is_enterprise_install": str(_is_everywhere(sandbox, team, app)).lower(),
        **_urls(sandbox, Occasion(app, team, channel, user)),
    }
    if team.enterprise is not None:
        fields |= {"enterprise_id": team.enterprise.id, "enterprise_name": team.enterprise.name}
    occasion = Occasion(app, team, channel, user)

    def answered(reply: Reply) -> None:
        if reply.reason:
            answering.complain(sandbox, occasion, name, reply.reason)
        else:
            answering.take(sandbox, occasion, reply.body)

    send(sandbox, outgoing.command(app, team, fields, answered))
    return fields


def act_in_view(sandbox: Sandbox, view: View, action: Json) -> Json:
    """Let somebody use a button or a menu of a view; give what the app is sent.

    Raises:
        Refused: the app has no URL for it, or nothing is sent from this sandbox.
    """
    now = sandbox.monotonic()
    content = {
        "type": "block_actions",
        **who(sandbox, view.team, view.user, view.app),
        "container": {"type": "view", "view_id": view.id},
        "view": view.as_slack(),
        "trigger_id": sandbox.interactions.trigger(view.app, view.team, view.user, now),
        "actions": [action | {"action_ts": sandbox.world.next_moment()}],
    }
    send(sandbox, outgoing.payload(view.app, view.team, content, lambda reply: None))
    return content


def act(
    sandbox: Sandbox, team: Team, channel: Channel, message: Message, user: User, action: Json, app: App
) -> Json:
    """Let somebody use a button or a menu of a message; give what the app is sent.

    Args:
        sandbox: what it happens in.
        team, channel, message, user: where, and who.
        action: as `action_in` gives it.
        app: whose message it is.

    Raises:
        Refused: the app has no URL for it, or nothing is sent from this sandbox.
    """
    whispered = message.ts not in channel.messages
    occasion = Occasion(app, team, channel, user, message, whispered)
    container = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": whispered,
    }
    content = {
        "type": "block_actions",
        **who(sandbox, team, user, app),
        "container": container,
        "channel": {"id": channel.id, "name": "directmessage" if channel.kind == "im" else channel.name},
        **({} if whispered else {"message": message.as_slack()}),
        "state": {"values": {}},
        **_urls(sandbox, occasion),
        "actions": [action | {"action_ts": sandbox.world.next_ts(channel)}],
    }
    send(sandbox, outgoing.payload(app, team, content, lambda reply: None))
    return content


def action_in(blocks: object, action_id: str, chosen: Any) -> Json:
    """Make the action of one element of a message or a view.

    Args:
        blocks: where it stands.
        action_id: its own.
        chosen: an option's value, a list of such, a date, a text; None for a button's own value.

    Raises:
        Refused: no element has this id.
    """
    for block_id, element in elements(blocks):
        if element.get("action_id") == action_id:
            return {
                "type": element.get("type"),
                "action_id": action_id,
                "block_id": block_id,
                **{name: element[name] for name in ("text", "style") if name in element},
                **choice(element, chosen),
            }
    known = ", ".join(str(element.get("action_id")) for _, element in elements(blocks)) or "none"
    raise Refused(404, f"action_id is {action_id!r}: expected one of the message's, {known}")


def elements(blocks: object) -> Iterator[tuple[str, Json]]:
    """Yield what can be used in blocks, with the id of the block; unnamed blocks are named by their place."""
    for number, block in enumerate(blocks if isinstance(blocks, list) else []):
        if not isinstance(block, dict):
            continue
        inner = [*_listed(block.get("elements")), block.get("accessory"), block.get("element")]
        for element in inner:
            if isinstance(element, dict) and "action_id" in element:
                yield str(block.get("block_id") or f"b{number}"), element


def choice(element: Json, chosen: Any) -> Json:
    """Give the field of an action, or of a view's state, that holds what was chosen."""
    name = VALUES.get(str(element.get("type")), "value")
    if name == "selected_option":
        return {name: _option(element, chosen)}
    if name == "selected_options":
        return {name: [_option(element, one) for one in _listed(chosen)]}
    value = element.get("value") if chosen is None else chosen
    return {} if value is None else {name: value}


def _option(element: Json, value: Any) -> Json:
    groups = [element, *_objects(element.get("option_groups"))]
    options = [option for group in groups for option in _objects(group.get("options"))]
    found = next((option for option in options if value in (None, option.get("value"))), None)
    if found is None:
        known = ", ".join(str(option.get("value")) for option in options)
        raise Refused(404, f"value is {value!r}: expected one of the options, {known}")
    return dict(found)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _objects(value: Any) -> list[Json]:
    return [one for one in _listed(value) if isinstance(one, dict)]


def who(sandbox: Sandbox, team: Team, user: User, app: App) -> Json:
    """Give what every payload says of where it comes from."""
    organisation = team.enterprise
    return {
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": team.id},
        "api_app_id": app.app_id,
        "token": VERIFICATION_TOKEN,
        "team": {"id": team.id, "domain": team.domain},
        "enterprise": None if organisation is None else {"id": organisation.id, "name": organisation.name},
        "is_enterprise_install": _is_everywhere(sandbox, team, app),
    }


def _urls(sandbox: Sandbox, occasion: Occasion) -> dict[str, str]:
    now = sandbox.monotonic()
    name = sandbox.interactions.occasion(occasion, now)
    trigger = sandbox.interactions.trigger(occasion.app, occasion.team, occasion.user, now)
    return {"response_url": f"{sandbox.url}response/{name}", "trigger_id": trigger}


def _is_everywhere(sandbox: Sandbox, team: Team, app: App) -> bool:
    return any(token.enterprise_id is not None for other, token in sandbox.listening(team) if other is app)


def send(sandbox: Sandbox, delivery: outgoing.Delivery) -> None:
    """Send what somebody waits for.

    Raises:
        Refused: the app has no URL for it, or nothing is sent from this sandbox.
    """
    if sandbox.outbox is None:
        raise Refused(409, "this sandbox sends nothing by HTTP")
    if not delivery.url:
        raise Refused(409, f"{delivery.app.app_id} has no {delivery.kind} URL: set it by /sandbox/app")
    sandbox.outbox.send([delivery])
