"""One open websocket, non-blocking: bytes in to frames out, and frames in to bytes out.

Whole text frames, which are nearly all that Slack sends, are cut straight out of what one `recv` gave. What
is split over reads, or is of another kind, goes through websocket-client's `frame_buffer`.
"""

from __future__ import annotations

import socket
import ssl
from typing import NamedTuple

from websocket import ABNF, WebSocketException
from websocket._abnf import frame_buffer

#: One read, bytes.
READ_SIZE = 64 * 1024
#: Reads in a row from one socket before the others have their turn.
READS_IN_A_ROW = 2
#: What may wait to be written to a peer that does not read, bytes.
WRITE_BOUND = 256 * 1024
#: A longer message is none of Slack's, bytes.
MESSAGE_BOUND = 8 * 2**20

_AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_TEXT_FRAME = 0x81


class LinkClosed(Exception):
    """The peer is gone; the text says how: a close code, or a short reason."""


class _Incomplete(Exception):
    """The rest of the frame has not come yet."""


class Inbox(NamedTuple):
    """What one read gave."""

    messages: list[bytes]
    #: There may be more at once, without the selector saying so.
    more: bool


class Link:
    """An open websocket of a client.

    Args:
        sock: connected, after the upgrade; made non-blocking here.
        number: the session's number for it.
    """

    __slots__ = ("_closed", "_data", "_fragments", "_frames", "_out", "number", "sock", "write_watched")

    def __init__(self, sock: socket.socket, number: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.number = number
        #: Whether the selector waits for room to write; the reactor's own note.
        self.write_watched = False
        self._data = b""
        # Made when a frame comes in pieces; most connections never need it.
        self._frames: frame_buffer | None = None
        self._fragments: list[bytes] = []
        self._out = b""
        self._closed = False

    def fileno(self) -> int:
        return self.sock.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return bool(self._out)

    def read(self) -> Inbox:
        """Reads what is there.

        Raises:
            LinkClosed: nothing more will come. Messages that came before were returned by earlier calls,
                or come as `args[1]`.
        """
        messages: list[bytes] = []
        try:
            for _ in range(READS_IN_A_ROW):
                try:
                    data = self.sock.recv(READ_SIZE)
                except _AGAIN:
                    return Inbox(messages, False)
                if not data:
                    raise LinkClosed("closed without a word")
                self._parse(data, messages)
                if len(data) < READ_SIZE and not self._pending():
                    return Inbox(messages, False)
        except LinkClosed as exc:
            raise LinkClosed(*exc.args, messages) from None
        except (OSError, WebSocketException) as exc:
            raise LinkClosed(type(exc).__name__, messages) from exc
        return Inbox(messages, True)

    def send_text(self, text: str) -> None:
        """Sends a text message, as far as the socket takes it now.

        Raises:
            LinkClosed: the socket is broken, or the peer has not read for too long.
        """
        self._write(ABNF.create_frame(text, ABNF.OPCODE_TEXT).format())

    def flush(self) -> None:
        """Writes what waits, as far as the socket takes it now.

        Raises:
            LinkClosed: the socket is broken.
        """
        while self._out:
            try:
                written = self.sock.send(self._out)
            except _AGAIN:
                return
            except OSError as exc:
                raise LinkClosed(type(exc).__name__) from exc
            self._out = self._out[written:]

    def close(self) -> None:
        """Says goodbye where the socket takes it at once, and closes it."""
        if self._closed:
            return
        self._closed = True
        try:
            self.sock.send(ABNF.create_frame(b"\x03\xe8", ABNF.OPCODE_CLOSE).format())
        except OSError:
            pass
        finally:
            self.sock.close()

    def _pending(self) -> bool:
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def _write(self, data: bytes) -> None:
        if len(self._out) + len(data) > WRITE_BOUND:
            raise LinkClosed("the peer does not read")
        self._out += data
        self.flush()

    def _parse(self, data: bytes, messages: list[bytes]) -> None:
        while data:
            if self._frames is None:
                data = data[_cut_text_frames(data, messages) :]
                if not data:
                    return
                self._frames = frame_buffer(self._take, skip_utf8_validation=True)
            self._data = data
            try:
                frame = self._frames.recv_frame()
            except _Incomplete:
                return
            self._frames = None
            data, self._data = self._data, b""
            self._handle(frame, messages)

    def _take(self, size: int) -> bytes:
        if self._frames is not None and (self._frames.length or 0) > MESSAGE_BOUND:
            raise LinkClosed("a frame too long")
        if not self._data:
            raise _Incomplete
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def _handle(self, frame: ABNF, messages: list[bytes]) -> None:
        payload = frame.data.encode() if isinstance(frame.data, str) else frame.data
        if frame.opcode == ABNF.OPCODE_PING:
            self._write(ABNF.create_frame(payload, ABNF.OPCODE_PONG).format())
        elif frame.opcode == ABNF.OPCODE_CLOSE:
            code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
            raise LinkClosed(str(code))
        elif frame.opcode in (ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY, ABNF.OPCODE_CONT):
            self._fragments.append(payload)
            if sum(map(len, self._fragments)) > MESSAGE_BOUND:
                raise LinkClosed("a message too long")
            if frame.fin:
                messages.append(b"".join(self._fragments))
                self._fragments = []


def _cut_text_frames(data: bytes, messages: list[bytes]) -> int:
    """Cuts whole, unmasked text frames off the front; returns how far that went."""
    position, end = 0, len(data)
    while position + 4 <= end and data[position] == _TEXT_FRAME:
        length, start = data[position + 1], position + 2
        if length == 126:
            length, start = int.from_bytes(data[position + 2 : position + 4], "big"), position + 4
        elif length > 126:
            break
        if start + length > end:
            break
        messages.append(data[start : start + length])
        position = start + length
    return position
