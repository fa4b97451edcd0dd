"""What is counted of what goes out: by the way it takes, and by what becomes of it."""

from __future__ import annotations

from typing import Literal, get_args

from ...errors import ConnectionRateLimited, PerhapsDone, SlackError
from ...slack.errors import Group, classify, is_unanswered
from ..tally import Tally

#: The socket, or the Web API.
Via = Literal["rtm", "web"]
VIAS: tuple[Via, ...] = get_args(Via)

#: `unasked`: said over a socket, and nobody waited for Slack's answer; `in_doubt`: it may have been done, or
#: not; `not_allowed`: the app may not do it; `unreachable`: no answer that is one of Slack's.
Result = Literal[
    "ok", "unasked", "ratelimited", "dead_token", "not_allowed", "refused", "unreachable", "in_doubt"
]
RESULTS: tuple[Result, ...] = get_args(Result)
_GROUPS: dict[Group, Result] = {Group.DEAD: "dead_token", Group.CONFIGURATION: "not_allowed"}


def sends_counter(via: Via, result: Result) -> str:
    """The store's counter (`Store.advance`) of what went out.

    >>> sends_counter("web", "ok")
    'sends:web:ok'
    """
    return f"sends:{via}:{result}"


def result_of(error: SlackError) -> Result:
    """What a failure is counted as.

    >>> result_of(SlackError("channel_not_found")), result_of(SlackError("http_502"))
    ('refused', 'unreachable')
    """
    if isinstance(error, PerhapsDone):
        return "in_doubt"
    if isinstance(error, ConnectionRateLimited):
        return "ratelimited"
    if is_unanswered(error.error):
        return "unreachable"
    return _GROUPS.get(classify(error.error), "refused")


def count_send(tally: Tally | None, via: Via, result: Result) -> None:
    """Counts something that went out, or did not."""
    if tally is not None:
        tally.count(sends_counter(via, result))
