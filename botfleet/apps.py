"""Slack apps: what Slack knows an app by, and what the web role needs to speak for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .errors import ConfigurationError

#: What the reference bot needs.
SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "reactions:read",
    "reactions:write",
    "users:read",
)
_CLASSIC_SCOPES = ("bot",)


@dataclass(frozen=True, kw_only=True)
class SlackApp:
    """An app at Slack, whose installations are the bots of one namespace.

    Attributes:
        namespace: of its bots.
        client_id, client_secret: for installations.
        signing_secret: signs what Slack sends by HTTP.
        scopes: what an installation asks for.
        classic: whether it is a classic app, whose bots speak RTM.
    """

    namespace: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = SCOPES
    classic: bool = False

    @property
    def installable(self) -> bool:
        """Whether teams can install it here."""
        return bool(self.client_id and self.client_secret)

    @property
    def asked_scopes(self) -> tuple[str, ...]:
        """What Slack is asked for: a classic app has one scope for all that a bot does."""
        return _CLASSIC_SCOPES if self.classic else self.scopes


def parse_apps(name: str, value: object) -> tuple[SlackApp, ...]:
    """Reads the apps of further namespaces: a map, or its JSON, from namespace to an app's fields.

    Raises:
        ConfigurationError: it is something else; the text names the field and never a secret.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except ValueError:
            raise ConfigurationError(name, 'takes JSON: {"NAMESPACE": {"client_id": "…", …}}') from None
    if not isinstance(value, Mapping):
        raise ConfigurationError(name, "takes a map from namespaces to apps")
    return tuple(_parse_app(name, str(namespace), given) for namespace, given in value.items())


def _parse_app(name: str, namespace: str, given: object) -> SlackApp:
    where = f"{name}, {namespace}"
    if not namespace or not all(part.isalnum() for part in namespace.replace("_", "-").split("-")):
        raise ConfigurationError(where, "has a namespace that is not made of letters, digits, - and _")
    known = {spec.name for spec in fields(SlackApp)} - {"namespace"}
    if not isinstance(given, Mapping) or not set(given) <= known:
        raise ConfigurationError(where, f"takes a map with some of {', '.join(sorted(known))}")
    values: dict[str, Any] = {field: _parse_field(where, field, given[field]) for field in given}
    return SlackApp(namespace=namespace, **values)


def _parse_field(where: str, field: str, value: object) -> object:
    if field == "classic":
        if not isinstance(value, bool):
            raise ConfigurationError(where, "takes true or false for classic")
        return value
    if field == "scopes":
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            raise ConfigurationError(where, "takes texts for scopes")
        return tuple(item.strip() for item in items if item.strip())
    if not isinstance(value, str):
        raise ConfigurationError(where, f"takes text for {field}")
    return value


def dump_apps(apps: tuple[SlackApp, ...]) -> str:
    """The reverse of `parse_apps`, as JSON."""
    return json.dumps(
        {
            app.namespace: {
                spec.name: getattr(app, spec.name) for spec in fields(app) if spec.name != "namespace"
            }
            for app in apps
        }
    )
