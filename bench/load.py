"""The load: a Slack that does nothing but send, as fast as this machine lets it; a process of its own.

    python -m bench.load [--tls]

It answers auth.test, rtm.connect and chat.postMessage by HTTP, keeps the websockets (picows), says hello and
answers pings. What it is told comes as JSON lines on standard input, what it has to say goes to standard
output; it ends when its input does. `slack.py` is the other side of that.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import ssl
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiofastnet
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from . import frames

HOST = "127.0.0.1"
#: Frames written before other things have their turn.
_TURN = 500
_TEXT = WSMsgType.TEXT
#: What writes a frame, and the frame.
Writes = Sequence[tuple[Callable[[bytes], None], bytes]]


class Counts:
    """What happened since the last `reset`; times are monotonic seconds."""

    def __init__(self) -> None:
        self.requests = 0
        self.opened = 0
        self.closed = 0
        self.pings = 0
        self.first_request: float | None = None
        self.last_opened: float | None = None

    def request(self) -> None:
        self.requests += 1
        if self.first_request is None:
            self.first_request = time.monotonic()


def encode(payload: bytes) -> bytes:
    """A whole text frame, as servers write it."""
    length = len(payload)
    if length < 126:
        return b"\x81%c%b" % (length, payload)
    return b"\x81\x7e%b%b" % (length.to_bytes(2, "big"), payload)


class Pipe:
    """Writes whole frames to one socket: straight into it where that is possible, which takes a third of what
    picows takes; through picows with TLS, and where the socket is full.
    """

    __slots__ = ("_clogged", "_number", "_under", "transport")

    def __init__(self, transport: WSTransport) -> None:
        self.transport = transport
        self._under = transport.underlying_transport
        self._number = self._under.get_extra_info("socket").fileno()
        # Whether frames wait in picows, which none may overtake.
        self._clogged = transport.is_secure

    def write(self, frame: bytes) -> None:
        """Writes a frame."""
        if self._clogged:
            self._write_slowly(frame)
            return
        try:
            written = os.write(self._number, frame)
        except BlockingIOError:
            written = 0
        if written < len(frame):
            self._clogged = True
            self._under.write(frame[written:])

    def _write_slowly(self, frame: bytes) -> None:
        self._under.write(frame)
        self._clogged = self.transport.is_secure or self._under.get_write_buffer_size() > 0


class Load:
    """All sockets, by the bot's number; the newest of a bot counts."""

    def __init__(self) -> None:
        self.sockets: dict[int, Pipe] = {}
        self.counts = Counts()
        self.stamps = frames.Stamps()
        self.url = ""

    # Commands

    async def status(self) -> dict[str, Any]:
        """How many sockets are open, and the counts."""
        return {"sockets": len(self.sockets), **vars(self.counts)}

    async def reset(self) -> dict[str, Any]:
        """Begins to count anew."""
        self.counts = Counts()
        return {}

    async def flood(
        self, events: int, unwanted: float = 0.0, first: int = 0, bots: int = 0, rate: float = 0.0
    ) -> dict[str, Any]:
        """Sends frames in turn over the sockets, one write each: at once, or `rate` a second.

        Args:
            events: how many.
            unwanted: which part of them nobody wants.
            first, bots: only these bots' sockets; 0 bots means all.
            rate: frames a second; 0 means as fast as they can be written.
        """
        chosen = self._chosen(first, bots)
        made = list(frames.flood(chosen, events, unwanted, self.stamps))
        ready = [(self.sockets[bot].write, encode(raw)) for bot, raw in made]
        began, cpu = time.monotonic(), time.process_time()
        if rate:
            await self._send_paced(ready, rate)
        else:
            await self._send(ready)
        return {"began": began, "ended": time.monotonic(), "cpu": time.process_time() - cpu}

    async def stamped(self, rate: float, seconds: float, first: int = 0, bots: int = 0) -> dict[str, Any]:
        """Sends messages at a rate in turn over the sockets; the time of sending is the message's `ts`."""
        chosen = self._chosen(first, bots)
        began = time.monotonic()
        total = round(rate * seconds)
        for number in range(total):
            await _sleep_until(began + number / rate)
            bot = chosen[number % len(chosen)]
            self.sockets[bot].write(encode(frames.message(bot, number, self.stamps.now())))
        return {"began": began, "ended": time.monotonic(), "sent": total}

    async def _send(self, ready: Writes) -> None:
        for start in range(0, len(ready), _TURN):
            for write, raw in ready[start : start + _TURN]:
                write(raw)
            await asyncio.sleep(0)

    async def _send_paced(self, ready: Writes, rate: float) -> None:
        began, sent = time.monotonic(), 0
        while sent < len(ready):
            due = min(len(ready), int((time.monotonic() - began) * rate) + 1)
            for write, raw in ready[sent:due]:
                write(raw)
            sent = due
            await asyncio.sleep(0.001)

    def _chosen(self, first: int, bots: int) -> list[int]:
        wanted = sorted(self.sockets) if not bots else range(first, first + bots)
        return [bot for bot in wanted if bot in self.sockets]


async def _sleep_until(at: float) -> None:
    while (left := at - time.monotonic()) > 0:
        await asyncio.sleep(left)


