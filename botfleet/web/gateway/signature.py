"""Whether a request is Slack's: its signature, by slack_sdk's verifier, and the time signed with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier

from ...clock import Clock
from .answers import BAD_SIGNATURE, TOO_OLD, UNSIGNED, Refused, malformed

TIMESTAMP = b"x-slack-request-timestamp"
SIGNATURE = b"x-slack-signature"
#: Seconds that a request's time may be away from ours, either way.
TOLERANCE = 300
#: Digits of a time.
_MOST_DIGITS = 12
#: Bytes that SHA-256 takes at once.
_BLOCK = 64


class Verifier(SignatureVerifier):
    """slack_sdk's verifier; the key is put into the sums once, which is most of the work for a small body.

    HMAC is written out (RFC 2104): to copy one of OpenSSL's takes longer than to sum up an event.
    """

    def __init__(self, secret: str, clock: SlackClock) -> None:
        super().__init__(secret, clock)
        key = secret.encode()
        key = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + b"v0:")
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def generate_signature(self, *, timestamp: str, body: str | bytes) -> str:
        """The signature of a body at a time."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(timestamp.encode() + b":")
        inner.update(body.encode() if isinstance(body, str) else body)
        outer.update(inner.digest())
        return "v0=" + outer.hexdigest()


class Signed(SlackClock):
    """Knows an app's signature.

    Args:
        secret: the app's signing secret.
        clock: the present time, unix seconds.
    """

    def __init__(self, secret: str, clock: Clock) -> None:
        self._clock = clock
        self._verifier = Verifier(secret, self)

    def now(self) -> float:
        """The time that the verifier goes by."""
        return self._clock()

    def check_time(self, headers: Mapping[bytes, bytes]) -> tuple[str, str]:
        """Looks at the headers alone, so that nobody's body need be read; returns timestamp and signature.

        Raises:
            Refused: there is no signature, or its time is none, or too far away.
        """
        timestamp, signature = headers.get(TIMESTAMP), headers.get(SIGNATURE)
        if timestamp is None or signature is None:
            raise Refused(UNSIGNED)
        if not timestamp.isdigit() or len(timestamp) > _MOST_DIGITS:
            raise malformed("X-Slack-Request-Timestamp is no number of seconds.")
        if abs(self._clock() - int(timestamp)) > TOLERANCE:
            raise Refused(TOO_OLD)
        return timestamp.decode(), signature.decode("latin-1")

    def check_body(self, body: bytes, timestamp: str, signature: str) -> None:
        """Compares the signature with the body's own, in constant time.

        Raises:
            Refused: it is another.
        """
        # The verifier compares ASCII only.
        if not (signature.isascii() and self._verifier.is_valid(body, timestamp, signature)):
            raise Refused(BAD_SIGNATURE)


def single(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """A request's headers by name.

    Raises:
        Refused: one that the signature hangs on is there twice, so that it is unclear what was signed.
    """
    found = dict(headers)
    if len(found) != len(headers):
        names = [name for name, _ in headers]
        if any(names.count(name) > 1 for name in (TIMESTAMP, SIGNATURE)):
            raise malformed("A header of Slack's is there twice.")
    return found
