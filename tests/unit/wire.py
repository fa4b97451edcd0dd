"""The server's end of a websocket, byte by byte."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, NamedTuple

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA


def frame(
    payload: bytes | str, opcode: int = TEXT, fin: bool = True, mask: bytes = b"", wide: int = 0
) -> bytes:
    """Encodes a frame as a server does; `wide` forces a length field of 16 or 64 bits."""
    data = payload.encode() if isinstance(payload, str) else payload
    flag = 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(data) > 65535 or wide == 64:
        head += bytes([flag | 127]) + struct.pack("!Q", len(data))
    elif len(data) > 125 or wide == 16:
        head += bytes([flag | 126]) + struct.pack("!H", len(data))
    else:
        head += bytes([flag | len(data)])
    if mask:
        data = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
    return head + mask + data


def closing(code: int | None = None, reason: str = "") -> bytes:
    body = b"" if code is None else struct.pack("!H", code) + reason.encode()
    return frame(body, CLOSE)


class Seen(NamedTuple):
    """A frame that the client sent."""

    opcode: int
    payload: bytes


class Peer:
    """Reads what a client sends, and sends frames."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(5.0)
        self.sock = sock
        self._data = b""

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(frames))

    def say(self, **fields: Any) -> None:
        """Sends a JSON text frame."""
        self.send(frame(json.dumps(fields)))

    def read(self) -> Seen:
        """The next frame; ConnectionError at the end."""
        first, second = self._take(2)
        assert second & 0x80, "a client's frames are masked"
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
        mask = self._take(4)
        data = bytes(byte ^ mask[n % 4] for n, byte in enumerate(self._take(length)))
        assert first & 0x80, "whole frames only"
        return Seen(first & 0x0F, data)

    def read_json(self) -> dict[str, Any]:
        seen = self.read()
        assert seen.opcode == TEXT, seen
        return dict(json.loads(seen.payload))

    def read_to_the_end(self) -> list[Seen]:
        found = []
        try:
            while True:
                found.append(self.read())
        except ConnectionError:
            return found

    def close(self) -> None:
        self.sock.close()

    def _take(self, size: int) -> bytes:
        while len(self._data) < size:
            chunk = self.sock.recv(65536)
            if not chunk:
                raise ConnectionError("closed")
            self._data += chunk
        taken, self._data = self._data[:size], self._data[size:]
        return taken
