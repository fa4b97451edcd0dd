"""What the gateway answers: made once, as ASGI's messages, for most answers are one of a few."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from starlette.types import Message, Send

from ..error_body import NO_RETRY, error_body

_NO_RETRY = (NO_RETRY.lower().encode(), b"1")
_SAFE = (b"x-content-type-options", b"nosniff")


class Answer(NamedTuple):
    """An answer, and the counter (`counters.Counters`) that it counts in."""

    outcome: str
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""

    async def send(self, send: Send) -> None:
        """Sends it."""
        start: Message = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)
        await send({"type": "http.response.body", "body": self.body})

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.outcome}>"


class Refused(Exception):
    """Something that is not taken.

    Attributes:
        answer: what Slack is told.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.outcome)


def ok(outcome: str, body: bytes = b"", kind: bytes = b"") -> Answer:
    """A 200."""
    typed = ((b"content-type", kind), _SAFE) if kind else ()
    return Answer(outcome, 200, (*typed, (b"content-length", b"%d" % len(body))), body)


def refusal(
    outcome: str, status: int, code: str, message: str, final: bool = True, close: bool = False
) -> Answer:
    """A refusal as JSON.

    Args:
        outcome: the counter.
        status: HTTP's.
        code: a stable name for programs.
        message: one sentence for people.
        final: Slack need not send it again.
        close: the rest of the body is not waited for.
    """
    body = msgspec.json.encode(error_body(code, message))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), _SAFE]
    headers += [_NO_RETRY] if final else []
    headers += [(b"connection", b"close")] if close else []
    return Answer(outcome, status, tuple(headers), body)


TAKEN = ok("taken")
UNWANTED = ok("unwanted")
#: Of a slash command, whose user would wait for ever; Slack shows it to them alone.
NO_HANDLER = ok("unwanted", b'{"text": "No handler takes this command."}', b"application/json")
UNKNOWN_TEAM = ok("unknown_team")
NOT_SERVED = ok("not_served")
UNKNOWN_KIND = ok("unknown_kind")
RATE_LIMITED = ok("rate_limited")
VERIFIED = ok("verified")

UNSIGNED = refusal("unsigned", 401, "unsigned", "The request has no signature of Slack's.")
BAD_SIGNATURE = refusal(
    "bad_signature", 401, "bad_signature", "The signature is not that of this app's signing secret."
)
TOO_OLD = refusal("too_old", 401, "too_old", "The request was signed more than five minutes from now.")
TOO_LARGE = refusal("too_large", 413, "too_large", "The body is longer than 2 MiB.", close=True)

TOO_SLOW = refusal("too_slow", 408, "too_slow", "The body took too long.", final=False, close=True)
CROWDED = refusal("failed", 503, "crowded", "Too many large bodies come just now.", final=False, close=True)
NOT_CONFIGURED = refusal(
    "not_configured",
    503,
    "not_configured",
    "The app's signing secret is not set here: SLACK_SIGNING_SECRET, or signing_secret in BOTFLEET_APPS.",
    final=False,
)
UNAVAILABLE = refusal(
    "failed", 503, "unavailable", "The broker, the store or Slack can't be reached just now.", final=False
)
DEFECT = refusal(
    "defects", 500, "internal_error", "Something went wrong here; the log has more.", final=False
)


def malformed(what: str) -> Refused:
    """What can't be read, and never will."""
    return Refused(refusal("malformed", 400, "malformed", what))