class Socket(WSListener):
    """One bot's websocket."""

    def __init__(self, load: Load, bot: int) -> None:
        self._load = load
        self._bot = bot

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._load.sockets[self._bot] = Pipe(transport)
        transport.send(_TEXT, frames.HELLO)
        self._load.counts.opened += 1
        self._load.counts.last_opened = time.monotonic()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == _TEXT:
            self._answer(transport, frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._load.counts.closed += 1
        held = self._load.sockets.get(self._bot)
        if held is not None and held.transport is transport:
            del self._load.sockets[self._bot]

    def _answer(self, transport: WSTransport, raw: bytes) -> None:
        said = json.loads(raw)
        if said.get("type") == "ping":
            self._load.counts.pings += 1
            pong = {**said, "type": "pong", "reply_to": said.get("id")}
            transport.send(_TEXT, json.dumps(pong).encode())
        elif "id" in said:
            answer = {"ok": True, "reply_to": said["id"], "ts": self._load.stamps.now().decode()}
            transport.send(_TEXT, json.dumps(answer).encode())


class Api(asyncio.Protocol):
    """Slack's Web API, as far as bots need it to connect. One request a connection, as slack_sdk does it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._data = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, gap, body = self._data.partition(b"\r\n\r\n")
        if not gap or len(body) < _length(head):
            return
        self._load.counts.request()
        answer = self._answer(head.decode("latin-1"), body.decode())
        raw = json.dumps(answer).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(raw), raw)
        )
        self._transport.close()

    def _answer(self, head: str, body: str) -> dict[str, Any]:
        line, *headers = head.split("\r\n")
        address = urlsplit(line.split(" ")[1])
        fields = {name: found[0] for name, found in parse_qs(f"{address.query}&{body}").items()}
        for header in headers:
            if header.lower().startswith("authorization: bearer "):
                fields["token"] = header[22:].strip()
        if not fields.get("token", "").startswith("xoxb-bench-"):
            return {"ok": False, "error": "invalid_auth"}
        method = address.path.rpartition("/")[2]
        return {"ok": True, **_METHODS.get(method, _nothing)(self._load, frames.number_of(fields["token"]))}


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def _nothing(load: Load, bot: int) -> dict[str, Any]:
    return {}


def _auth_test(load: Load, bot: int) -> dict[str, Any]:
    team = frames.team_id(bot)
    ids = {"user_id": f"UB{bot:08}", "bot_id": f"B{bot:08}", "team_id": team}
    return {"url": "https://bench.slack.com/", "team": f"Team {bot}", "user": "bench", **ids}


def _rtm_connect(load: Load, bot: int) -> dict[str, Any]:
    team = {"id": frames.team_id(bot), "name": f"Team {bot}", "domain": f"team-{bot}"}
    return {"url": f"{load.url}/rtm/{bot}", "self": {"id": f"UB{bot:08}", "name": "bench"}, "team": team}


def _rtm_start(load: Load, bot: int) -> dict[str, Any]:
    """With the lists that Relax looks channels and users up in."""
    channels = [{"id": f"C{n:08}", "name": f"channel-{n}", "is_channel": True} for n in range(1, 14)]
    users = [{"id": f"U{n:08}", "name": f"user-{n}"} for n in range(1, 98)]
    lists = {"channels": channels, "users": users, "groups": [], "ims": [], "bots": []}
    return {**_rtm_connect(load, bot), **lists}


def _post_message(load: Load, bot: int) -> dict[str, Any]:
    return {"channel": "C00000001", "ts": load.stamps.now().decode()}


_METHODS: dict[str, Callable[[Load, int], dict[str, Any]]] = {
    "auth.test": _auth_test,
    "rtm.connect": _rtm_connect,
    "rtm.start": _rtm_start,
    "chat.postMessage": _post_message,
}


async def serve(certificate: str, key: str) -> None:
    """Runs until standard input ends."""
    loop = asyncio.get_running_loop()
    tls = None
    if certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate, key)
    load = Load()

    def listen(request: WSUpgradeRequest) -> WSListener:
        return Socket(load, int(request.path.partition(b"?")[0].rpartition(b"/")[2]))

    sockets = await ws_create_server(
        listen, HOST, 0, ssl=tls, backlog=4096, websocket_handshake_timeout=60, read_buffer_init_size=512
    )
    api = await aiofastnet.create_server(loop, lambda: Api(load), HOST, 0, ssl=tls, backlog=4096)
    secure = "s" if tls else ""
    load.url = f"ws{secure}://{HOST}:{sockets.sockets[0].getsockname()[1]}"
    api_port = api.sockets[0].getsockname()[1]
    _say({"sockets": load.url, "api": f"http{secure}://{HOST}:{api_port}/api/"})
    await _obey(load)


async def _obey(load: Load) -> None:
    """Does what it is told, several things at once where they come so."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    running: set[asyncio.Task[None]] = set()
    commands: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
        "status": load.status,
        "reset": load.reset,
        "flood": load.flood,
        "stamped": load.stamped,
    }
    while line := await reader.readline():
        told = json.loads(line)
        task = asyncio.create_task(_do(told.pop("id"), commands[told.pop("do")], told))
        running.add(task)
        task.add_done_callback(running.discard)


async def _do(
    number: int, command: Callable[..., Coroutine[Any, Any, dict[str, Any]]], told: dict[str, Any]
) -> None:
    try:
        _say({"id": number, **await command(**told)})
    except Exception as exc:
        _say({"id": number, "error": f"{type(exc).__name__}: {exc}"})


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def main() -> None:
    """Runs the load."""
    parser = argparse.ArgumentParser(prog="python -m bench.load")
    parser.add_argument("--certificate", default="", help="serve TLS with this certificate")
    parser.add_argument("--key", default="")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # What is allocated here dies by reference counts; a collection would be a pause in the load.
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        asyncio.run(serve(options.certificate, options.key))


if __name__ == "__main__":
    main()
