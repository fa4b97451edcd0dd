"""All routes of the web role, with who may use them: the one table."""

from __future__ import annotations

from . import assets, health
from .access import Access, Rule

RULES: tuple[Rule, ...] = (
    # Whether all is well
    Rule("GET", "/healthz", health.healthz, Access.PUBLIC),
    # Files that pages need
    Rule("GET", "/static/{name:path}", assets.show, Access.PUBLIC),
)
