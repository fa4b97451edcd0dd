"""Modals: apps open them by a trigger, people fill them in."""

from __future__ import annotations

import json

from . import outgoing, spoken
from .call import Call, SlackError
from .interactions import View
from .model import Json
from .outgoing import Reply
from .service import Sandbox


def views_open(call: Call) -> Json:
    """Open a view for whoever caused the trigger."""
    return _opened(call, below=None)


def views_push(call: Call) -> Json:
    """Put a view upon the one that is open."""
    mine = [view for view in call.sandbox.interactions.views.values() if view.app is call.token.app]
    below = next((view for view in reversed(mine) if view.is_open), None)
    if below is None:
        raise SlackError("not_found")
    return _opened(call, below)


def views_update(call: Call) -> Json:
    """Change a view."""
    view = call.sandbox.interactions.views.get(call.text("view_id"))
    if view is None or view.app is not call.token.app or not view.is_open:
        raise SlackError("not_found")
    if call.text("hash") not in ("", view.hash):
        raise SlackError("hash_conflict")
    view.change(_content(call))
    return {"view": view.as_slack()}


def submit(sandbox: Sandbox, view: View, filled: Json) -> Json:
    """Let whoever sees a view submit it; give what the app is sent.

    Args:
        sandbox: what it happens in.
        view: one that is open.
        filled: what was filled in, by action id: a text, or an option's value.

    Raises:
        Refused: there is no such option, or the app has no URL for it.
    """
    values: Json = {}
    for block_id, element in spoken.elements(view.content.get("blocks")):
        if element["action_id"] in filled:
            chosen = {"type": element.get("type"), **spoken.choice(element, filled[element["action_id"]])}
            values.setdefault(block_id, {})[element["action_id"]] = chosen
    now = sandbox.monotonic()
    content = {
        "type": "view_submission",
        **spoken.who(sandbox, view.team, view.user, view.app),
        "trigger_id": sandbox.interactions.trigger(view.app, view.team, view.user, now),
        "view": view.as_slack(values),
        "response_urls": [],
    }

    def answered(reply: Reply) -> None:
        _answer(sandbox, view, reply)
        sandbox.feed.stir(view.team.id)

    spoken.send(sandbox, outgoing.payload(view.app, view.team, content, answered))
    return content


def close(sandbox: Sandbox, view: View) -> None:
    """Let whoever sees a view close it; the app hears of it where it wants to."""
    view.is_open = False
    if not view.content.get("notify_on_close"):
        return
    content = {
        "type": "view_closed",
        **spoken.who(sandbox, view.team, view.user, view.app),
        "view": view.as_slack(),
        "is_cleared": False,
    }
    spoken.send(sandbox, outgoing.payload(view.app, view.team, content, lambda reply: None))


def _answer(sandbox: Sandbox, view: View, reply: Reply) -> None:
    """Do what an app has answered to a submission; one that failed leaves the view open."""
    if reply.reason:
        view.errors = {"": "We had some trouble connecting. Try again?"}
        return
    try:
        answer = json.loads(reply.body or b"{}")
    except ValueError:
        answer = {}
    answer = answer if isinstance(answer, dict) else {}
    action, shown = answer.get("response_action"), answer.get("view")
    if action == "errors":
        view.errors = dict(answer.get("errors") or {})
    elif action == "update" and isinstance(shown, dict):
        view.change(shown)
    elif action == "push" and isinstance(shown, dict):
        sandbox.interactions.open(view.app, view.team, view.user, shown, below=view)
    else:
        view.is_open = False
        while action == "clear" and view.below is not None:
            view = view.below
            view.is_open = False


def _opened(call: Call, below: View | None) -> Json:
    name, now = call.text("trigger_id"), call.sandbox.monotonic()
    trigger = call.sandbox.interactions.triggers.get(name)
    if trigger is None or trigger.app is not call.token.app:
        raise SlackError("invalid_trigger_id")
    if trigger.used:
        raise SlackError("exchanged_trigger_id")
    if trigger.expires <= now:
        raise SlackError("expired_trigger_id")
    content = _content(call)
    trigger.used = True
    view = call.sandbox.interactions.open(trigger.app, trigger.team, trigger.user, content, below)
    return {"view": view.as_slack()}


def _content(call: Call) -> Json:
    content = call.nested("view")
    if not isinstance(content, dict) or content.get("type") != "modal":
        raise SlackError("invalid_arguments")
    return content
