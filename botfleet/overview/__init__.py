"""What people see of a fleet: its bots by pages, its handlers, its holders. Knows no Celery and no HTTP.

REST API and dashboard show the same things, and take them from here. All of it blocks on the store; whoever
has an event loop calls it in a thread.
"""

from __future__ import annotations

from .census import Census, Snapshot, Team
from .handlers import HandlerBook, HandlerView, in_words
from .holders import HolderView, holder_state, holders_of
from .pages import MAX_LIMIT, SORTS, Page, Query

__all__ = [
    "MAX_LIMIT",
    "SORTS",
    "Census",
    "HandlerBook",
    "HandlerView",
    "HolderView",
    "Page",
    "Query",
    "Snapshot",
    "Team",
    "holder_state",
    "holders_of",
    "in_words",
]
