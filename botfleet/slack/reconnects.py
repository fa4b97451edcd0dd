"""Why connections are opened anew: a few reasons that stay the same, for those who count them."""

from __future__ import annotations

import re
from typing import Literal, get_args

from .errors import RATE_LIMITED, is_unanswered

#: `goodbye`: Slack closes soon, and the next one is opened before; `restart`: people asked for it, or gave
#: another token; `closed`: by the other side; `silent`: no answer to a ping; `no_hello`: opened, and nothing
#: said in time; `ratelimited`: Slack wants to be left in peace; `refused`: an error of `rtm.connect`, or of
#: the upgrade; `unreachable`: no answer of Slack's; `asked`: `botfleet` was asked to drop it; `asleep`: the
#: process had been stopped.
Reason = Literal[
    "goodbye",
    "restart",
    "closed",
    "silent",
    "no_hello",
    "ratelimited",
    "refused",
    "unreachable",
    "asked",
    "asleep",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
_BY_ERROR: dict[str, Reason] = {
    "goodbye": "goodbye",
    "silent": "silent",
    "no hello": "no_hello",
    "socket URL expired": "no_hello",
    "disconnect asked for": "asked",
    "asleep": "asleep",
    "closed": "closed",
}
#: Slack's error strings, and short codes of ours.
_CODE = re.compile(r"[a-z][a-z0-9_]*")


def reason_of(error: str) -> Reason:
    """The reason for an error that a session reported.

    >>> reason_of("silent"), reason_of("1006"), reason_of("ConnectionResetError"), reason_of("internal_error")
    ('silent', 'closed', 'closed', 'refused')
    """
    if is_unanswered(error):
        return "unreachable"
    if error in RATE_LIMITED:
        return "ratelimited"
    return _BY_ERROR.get(error) or ("refused" if _CODE.fullmatch(error) else "closed")
