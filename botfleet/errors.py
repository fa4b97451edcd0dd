"""Every error that botfleet raises, as one tree.

    BotfleetError
    ├── ConfigurationError       a setting, role or handler is wrong: names it, what it got, what it takes
    ├── UsageError               a call's arguments are wrong
    ├── StoreError
    │   ├── NoStorageMethod      no usable store (or a library for it) is there
    │   └── StoreUnavailable     the store does not answer; worth trying again
    ├── SealError                a sealed token can't be opened with the keys at hand
    ├── PublishError             the broker does not take messages; worth trying again
    │   └── PushedInPart         all but some of them, which another process publishes just now
    ├── EmbeddedServerError      the embedded server can't be started
    ├── BatchFailed              raised by a batch handler that has done a part of its events
    ├── HandlerFailed            stands for a handler's exception that can't be cleaned of texts
    └── SlackError               Slack refused, or could not be reached
        ├── InvalidToken         the token is malformed, or Slack does not know it
        ├── TokenRevoked         the token worked once and is dead now
        ├── ConnectionRateLimited   Slack asks to wait: `retry_after`
        ├── ConnectionClosed     the socket went away
        ├── AnswerTooLate        what was to be answered can't be any more, or was often enough
        ├── PerhapsDone          nobody knows whether it was done: to be repeated by nobody but a person
        ├── TokenAlreadyConnected
        └── TokenNotConnected    no such bot, or it has no connection

An exception carries its decision: `fatal` (trying again is useless until something else changes) and
`retry_after` (seconds to wait before the next try, where somebody told us).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class BotfleetError(Exception):
    """The root of the tree.

    Attributes:
        fatal: trying again is useless until somebody changes something.
        retry_after: seconds to wait before the next try, or None where nobody said.
    """

    fatal: bool = True
    retry_after: float | None = None


class ConfigurationError(BotfleetError):
    """A setting, a role or a handler's declaration is wrong.

    Attributes:
        name: what is wrong, e.g. `BOTFLEET_SHARDS`.
        got: the value found, or None where it is missing or secret.
        expected: what it takes, as words for a person.
    """

    def __init__(self, name: str, expected: str, got: object | None = None) -> None:
        self.name = name
        self.got = got
        self.expected = expected
        super().__init__(f"{name}: {expected}" if got is None else f"{name} is {got!r}: {expected}")


class UsageError(BotfleetError):
    """A call's arguments are wrong; the text names which and what is expected."""


class StoreError(BotfleetError):
    """Something about the store."""


class NoStorageMethod(StoreError):
    """No usable store: the URL's scheme is unknown, or the library for it is not installed."""


class StoreUnavailable(StoreError):
    """The store does not answer now."""

    fatal = False


class SealError(BotfleetError):
    """A sealed token can't be opened with the keys of this process."""


class PublishError(BotfleetError):
    """The broker does not take messages now."""

    fatal = False


class PushedInPart(PublishError):
    """All messages were pushed but those that another process publishes just now, or died while it did.

    Attributes:
        new: events that were new, among those that were pushed.
        left: what is to be pushed again after `retry_after` seconds, in order.
    """

    def __init__(self, new: int, left: Sequence[Any], retry_after: float) -> None:
        self.new = new
        self.left = left
        self.retry_after = retry_after
        super().__init__(f"{len(left)} wait for another process that publishes them")


class EmbeddedServerError(BotfleetError):
    """The embedded server can't be started; the text says why."""


class BatchFailed(BotfleetError):
    """Raised by a batch handler that failed in the middle: only what is left is tried again.

        for n, event in enumerate(events):
            try:
                write(event)
            except OSError as exc:
                raise BatchFailed(done=n, event_id=event.id) from exc

    Attributes:
        done: how many events, from the first on, need not be handled again.
        event_id: the event that failed; it is in the log.
    """

    fatal = False

    def __init__(self, done: int, event_id: str = "") -> None:
        self.done = done
        self.event_id = event_id
        super().__init__(f"failed at {event_id or 'an event'}, {done} events were done before it")

    def __reduce__(self) -> tuple[type[BatchFailed], tuple[int, str]]:
        # Celery pickles exceptions on their way out of a pool's process.
        return type(self), (self.done, self.event_id)


class HandlerFailed(BotfleetError):
    """Stands for a handler's exception that can't be cleaned of texts; names its type only."""

    fatal = False


class SlackError(BotfleetError):
    """Slack refused, or could not be reached.

    Attributes:
        error: Slack's error string (`channel_not_found`), or a short code of our own for what is not an
            answer (`timeout`, `unreachable`, `http_502`).
        retry_after: seconds, where Slack sent `Retry-After`.
        perhaps_done: what was asked for may have been done nonetheless.
    """

    fatal = False
    perhaps_done: bool = False

    def __init__(self, error: str, *, retry_after: float | None = None, detail: str = "") -> None:
        self.error = error
        self.retry_after = retry_after
        self.detail = detail
        super().__init__(f"{error} ({detail})" if detail else error)


class InvalidToken(SlackError):
    """The token is malformed, or Slack does not know it."""

    fatal = True


class TokenRevoked(SlackError):
    """The token is dead: revoked, or its account, team or app is disabled."""

    fatal = True


class ConnectionRateLimited(SlackError):
    """Slack asks to wait (HTTP 429, or close code 1008)."""


class TurnTooFar(ConnectionRateLimited):
    """Nothing was asked of Slack: the fleet's pace, or a `Retry-After`, has no turn soon enough.

    A handler that ends with this has not failed: it is run again, however often it was.
    """


class ConnectionClosed(SlackError):
    """The socket is closed."""


class AnswerTooLate(SlackError):
    """What was to be answered can't be any more: a `response_url` is used up, or too much time went by.

    A handler that ends with this is not run again.
    """

    fatal = True


class PerhapsDone(SlackError):
    """It is unknown whether Slack did what was asked for: it failed in the midst, or did not answer.

    A handler that ends with this is not run again, for it might say everything twice.
    """

    fatal = True
    perhaps_done = True


class TokenAlreadyConnected(SlackError):
    """The bot has a connection already."""


class TokenNotConnected(SlackError):
    """No such bot, or it has no connection to act on."""

    fatal = True
