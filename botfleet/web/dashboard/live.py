"""`/dashboard/teams/KEY/live`: a team's events as they come in, as server-sent events without any text."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...errors import StoreError
from ...model import Shown
from ...overview import Team
from ..access import authenticate
from ..context import context_of
from ..named import key_in, unknown_team
from ..pages import text_of
from ..problems import Problem
from .board import board_of
from .feeds import Feeds, FeedsFull, read

#: Seconds without an event after which something is sent, so that proxies keep the connection; and from one
#: look whether who watches may still to the next.
_PATIENCE = 15.0
#: Told to browsers: milliseconds after which they ask again.
_RETRY = "retry: 2000\n\n"
_NOTHING = ":\n\n"


async def stream(request: Request) -> Response:
    """The stream; it ends when the browser goes, when its session ends, or when the process is to end."""
    context, key, feeds = context_of(request), key_in(request.path_params), board_of(request).feeds
    team = await context.run(context.census.team, key)
    if team is None:
        raise unknown_team()
    if feeds.is_full(key):
        raise Problem(503, "too_many_watchers", "Too many people watch events just now.", retry_after=10.0)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_lines(request, feeds, team), media_type="text/event-stream", headers=headers)


async def _lines(request: Request, feeds: Feeds, team: Team) -> AsyncIterator[str]:
    # Opened here, for only what has begun is sure to end.
    try:
        queue = feeds.open(team.key)
    except FeedsFull:
        return
    asked = time.monotonic()
    try:
        yield _RETRY
        async for shown in read(queue, _PATIENCE):
            yield message_of(shown, team) if shown else _NOTHING
            if time.monotonic() - asked >= _PATIENCE:
                asked = time.monotonic()
                if not await _may_go_on(request):
                    return
    finally:
        feeds.close(team.key, queue)


async def _may_go_on(request: Request) -> bool:
    """Whether who watches may still: a key may have been removed, or a session ended."""
    try:
        return await authenticate(request) is not None
    except (Problem, StoreError):
        return False


def message_of(shown: Shown, team: Team) -> str:
    """What a holder shows of a bot, as a server-sent event, the newest first; or that its own has begun."""
    # A team's id means all of its bots.
    own = [sighting for sighting in reversed(shown.sightings) if sighting.bot == team.key]
    fragment = text_of("dashboard/sightings.html", sightings=own, skipped=shown.skipped)
    if fragment.strip():
        return "".join(_fields("sighting", fragment))
    return "".join(_fields("begun", "")) if shown.holder == team.holder or not team.holder else _NOTHING


def _fields(event: str, text: str) -> Iterator[str]:
    yield f"event: {event}\n"
    for line in text.strip().splitlines() or [""]:
        yield f"data: {line}\n"
    yield "\n"
