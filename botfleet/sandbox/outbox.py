"""Deliveries to apps by HTTP: from the loop of the sandbox, as patiently as Slack."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Coroutine, Sequence
from urllib.parse import parse_qs

from tornado import httpclient, simple_httpclient

from .outgoing import Delivery, Reply, signed
from .service import Sandbox

AT_ONCE = 64
"""Requests under way at the same time."""
CROWDED = 1_000
"""Deliveries that were not tried yet from which floods wait."""
MOST = 30_000
"""Deliveries that are kept; what comes while there are more is lost, as at Slack above its limits."""


class HttpOutbox:
    """Sends deliveries to the apps' URLs, and notes each try in the sandbox's log."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._client = simple_httpclient.SimpleAsyncHTTPClient(force_instance=True, max_clients=AT_ONCE)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()
        self._first = 0  # those that were not tried yet

    @property
    def is_crowded(self) -> bool:
        """Whether what is sent in bulk had better wait."""
        return self._first >= CROWDED

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Send some; those given together are tried one after the other."""
        wanted = [one for one in deliveries if one.url]
        if len(self._under_way) >= MOST:
            for delivery in wanted:
                self._note(delivery, 0, Reply(None, "too_many_waiting"), 0.0)
        elif wanted:
            self._first += len(wanted)
            self._spawn(self._try_in_turn(wanted))

    def close(self) -> None:
        """End what is under way."""
        for task in self._under_way:
            task.cancel()
        self._client.close()

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="delivery")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _try_in_turn(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            reply = await self._try(delivery, 0, "")
            self._first -= 1
            if _wants_another(delivery, reply):
                self._spawn(self._retry(delivery, reply))
            else:
                _tell(delivery, reply)

    async def _retry(self, delivery: Delivery, reply: Reply) -> None:
        for attempt, seconds in enumerate(self._sandbox.options.retry_delays, 1):
            await asyncio.sleep(seconds)
            reply = await self._try(delivery, attempt, reply.reason)
            if not _wants_another(delivery, reply):
                break
        _tell(delivery, reply)

    async def _try(self, delivery: Delivery, attempt: int, reason: str) -> Reply:
        async with self._slots:
            began = self._sandbox.monotonic()
            reply = await self._post(delivery, attempt, reason)
        if not reply.reason and delivery.kind == "verification" and not _is_answer(delivery, reply):
            reply = Reply(reply.status, "challenge_failed")
        self._note(delivery, attempt, reply, self._sandbox.monotonic() - began)
        return reply

    async def _post(self, delivery: Delivery, attempt: int, reason: str) -> Reply:
        request = httpclient.HTTPRequest(
            delivery.url,
            method="POST",
            body=delivery.body,
            headers=signed(delivery, self._sandbox.clock(), attempt, reason),
            connect_timeout=self._sandbox.options.patience,
            request_timeout=self._sandbox.options.patience,
            follow_redirects=False,
        )
        try:
            answer = await self._client.fetch(request, raise_error=False)
        except simple_httpclient.HTTPTimeoutError:
            return Reply(None, "http_timeout")
        except ssl.SSLError:
            return Reply(None, "ssl_error")
        except (httpclient.HTTPClientError, OSError):
            return Reply(None, "connection_failed")
        failed = not 200 <= answer.code < 300
        no_retry = answer.headers.get("X-Slack-No-Retry") == "1"
        return Reply(answer.code, "http_error" if failed else "", answer.body, no_retry)

    def _note(self, delivery: Delivery, attempt: int, reply: Reply, seconds: float) -> None:
        record = {
            "app_id": delivery.app.app_id,
            "team": delivery.team_id or None,
            "kind": delivery.kind,
            "type": delivery.type,
            "event_id": delivery.event_id,
            "attempt": attempt,
            "status": reply.status,
            "error": reply.reason or None,
            "seconds": round(seconds, 4),
            "time": self._sandbox.clock(),
        }
        self._sandbox.deliveries.add(record)


def _wants_another(delivery: Delivery, reply: Reply) -> bool:
    return delivery.is_retried and bool(reply.reason) and not reply.no_retry


def _tell(delivery: Delivery, reply: Reply) -> None:
    if delivery.answered is not None:
        delivery.answered(reply)


def _is_answer(delivery: Delivery, reply: Reply) -> bool:
    """Whether an app has answered a challenge: as text, as JSON, or as a form."""
    challenge = json.loads(delivery.body)["challenge"]
    text = reply.body.decode("utf-8", "replace").strip()
    if text == challenge or challenge in parse_qs(text).get("challenge", ()):
        return True
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("challenge") == challenge
