"""What all who look at the dashboard share, so that a hundred of them cost little more than one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ...clock import MonotonicClock, monotonic_clock
from ..context import WebContext

T = TypeVar("T")

#: Letters that tell one version of a fragment from another.
_VERSION = 12
#: Who asks for something else is not to be held up, nor to have what comes put where it is not any more.
_FRAGMENT = Markup(
    '<div id="{}" data-poll hx-get="{}" hx-trigger="every {}s, look" hx-sync="#main:drop" '
    'hx-swap="outerHTML">{}</div>'
)


class Shared(Generic[T]):
    """Something that is made anew when somebody asks for it and it is too old; by one for all who wait.

    Args:
        make: makes it; blocks.
        kept: seconds for which it is good.
        monotonic: for its age.
    """

    def __init__(
        self, make: Callable[[], T], kept: float, monotonic: MonotonicClock = monotonic_clock
    ) -> None:
        self._make = make
        self._kept = kept
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._made: tuple[T, float] | None = None

    async def now(self, context: WebContext) -> T:
        """It, as it was `kept` seconds ago at most; what making it raises goes to each who waits."""
        async with self._lock:
            if self._made is None or self._monotonic() - self._made[1] >= self._kept:
                self._made = await context.run(self._make), self._monotonic()
            return self._made[0]


class Said(NamedTuple):
    """What is told of something that was done.

    Attributes:
        tone: a class of the style sheet: `ok` or `bad`.
        text: a sentence.
    """

    tone: str
    text: str


class Fragment(NamedTuple):
    """A part of a page that is kept up to date: it asks for itself, and is answered when it has changed.

    Attributes:
        name: its id in the page.
        href: where it asks.
        inner: what is in it.
        every: seconds from one question to the next.
    """

    name: str
    href: str
    inner: str
    every: int = 2

    @property
    def version(self) -> str:
        """Tells it from what it was before."""
        return hashlib.sha256(self.inner.encode()).hexdigest()[:_VERSION]

    def __html__(self) -> str:
        asked = f"{self.href}{'&' if '?' in self.href else '?'}have={self.version}"
        return str(_FRAGMENT.format(self.name, asked, self.every, Markup(self.inner)))

    def answer(self, request: Request, besides: str = "") -> Response:
        """What who asks with `?have=VERSION` gets: nothing where that is what there is.

        Args:
            besides: goes with it: parts of the page that stand elsewhere in it.
        """
        if request.query_params.get("have") == self.version:
            return Response(status_code=204)
        return HTMLResponse(self.__html__() + besides)


def is_fragment_wanted(request: Request) -> bool:
    """Whether htmx asks for a part of a page; not where it restores a page from the browser's history."""
    headers = request.headers
    return headers.get("hx-request") == "true" and headers.get("hx-history-restore-request") != "true"
