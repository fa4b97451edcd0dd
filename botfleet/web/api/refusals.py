"""What the fleet's errors are by HTTP."""

from __future__ import annotations

from ...errors import (
    BotfleetError,
    ConnectionRateLimited,
    InvalidToken,
    SealError,
    SlackError,
    TokenNotConnected,
    TokenRevoked,
    UsageError,
)
from ...slack.errors import UNREACHABLE
from ..named import unknown_team
from ..problems import LATER, Problem


def problem_of(exc: BotfleetError) -> Problem:
    """The refusal that an error is; the store's errors are dealt with elsewhere."""
    if isinstance(exc, SlackError):
        return _of_slack(exc)
    if isinstance(exc, SealError):
        message = "The bot's token was sealed with a key that this fleet does not have any more."
        return Problem(409, "sealed_otherwise", message)
    if isinstance(exc, UsageError):
        return Problem(400, "bad_request", f"{exc}.")
    return Problem(503 if not exc.fatal else 500, "failed", f"{exc}.")


def _of_slack(exc: SlackError) -> Problem:
    detail = {"error": exc.error}
    if isinstance(exc, TokenNotConnected):
        return unknown_team()
    if isinstance(exc, InvalidToken) and exc.error == "invalid_token":
        return Problem(400, "invalid_token", f"{exc.detail}.", detail)
    if isinstance(exc, InvalidToken) and exc.error == "other_team":
        return Problem(409, "other_team", f"{exc.detail}.")
    if isinstance(exc, InvalidToken | TokenRevoked):
        return Problem(409, "token_refused", f"Slack refuses the token: {exc.error}.", detail)
    if isinstance(exc, ConnectionRateLimited):
        return _later(503, "rate_limited", "Slack asks to wait.", exc)
    if exc.fatal:
        return Problem(409, "slack_refused", f"Slack refuses: {exc.error}.", detail)
    if exc.error in UNREACHABLE:
        return _later(503, "slack_unreachable", "Slack can't be reached just now.", exc)
    return _later(502, "slack_failed", f"Slack failed: {exc.error}.", exc)


def _later(status: int, code: str, message: str, exc: SlackError) -> Problem:
    after = LATER if exc.retry_after is None else exc.retry_after
    return Problem(status, code, message, {"error": exc.error}, retry_after=after)
