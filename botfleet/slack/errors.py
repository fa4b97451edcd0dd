"""What Slack's error strings mean: the one table, and the exception for each.

The groups say what to do with a connection or a token (SLACK.md, "Error strings and what to do"). A string
that is not in the table is transient: Slack adds new ones, and giving up on a live bot is worse than one
more try.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from ..errors import AnswerTooLate, ConnectionRateLimited, InvalidToken, SlackError, TokenRevoked


class Group(Enum):
    """What to do about an error."""

    #: Stop, mark the bot `token_revoked`, tell the app, wait for reinstallation.
    DEAD = "dead"
    #: Get a new access token, then try again.
    REFRESH = "refresh"
    #: Trying again is useless until somebody changes the app; say so.
    CONFIGURATION = "configuration"
    #: Try again, slowly, and raise an alarm.
    SLOW = "slow"
    #: The team is being moved; wait a few seconds, then longer.
    PAUSE = "pause"
    #: Try again with the usual backoff.
    TRANSIENT = "transient"


_STRINGS: dict[Group, str] = {
    Group.DEAD: "account_inactive token_revoked invalid_auth not_authed user_removed_from_team team_disabled",
    Group.REFRESH: "token_expired",
    Group.CONFIGURATION: "not_allowed_token_type missing_scope is_bot method_deprecated deprecated_endpoint "
    "unknown_method no_permission two_factor_setup_required access_denied enterprise_is_restricted "
    "ekm_access_denied",
    Group.SLOW: "accesslimited",
    Group.PAUSE: "migration_in_progress team_added_to_org org_login_required",
    Group.TRANSIENT: "ratelimited rate_limited internal_error fatal_error service_unavailable "
    "request_timeout",
}

#: The group of every error string that is known.
GROUPS: dict[str, Group] = {error: group for group, text in _STRINGS.items() for error in text.split()}

RATE_LIMITED = frozenset({"ratelimited", "rate_limited"})
#: Short codes of ours: nobody answered.
UNREACHABLE = frozenset({"unreachable", "timeout"})
#: Slack does not know the token at all; the other dead ones worked once.
_UNKNOWN_TOKEN = frozenset({"invalid_auth", "not_authed"})
#: A response_url has 5 uses in 30 minutes, a trigger_id one in 3 seconds.
_TOO_LATE = frozenset(
    (
        *("used_url", "expired_url", "expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id"),
        *("trigger_expired", "trigger_exchanged"),
    )
)
#: It may have been done in part, so a post is not safely repeated.
_PERHAPS_DONE = frozenset({"internal_error", "fatal_error"})
#: Codes of errors on a socket, as far as they are known.
_FRAME_ERRORS = {-1: "ratelimited", 2: "no_text"}


def classify(error: str) -> Group:
    """The group of one of Slack's error strings.

    >>> classify("account_inactive"), classify("missing_scope"), classify("something_new")
    (<Group.DEAD: 'dead'>, <Group.CONFIGURATION: 'configuration'>, <Group.TRANSIENT: 'transient'>)
    """
    return GROUPS.get(error, Group.TRANSIENT)


def is_unanswered(error: str) -> bool:
    """Whether it is a short code of ours, for no answer or one that is not Slack's Web API's.

    >>> is_unanswered("timeout"), is_unanswered("http_502"), is_unanswered("internal_error")
    (True, True, False)
    """
    return error in UNREACHABLE or error == "bad_answer" or error.startswith("http_")


def perhaps_done(error: str) -> bool:
    """Whether a call that failed so may have taken effect nonetheless.

    >>> perhaps_done("internal_error"), perhaps_done("channel_not_found")
    (True, False)
    """
    return error in _PERHAPS_DONE


def of_frame(error: Mapping[str, Any]) -> tuple[str, str]:
    """The error string and Slack's words for the error of an answer on a socket, which has codes of its own.

    >>> of_frame({"code": 2, "msg": "message text is missing"}), of_frame({"code": 9, "msg": "oh no"})
    (('no_text', 'message text is missing'), ('rtm_error_9', 'oh no'))
    >>> of_frame({"code": 3, "msg": "channel_not_found"})
    ('channel_not_found', '')
    """
    said, code = str(error.get("msg", "")), error.get("code")
    if said and said.replace("_", "").isalpha() and said.islower():
        return said, ""
    return _FRAME_ERRORS.get(code, f"rtm_error_{code}") if isinstance(code, int) else "rtm_error", said


def to_exception(error: str, retry_after: float | None = None, detail: str = "") -> SlackError:
    """The exception for one of Slack's error strings (or a short code of ours, as `timeout`).

    >>> to_exception("ratelimited", 30.0)
    ConnectionRateLimited('ratelimited')
    >>> to_exception("missing_scope", detail="needed: chat:write").fatal
    True
    """
    if error in RATE_LIMITED:
        return ConnectionRateLimited(error, retry_after=retry_after, detail=detail)
    if error in _TOO_LATE:
        return AnswerTooLate(error, detail=detail)
    group = classify(error)
    if group is Group.DEAD:
        kind = InvalidToken if error in _UNKNOWN_TOKEN else TokenRevoked
        return kind(error, retry_after=retry_after, detail=detail)
    exc = SlackError(error, retry_after=retry_after, detail=detail)
    exc.fatal = group is Group.CONFIGURATION
    exc.perhaps_done = perhaps_done(error)
    return exc
