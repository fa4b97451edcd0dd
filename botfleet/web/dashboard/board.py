"""What the dashboard of one process keeps from one request to the next."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request

from ...overview import HolderView, holders_of
from ..context import WebContext, context_of
from .feeds import Feeds
from .glance import fragment_of
from .shared import Fragment, Shared

#: Seconds for which the fleet is shown as it was.
_KEPT = 1.0


class Board:
    """What the dashboard of one process keeps.

    Attributes:
        glance: the living part of the first page.
        holders: those that are alive.
        feeds: the events that people watch.
    """

    def __init__(self, context: WebContext) -> None:
        store = context.fleet.store
        self.glance: Shared[Fragment] = Shared(lambda: fragment_of(context), _KEPT)
        self.holders: Shared[list[HolderView]] = Shared(lambda: holders_of(store), _KEPT)
        self.feeds = Feeds(store)


def board_of(request: Request) -> Board:
    """The board of a request's process; to be called on the event loop."""
    state = request.app.state
    if not hasattr(state, "board"):
        state.board = Board(context_of(request))
    return cast(Board, state.board)
