"""Cookies of ours: no script reads them, and no other site's requests have them but those that lead here."""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from .context import WebContext, context_of

#: Characters of a value at the most; ours have 43.
_MAX_VALUE = 100


class Cookie(NamedTuple):
    """A cookie with a secret in it.

    Attributes:
        name: without `__Host-`, by which browsers on https keep it from other hosts and paths.
        life: seconds for which browsers keep it.
    """

    name: str
    life: float

    def give(self, context: WebContext, response: Response, value: str) -> None:
        """Gives it to the browser that is answered."""
        response.set_cookie(
            self._name(context),
            value,
            max_age=int(self.life),
            httponly=True,
            samesite="lax",
            secure=context.is_https,
        )

    def read(self, request: Request) -> str:
        """What the browser has; empty where it has none, or one that can't be ours."""
        found = request.cookies.get(self._name(context_of(request)), "")
        return found if len(found) <= _MAX_VALUE else ""

    def take_back(self, context: WebContext, response: Response) -> None:
        """Has the browser forget it."""
        response.delete_cookie(self._name(context), httponly=True, samesite="lax", secure=context.is_https)

    def _name(self, context: WebContext) -> str:
        return f"__Host-{self.name}" if context.is_https else self.name
