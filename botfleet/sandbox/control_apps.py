"""The control endpoints that are about apps with HTTP: what they are, and how people speak to them."""

from __future__ import annotations

import secrets
from typing import Any

from . import farewells, spoken, views
from .apps import URLS, App, app_urls
from .display import open_views
from .fields import Fields, Refused
from .interactions import View
from .lookup import human_named, place, team_given, team_named
from .model import Channel, Json, Message, Team
from .outgoing import verification
from .service import Sandbox


def show_apps(sandbox: Sandbox, fields: Fields) -> Json:
    """Show the apps, and whether they have answered the challenge."""
    fields.end()
    return {"apps": [app.as_json() for app in sandbox.world.apps]}


def set_app(sandbox: Sandbox, fields: Fields) -> Json:
    """Change an app, the first by default; an app_id that no app has makes another one.

    An events URL that is given is sent the challenge; `show_apps` shows what came of it.
    """
    name = fields.text("app_id", None)
    changed: dict[str, Any] = {
        field: fields.text(field, None) for field in ("name", "client_id", "client_secret", "signing_secret")
    }
    base = fields.text("url", None)
    changed |= {} if base is None else app_urls(_url("url", base))
    for field in (f"{kind}_url" for kind in URLS):
        given = fields.text(field, None)
        changed |= {} if given is None else {field: _url(field, given)}
    changed["redirect_urls"] = _redirects(fields)
    fields.end()
    app = sandbox.world.app if name is None else sandbox.world.find_app(name) or _new_app(sandbox, name)
    app.change(changed)
    sandbox.save()
    if changed.get("events_url"):
        verify(sandbox, app)
    return app.as_json()


def verify(sandbox: Sandbox, app: App) -> None:
    """Send an app the challenge for its events URL."""
    app.verified = None
    if sandbox.outbox is not None:
        sandbox.outbox.send([verification(app, secrets.token_urlsafe(32))])


def add_enterprise(sandbox: Sandbox, fields: Fields) -> Json:
    """Create an organisation with two teams."""
    name = fields.needed("name")
    fields.end()
    if sandbox.world.find_enterprise(name) is not None:
        raise Refused(400, f"name is {name!r}: expected one that no organisation has")
    enterprise = sandbox.add_enterprise(name)
    teams = [team.summary() for team in enterprise.teams]
    return {"enterprise_id": enterprise.id, "name": enterprise.name, "teams": teams}


def uninstall(sandbox: Sandbox, fields: Fields) -> Json:
    """Remove an app from a team."""
    team = team_named(sandbox, fields.text("team", None))
    app = _app(sandbox, fields)
    first = farewells.first_of(fields)
    fields.end()
    return {"team": team.id, "tokens": farewells.uninstall(sandbox, team, app, first)}


def command(sandbox: Sandbox, fields: Fields) -> Json:
    """Let a person use a slash command."""
    team = team_named(sandbox, fields.text("team", None))
    where, who = fields.text("channel", "general"), fields.text("user", None)
    name, text = fields.needed("command"), fields.text("text", "")
    wanted = fields.text("app_id", None)
    fields.end()
    if not name.startswith("/") or " " in name:
        raise Refused(400, f"command is {name!r}: expected a word that begins with /")
    app = spoken.app_of(sandbox, team, wanted)
    channel, user = place(sandbox, team, where, None if who is None else human_named(team, who))
    sent = spoken.command(sandbox, team, channel, user, name, team.mentions(text), app)
    return _done(sandbox, team, channel, sent["trigger_id"]) | {"user": user.id}


def interact(sandbox: Sandbox, fields: Fields) -> Json:
    """Let a person use a button or a menu of a message, or of a view."""
    if "view_id" in fields:
        return _interact_with_view(sandbox, fields)
    team = team_named(sandbox, fields.text("team", None))
    where, ts = fields.needed("channel"), fields.needed("ts")
    action_id, chosen = fields.needed("action_id"), fields.anything("value")
    who, wanted = fields.text("user", None), fields.text("app_id", None)
    fields.end()
    channel, message = _message(sandbox, team, where, ts)
    app = spoken.app_of(sandbox, team, wanted or message.app_id)
    _, user = place(sandbox, team, channel.id, None if who is None else human_named(team, who))
    action = spoken.action_in((message.extras or {}).get("blocks"), action_id, chosen)
    sent = spoken.act(sandbox, team, channel, message, user, action, app)
    return _done(sandbox, team, channel, sent["trigger_id"]) | {"user": user.id}


