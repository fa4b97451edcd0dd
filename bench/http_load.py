"""The load of the gateway: signed deliveries of the Events API over kept connections, one under way on each.

    python -m bench.http_load --secret TEXT

Each line on standard input is `{"port", "path", "requests", "connections", "bots"}`; the answer says when the
first was written and the last was answered, how many were answered by something else than 200, and what it
cost. Requests are made and signed before the first one is written.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Iterator
from typing import Any, cast

import uvloop

from . import frames

_DELIVERY = (
    b'{"token":"bench","team_id":"%b","context_team_id":"%b","context_enterprise_id":null,"api_app_id":"A00000001",'
    b'"event":%b,"type":"event_callback","event_id":"Ev%b","event_time":%d,"authorizations":[{"enterprise_id":null,'
    b'"team_id":"%b","user_id":"UB00000001","is_bot":true,"is_enterprise_install":false}],'
    b'"is_ext_shared_channel":false,"event_context":"4-eyJldCI6Im1lc3NhZ2UiLCJ0aWQiOiJUMDAwMDAwMDEiLCJhaWQiOiJBMDAwMD'
    b'AwMDEiLCJjaWQiOiJDMDAwMDAwMDEifQ"}'
)
_REQUEST = (
    b"POST %b HTTP/1.1\r\nHost: bots.example.com\r\n"
    b"User-Agent: Slackbot 1.0 (+https://api.slack.com/robots)\r\nAccept-Encoding: gzip,deflate\r\n"
    b"Accept: */*\r\nX-Slack-Signature: v0=%b\r\nX-Slack-Request-Timestamp: %d\r\n"
    b"Content-Length: %d\r\nContent-Type: application/json\r\n\r\n%b"
)
_END_OF_HEAD = b"\r\n\r\n"


def make_requests(path: str, secret: bytes, number: int, bots: int, stamps: frames.Stamps) -> list[bytes]:
    """Makes so many requests, each of an event of its own."""
    now = int(time.time())
    made = []
    for one in range(number):
        stamp, team = stamps.next(), frames.team_id(one % bots).encode()
        event = frames.message(one % bots, one, stamp)
        body = _DELIVERY % (team, team, event, stamp.replace(b".", b""), now, team)
        signature = hmac.digest(secret, b"v0:%d:%b" % (now, body), hashlib.sha256).hex().encode()
        made.append(_REQUEST % (path.encode(), signature, now, len(body), body))
    return made


class _Line(asyncio.Protocol):
    """One connection, which writes the next request as soon as the last one is answered."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._heard = b""
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def next(self) -> None:
        """Writes the next request; without one this line is done."""
        request = next(self._requests, None)
        if request is not None:
            self.transport.write(request)
        elif not self._done.done():
            self._done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        # No answer that counts has a body.
        if self._heard.endswith(_END_OF_HEAD):
            self.failed += not self._heard.startswith(b"HTTP/1.1 200")
            self._heard = b""
            self.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(ConnectionError("the server closed a connection"))


async def send(port: int, requests: list[bytes], connections: int) -> dict[str, Any]:
    """Sends requests over so many connections, and waits for all answers."""
    loop = asyncio.get_running_loop()
    waiting, done = iter(requests), [loop.create_future() for _ in range(connections)]
    lines = []
    for each in done:
        _, line = await loop.create_connection(lambda each=each: _Line(waiting, each), "127.0.0.1", port)
        lines.append(line)
    cpu, began = time.process_time(), time.monotonic()
    for line in lines:
        line.next()
    await asyncio.wait_for(asyncio.gather(*done), 120)
    ended, cpu = time.monotonic(), time.process_time() - cpu
    for line in lines:
        line.transport.close()
    return {"began": began, "ended": ended, "cpu": cpu, "failed": sum(line.failed for line in lines)}


def main() -> None:
    """Runs until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.http_load")
    parser.add_argument("--secret", required=True)
    secret = parser.parse_args().secret.encode()
    stamps = frames.Stamps()
    print(json.dumps({"ready": 1}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        requests = make_requests(asked["path"], secret, asked["requests"], asked["bots"], stamps)
        print(json.dumps(uvloop.run(send(asked["port"], requests, asked["connections"]))), flush=True)


if __name__ == "__main__":
    main()
