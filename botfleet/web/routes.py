"""All routes of the web role, with who may use them: the one table."""

from __future__ import annotations

from . import assets, health, sign_in
from .access import Access, Rule
from .gateway import views as gateway
from .install import endpoints as install

RULES: tuple[Rule, ...] = (
    # Installations
    Rule("GET", "/", install.landing, Access.PUBLIC),
    Rule("GET", "/slack/install", install.install, Access.PUBLIC),
    Rule("GET", "/slack/install/{namespace}", install.install, Access.PUBLIC),
    Rule("GET", "/slack/oauth_redirect", install.oauth_redirect, Access.PUBLIC),
    # Whether all is well
    Rule("GET", "/healthz", health.healthz, Access.PUBLIC),
    # Who is who
    Rule("GET", "/sign-in", sign_in.show, Access.PUBLIC),
    Rule("POST", "/sign-in", sign_in.sign_in, Access.PUBLIC),
    Rule("POST", "/sign-out", sign_in.sign_out, Access.SEE),
    # What Slack sends, for each app: that of the fleet's own namespace has no namespace in its address
    Rule("POST", "/slack/events", gateway.receive, Access.SLACK),
    Rule("POST", "/slack/events/{namespace}", gateway.receive, Access.SLACK),
    Rule("POST", "/slack/commands", gateway.receive, Access.SLACK),
    Rule("POST", "/slack/commands/{namespace}", gateway.receive, Access.SLACK),
    Rule("POST", "/slack/interactive", gateway.receive, Access.SLACK),
    Rule("POST", "/slack/interactive/{namespace}", gateway.receive, Access.SLACK),
    # Files that pages need
    Rule("GET", "/static/{name:path}", assets.show, Access.PUBLIC),
)
