"""How far one Python thread can go at all: a bare epoll, a minimal cut of frames, one variadic LPUSH a batch.

    python -m bench.peers.raw --url ws://127.0.0.1:PORT --bots N [--redis PATH --queue NAME]

No session, no matching, no ids, no deduplication, no error handling; the messages pushed weigh what
Celery's do. Without `--redis` it only reads: that measures the load.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import select
import socket
import time
from urllib.parse import urlsplit

_READ = 64 * 1024
_BATCH = 500
#: The constant parts of one of Celery's messages, for their weight.
_HEAD = b'{"body": "'
_ID = b"T00000001:C00000001:message:1700000000.000001"
_TAIL = (
    b'", "content-encoding": "utf-8", "content-type": "application/json", "headers": {"lang": "py", '
    b'"task": "bench.handle", "id": "%(id)b:bench.handle", "shadow": null, "eta": null, "expires": null, '
    b'"group": null, "group_index": null, "retries": 0, "timelimit": [null, null], '
    b'"root_id": "%(id)b:bench.handle", "parent_id": null, "argsrepr": "[\'%(id)b\']", "kwargsrepr": "{}", '
    b'"origin": "gen1@bench", "ignore_result": true, "replaced_task_nesting": 0, "stamped_headers": null, '
    b'"stamps": {}}, "properties": {"correlation_id": "%(id)b:bench.handle", '
    b'"reply_to": "00000000-0000-0000-0000-000000000000", "delivery_mode": 2, "delivery_info": '
    b'{"exchange": "", "routing_key": "events.message.public"}, "priority": 0, "body_encoding": "base64", '
    b'"delivery_tag": "00000000-0000-0000-0000-000000000000"}}'
) % {b"id": _ID}


def connect(url: str, bot: int) -> socket.socket:
    """Opens a websocket the shortest way."""
    where = urlsplit(url)
    sock = socket.create_connection((where.hostname or "", where.port or 0))
    sock.sendall(
        b"GET /rtm/%d HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n" % bot
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += sock.recv(1)
    sock.setblocking(False)
    return sock


def cut(data: bytes, messages: list[bytes]) -> bytes:
    """Cuts whole, unmasked frames off the front; returns the rest."""
    position, end = 0, len(data)
    while position + 4 <= end:
        length, start = data[position + 1], position + 2
        if length == 126:
            length, start = int.from_bytes(data[position + 2 : position + 4], "big"), position + 4
        if start + length > end:
            break
        messages.append(data[start : start + length])
        position = start + length
    return data[position:]


class Pusher:
    """Writes LPUSH by hand and does not wait for answers."""

    def __init__(self, path: str, queue: str) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.connect(path)
        self._queue = queue.encode()

    def push(self, frames: list[bytes]) -> None:
        parts = [b"*%d\r\n$5\r\nLPUSH\r\n$%d\r\n%b\r\n" % (len(frames) + 2, len(self._queue), self._queue)]
        for frame in frames:
            message = b"%b%b%b" % (_HEAD, base64.b64encode(b"[[%b], {}, null]" % frame), _TAIL)
            parts.append(b"$%d\r\n%b\r\n" % (len(message), message))
        self._sock.sendall(b"".join(parts))
        with contextlib.suppress(BlockingIOError):
            self._sock.recv(_READ, socket.MSG_DONTWAIT)


def push_for_ever(sockets: dict[int, socket.socket], pusher: Pusher) -> None:
    """Reads and pushes."""
    poll = select.epoll()
    for number in sockets:
        poll.register(number, select.EPOLLIN)
    rests: dict[int, bytes] = {}
    waiting: list[bytes] = []
    while True:
        for number, _ in poll.poll():
            data = sockets[number].recv(_READ)
            if not data:
                return
            found: list[bytes] = []
            rests[number] = cut(rests.get(number, b"") + data, found)
            waiting += [raw for raw in found if b'"type":"message"' in raw]
            if len(waiting) >= _BATCH:
                pusher.push(waiting)
                waiting = []
        if waiting:
            pusher.push(waiting)
            waiting = []


def drain_for_ever(sockets: dict[int, socket.socket]) -> None:
    """Reads, and says what came whenever nothing has come for a while."""
    poll = select.epoll()
    for number in sockets:
        poll.register(number, select.EPOLLIN)
    room = bytearray(_READ)
    total, first, last = 0, 0.0, 0.0
    while True:
        ready = poll.poll(0.3)
        if not ready and total:
            print(json.dumps({"bytes": total, "first": first, "last": last}), flush=True)
            total = 0
        for number, _ in ready:
            read = sockets[number].recv_into(room)
            if not read:
                return
            first = first if total else time.monotonic()
            total += read
        last = time.monotonic() if ready else last


def main() -> None:
    """Runs until it is killed."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.raw")
    parser.add_argument("--url", required=True)
    parser.add_argument("--bots", type=int, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--redis", default="")
    parser.add_argument("--queue", default="bench.raw")
    options = parser.parse_args()
    opened = [connect(options.url, bot) for bot in range(options.first, options.first + options.bots)]
    sockets = {sock.fileno(): sock for sock in opened}
    print(json.dumps({"ready": len(sockets), "pid": os.getpid()}), flush=True)
    if options.redis:
        push_for_ever(sockets, Pusher(options.redis, options.queue))
    else:
        drain_for_ever(sockets)


if __name__ == "__main__":
    main()
