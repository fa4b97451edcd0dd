"""Why an installation was not done: what people are told of it, and how HTTP calls it."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ...errors import SlackError
from ...slack.errors import RATE_LIMITED, Group, classify


class Words(NamedTuple):
    """What a person reads.

    Attributes:
        status: HTTP's.
        title: what became of the installation.
        text: why, and what helps.
    """

    status: int
    title: str
    text: str


_NOT_ADDED = "The bot was not added"
_OPERATOR = "Whoever runs this bot has to change that; trying again does not help until then."


class Why(Enum):
    """The reasons; each has its words."""

    DENIED = Words(403, "Cancelled", "You did not allow the bot in Slack, so nothing was added or changed.")
    INCOMPLETE = Words(
        400,
        "Please begin here",
        "This address is where Slack sends you at the end of an installation. Yours did not begin at this "
        "site, so nothing was added or changed.",
    )
    STALE = Words(
        400,
        "This link has been used, or is too old",
        "It works once and for ten minutes. If you have just read that the bot was added, all is well. If "
        "not, begin again.",
    )
    OTHER_BROWSER = Words(
        403,
        "Begun in another browser",
        "This installation was begun in another browser, or this one takes no cookies. Nothing was added or "
        "changed. Begin again in this browser, with cookies allowed for this site.",
    )
    CODE_SPENT = Words(
        400,
        _NOT_ADDED,
        "Slack's permission has been used already or is too old: it is good for ten minutes. Begin again.",
    )
    SLACK_AWAY = Words(
        502, _NOT_ADDED, "Slack can't be reached just now, or is in trouble. Try again in a minute."
    )
    SLACK_SLOW = Words(504, _NOT_ADDED, "Slack did not answer in time. Try again in a minute.")
    SLACK_BUSY = Words(503, _NOT_ADDED, "Slack asks for a pause. Try again in a minute.")
    SLACK_REFUSED = Words(502, _NOT_ADDED, "Slack refused the installation.")
    TOKEN_REFUSED = Words(
        502, _NOT_ADDED, "Slack does not accept the token that it has just given. Begin again."
    )
    MISCONFIGURED = Words(
        500, _NOT_ADDED, f"The Slack app is not set up in the way this site expects. {_OPERATOR}"
    )
    NO_BOT = Words(
        500,
        _NOT_ADDED,
        f"Slack gave no token for a bot: the Slack app asks for no permission of a bot's. {_OPERATOR}",
    )
    ROTATION = Words(
        501,
        _NOT_ADDED,
        "The Slack app has token rotation switched on: its tokens would end after twelve hours, and botfleet "
        f"can't renew them yet. {_OPERATOR}",
    )
    STORE_AWAY = Words(503, _NOT_ADDED, "Our own database can't be reached just now. Try again in a minute.")
    FAILED = Words(500, _NOT_ADDED, f"Something is wrong on our side. {_OPERATOR}")
    UNKNOWN_APP = Words(404, "No such app", "No Slack app can be added at this address.")
    TOO_MANY = Words(
        429, "Too many attempts", "Many installations were begun from your address. Try again in a minute."
    )


class InstallRefused(Exception):
    """An installation that was not done; nothing was registered.

    Attributes:
        why: the reason.
        namespace: of the app, where that is known; None otherwise.
        error: Slack's error string; empty where Slack refused nothing.
        retry_after: seconds, where Slack or we ask for a pause.
    """

    def __init__(
        self, why: Why, namespace: str | None = None, error: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(f"{why.name.lower()} ({error})" if error else why.name.lower())
        self.why = why
        self.namespace = namespace
        self.error = error
        self.retry_after = retry_after


_CODE = frozenset({"invalid_code", "code_already_used", "code_expired"})
#: What only the app's owner can mend, beside `Group.CONFIGURATION`.
_SETUP = frozenset(
    {
        "bad_client_secret",
        "bad_redirect_uri",
        "invalid_client_id",
        "invalid_scope",
        "invalid_team_for_non_distributed_app",
        "no_scopes",
        "oauth_authorization_url_mismatch",
    }
)
_AWAY = frozenset(
    {
        "bad_answer",
        "fatal_error",
        "internal_error",
        "request_timeout",
        "service_unavailable",
        "unreachable",
    }
)


def why_exchange_failed(exc: SlackError) -> Why:
    """The reason that a code was not exchanged.

    >>> why_exchange_failed(SlackError("invalid_code")).name, why_exchange_failed(SlackError("http_502")).name
    ('CODE_SPENT', 'SLACK_AWAY')
    """
    if exc.error in _CODE:
        return Why.CODE_SPENT
    if exc.error in _SETUP or classify(exc.error) is Group.CONFIGURATION:
        return Why.MISCONFIGURED
    if exc.error == "timeout":
        return Why.SLACK_SLOW
    if exc.error in RATE_LIMITED:
        return Why.SLACK_BUSY
    if exc.error in _AWAY or exc.error.startswith("http_5"):
        return Why.SLACK_AWAY
    return Why.SLACK_REFUSED


def why_token_failed(exc: SlackError) -> Why:
    """The reason that auth.test did not accept a new token.

    >>> why_token_failed(SlackError("account_inactive")).name, why_token_failed(SlackError("timeout")).name
    ('TOKEN_REFUSED', 'SLACK_SLOW')
    """
    return Why.TOKEN_REFUSED if classify(exc.error) is Group.DEAD else why_exchange_failed(exc)
