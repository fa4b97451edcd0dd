"""All routes of the web role, with who may use them: the one table."""

from __future__ import annotations

from . import assets, health, sign_in
from .access import Access, Rule

RULES: tuple[Rule, ...] = (
    # Whether all is well
    Rule("GET", "/healthz", health.healthz, Access.PUBLIC),
    # Who is who
    Rule("GET", "/sign-in", sign_in.show, Access.PUBLIC),
    Rule("POST", "/sign-in", sign_in.sign_in, Access.PUBLIC),
    Rule("POST", "/sign-out", sign_in.sign_out, Access.SEE),
    # Files that pages need
    Rule("GET", "/static/{name:path}", assets.show, Access.PUBLIC),
)
