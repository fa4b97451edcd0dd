"""One address of the gateway, in plain ASGI: what comes there is checked, given on, and answered."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from ...errors import PublishError, StoreError
from . import answers
from .answers import Answer, Refused, malformed
from .bodies import ClientGone, Reader
from .counters import Counters
from .forms import checks_certificate
from .signature import SIGNATURE, Signed, single

logger = logging.getLogger(__name__)

#: Bytes of a body that nobody signed; Slack's look at a certificate has fifty. Reading a form of 2 MiB would
#: hold all others up for most of a second.
_UNSIGNED_BODY = 4 * 2**10

#: Answers a body that has its app's signature, and is UTF-8.
Handle = Callable[[bytes], Awaitable[Answer]]


class Endpoint:
    """One address: for one kind of request, of one app.

    Args:
        signed: knows the app's signature; None where its secret is not known here.
        handle: what is done with what the app's signature is on.
        counters: of this process.
        reader: reads bodies.
        forms: whether forms come here; with them Slack looks at an address's certificate, unsigned.
    """

    def __init__(
        self,
        signed: Signed | None,
        handle: Handle,
        counters: Counters,
        reader: Reader,
        forms: bool = False,
    ) -> None:
        self._signed = signed
        self._handle = handle
        self._reader = reader
        self._counters = counters
        self._forms = forms
        self._complained = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        outcomes = self._counters.outcomes
        try:
            answer = await self._answer(scope, receive)
        except Refused as exc:
            answer = exc.answer
        except (PublishError, StoreError) as exc:
            logger.debug("Refused: %s", exc)
            answer = answers.UNAVAILABLE
        except ClientGone:
            outcomes.gone += 1
            return
        except Exception:
            logger.exception("A request of Slack's failed", extra={"action": "gateway.error"})
            answer = answers.DEFECT
        setattr(outcomes, answer.outcome, getattr(outcomes, answer.outcome) + 1)
        await answer.send(send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if self._signed is None:
            self._complain(scope["path"])
            return answers.NOT_CONFIGURED
        headers = single(scope["headers"])
        if self._forms and SIGNATURE not in headers:
            body = await self._reader.read(headers, receive, _UNSIGNED_BODY)
            return answers.VERIFIED if checks_certificate(_text(body)) else answers.UNSIGNED
        stamp, signature = self._signed.check_time(headers)
        body = await self._reader.read(headers, receive)
        self._signed.check_body(body, stamp, signature)
        if not body.isascii():
            _text(body)  # What is given on is UTF-8; msgspec does not look into what it skips.
        self._counters.received += 1
        if b"x-slack-retry-num" in headers:
            self._counters.retries += 1
        return await self._handle(body)

    def _complain(self, path: str) -> None:
        if not self._complained:
            self._complained = True
            logger.error(
                "Slack's requests to %s are refused: the signing secret of their app is not set",
                path,
                extra={"action": "gateway.not_configured"},
            )


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise malformed("The body is not UTF-8.") from None