def show_views(sandbox: Sandbox, fields: Fields) -> Json:
    """Show the views that are open, each with the errors of the app's last answer."""
    team = team_given(sandbox, fields)
    fields.end()
    return {"views": open_views(sandbox, team)}


def submit(sandbox: Sandbox, fields: Fields) -> Json:
    """Let whoever sees a view submit it."""
    view = _view(sandbox, fields)
    values = fields.anything("values")
    fields.end()
    if values is not None and not isinstance(values, dict):
        raise Refused(400, f"values is {values!r}: expected an object, with what was filled in by action_id")
    return {"trigger_id": views.submit(sandbox, view, values or {})["trigger_id"]}


def close_view(sandbox: Sandbox, fields: Fields) -> Json:
    """Let whoever sees a view close it."""
    view = _view(sandbox, fields)
    fields.end()
    views.close(sandbox, view)
    return {}


def _interact_with_view(sandbox: Sandbox, fields: Fields) -> Json:
    view = _view(sandbox, fields)
    action_id, chosen = fields.needed("action_id"), fields.anything("value")
    fields.end()
    action = spoken.action_in(view.content.get("blocks"), action_id, chosen)
    sent = spoken.act_in_view(sandbox, view, action)
    return {"team": view.team.id, "trigger_id": sent["trigger_id"], "user": view.user.id}


def _view(sandbox: Sandbox, fields: Fields) -> View:
    name = fields.needed("view_id")
    view = sandbox.interactions.views.get(name)
    if view is None or not view.is_open:
        known = ", ".join(one.id for one in sandbox.interactions.views.values() if one.is_open) or "none"
        raise Refused(404, f"view_id is {name!r}: expected one that is open, {known}")
    return view


def _done(sandbox: Sandbox, team: Team, channel: Channel, trigger_id: str) -> Json:
    counted = {"seq": sandbox.messages.seq, "delivery": sandbox.deliveries.seq}
    return {"team": team.id, "channel": channel.id, "trigger_id": trigger_id, **counted}


def _message(sandbox: Sandbox, team: Team, where: str, ts: str) -> tuple[Channel, Message]:
    channel = team.channel_named(where)
    whispers = sandbox.interactions.whispers
    message = None if channel is None else channel.messages.get(ts) or whispers.get((channel.id, ts))
    if channel is None or message is None:
        raise Refused(404, f"ts is {ts!r}: expected that of a message in {where}")
    return channel, message


def _app(sandbox: Sandbox, fields: Fields) -> App:
    name = fields.text("app_id", None)
    app = sandbox.world.app if name is None else sandbox.world.find_app(name)
    if app is None:
        known = ", ".join(app.app_id for app in sandbox.world.apps)
        raise Refused(404, f"app_id is {name!r}: expected one of {known}")
    return app


def _new_app(sandbox: Sandbox, name: str) -> App:
    app = sandbox.world.add_app()
    app.app_id = name
    return app


def _url(field: str, given: str) -> str:
    if given.startswith(("http://", "https://")):
        return given
    raise Refused(400, f"{field} is {given!r}: expected an http or https URL")


def _redirects(fields: Fields) -> list[str] | None:
    given = fields.anything("redirect_urls")
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise Refused(400, f"redirect_urls is {given!r}: expected a list of URLs")
    return [_url("redirect_urls", one) for one in given]


GETS = {"app": show_apps, "views": show_views}
POSTS = {
    "app": set_app,
    "command": command,
    "enterprises": add_enterprise,
    "interact": interact,
    "uninstall": uninstall,
    "views/close": close_view,
    "views/submit": submit,
}
