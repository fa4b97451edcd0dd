"""A proxy that does to connections what networks do to them.

It listens on a port of 127.0.0.1, or on a unix socket, and leads to either. Faults are switched on and off
while it runs; one thread with an event loop of its own serves any number of connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import Any, Self, cast

from ..processes import free_port

_BACKLOG = 4096
#: Seconds that a switch may take; the loop is never busy for long.
_SWITCH_TIMEOUT = 30.0
#: A TCP socket that is closed with it sends an RST.
_NO_LINGER = struct.pack("ii", 1, 0)


class Mode(Enum):
    """What happens to bytes, and to the ends of connections."""

    PASS = auto()
    #: They come later, in order.
    DELAY = auto()
    #: They wait until it is over.
    HALF_OPEN = auto()


class Proxy:
    """A listener, and what it leads to; a context manager that ends both.

    Args:
        target: `HOST:PORT`, or the path of a unix socket.
        path: listen on this unix socket; on a free port of 127.0.0.1 where none is given.

    Attributes:
        address: where it listens: `HOST:PORT`, or its path.
    """

    def __init__(self, target: str, path: Path | None = None) -> None:
        self._target = target
        self._path = path
        self._port = 0 if path else free_port()
        self.address = str(path) if path else f"127.0.0.1:{self._port}"
        # Below: of the thread only.
        self._mode = Mode.PASS
        self._delay = 0.0
        self._losses = 0
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        try:
            self._do(self._listen)
        except BaseException:
            self.close()
            raise

    @property
    def redis_url(self) -> str:
        """The listener as the URL of a Redis."""
        return f"redis+socket://{self.address}" if self._path else f"redis://{self.address}/0"

    @property
    def connections(self) -> int:
        """How many there are; those that only one side knows of are among them."""
        return len(self._pairs)

    # Faults

    def delay(self, seconds: float) -> None:
        """From now on all comes so much later, either way."""
        self._do(lambda: self._switch(Mode.DELAY, seconds))

    def half_open(self) -> None:
        """Connections stay open and new ones are taken, but nothing comes through, not even their ends.

        `heal` then delivers what was held, as TCP does when a network finds its way again; a `reset` before
        it leaves nothing to deliver.
        """
        self._do(lambda: self._switch(Mode.HALF_OPEN))

    def reset(self) -> None:
        """Ends all present connections by RST on both sides; new ones are treated as before."""
        self._do(self._reset)

    def refuse(self) -> None:
        """Takes no more connections; those that there are stay."""
        self._do(self._stop_listening)

    def lose_answers(self, number: int) -> None:
        """The next answers are thrown away and their connections ended; their requests were done."""

        def lose() -> None:
            self._losses = number

        self._do(lose)

    def heal(self) -> None:
        """Ends delay, silence and refusal."""
        self._do(lambda: self._switch(Mode.PASS))
        self._do(self._listen)

    def close(self) -> None:
        """Closes everything; harmless when that is done."""
        if self._loop.is_closed():
            return
        self._do(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SWITCH_TIMEOUT)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # In the thread

    def _do(self, act: Callable[[], Any]) -> None:
        async def run() -> None:
            found = act()
            if asyncio.iscoroutine(found):
                await found

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(_SWITCH_TIMEOUT)

    async def _listen(self) -> None:
        if self._server is not None:
            return
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            listener = await self._loop.create_unix_server(self._accept, str(self._path), backlog=_BACKLOG)
        else:
            listener = await self._loop.create_server(self._accept, "127.0.0.1", self._port, backlog=_BACKLOG)
        self._server = listener

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _switch(self, mode: Mode, delay: float = 0.0) -> None:
        self._mode, self._delay = mode, delay
        for pair in list(self._pairs):
            pair.obey(mode, delay)

    def _reset(self) -> None:
        for pair in list(self._pairs):
            pair.abort()

    async def _end(self) -> None:
        self._stop_listening()
        for opening in self._opening:
            opening.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        self._reset()
        # Their sockets are closed by callbacks.
        while self._pairs:
            await asyncio.sleep(0)

    def _accept(self) -> _Side:
        pair = _Pair(self._lead_on, self._loses, self._pairs.discard)
        self._pairs.add(pair)
        pair.obey(self._mode, self._delay)
        return pair.near

    def _lead_on(self, pair: _Pair) -> None:
        opening = self._loop.create_task(self._open(pair))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _open(self, pair: _Pair) -> None:
        try:
            if "/" in self._target:
                await self._loop.create_unix_connection(lambda: pair.far, self._target)
            else:
                host, _, port = self._target.rpartition(":")
                await self._loop.create_connection(lambda: pair.far, host, int(port))
        except OSError:
            pair.abort()

    def _loses(self) -> bool:
        if self._losses == 0:
            return False
        self._losses -= 1
        return True


class _Pair:
    """One connection: the side of whoever came, and the side of the target.

    Args:
        lead_on: opens the far side.
        loses: whether an answer is to be lost.
        forget: told when both sides are gone.
    """

    def __init__(
        self,
        lead_on: Callable[[_Pair], None],
        loses: Callable[[], bool],
        forget: Callable[[_Pair], None],
    ) -> None:
        self._lead_on = lead_on
        self._led_on = False
        self._forget = forget
        self.mode = Mode.PASS
        self.delay = 0.0
        self.aborted = False
        self.near = _Side(self)
        self.far = _Side(self, loses)
        self.near.other, self.far.other = self.far, self.near

    def obey(self, mode: Mode, delay: float) -> None:
        """Does from now on what the proxy does."""
        self.mode, self.delay = mode, delay
        self.near.go_on()
        self.far.go_on()

    def lead_on(self) -> None:
        """Opens the far side once that may be."""
        if not (self._led_on or self.aborted or self.mode is Mode.HALF_OPEN):
            self._led_on = True
            self._lead_on(self)

    def abort(self) -> None:
        """Ends both sides at once."""
        self.aborted = True
        self.near.abort()
        self.far.abort()

    def lost(self) -> None:
        """One side is gone; where it never knew the other, nobody will come."""
        if self.near.gone and (self.far.gone or self.far.transport is None):
            self.aborted = True
            self._forget(self)


class _Side(asyncio.Protocol):
    """One side of a connection: what it reads is for the other, what it is given it writes.

    Args:
        pair: the connection.
        loses: whether what was just read is to be lost.
    """

    other: _Side

    def __init__(self, pair: _Pair, loses: Callable[[], bool] = lambda: False) -> None:
        self._pair = pair
        self._loses = loses
        self.transport: asyncio.Transport | None = None
        self.gone = False
        #: Its peer takes no more for the moment.
        self.full = False
        # What is to be written, and when; None stands for the end.
        self._due: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._ended = self._told_end = False

    # What the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._pair.aborted:
            self.abort()
            return
        self.go_on()
        self.other.go_on()

    def data_received(self, data: bytes) -> None:
        if self._loses():
            self._pair.abort()
        else:
            self.other.put(data)

    def eof_received(self) -> bool:
        self._ended = True
        self.other.put(None)
        self._close_when_done()
        return True

    def pause_writing(self) -> None:
        self.full = True
        self.other.go_on()

    def resume_writing(self) -> None:
        self.full = False
        self.other.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        if exc is not None:
            self._pair.abort()
        self._pair.lost()

    # What the pair tells

    def go_on(self) -> None:
        """Reads and writes, as far as that may be now."""
        if self.transport is None or self.gone:
            return
        if self is self._pair.near:
            self._pair.lead_on()
        other = self.other
        if self._pair.mode is Mode.HALF_OPEN or other.transport is None or other.full:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
        self._write_due()

    def put(self, data: bytes | None) -> None:
        """Writes, now or when it is due."""
        pair = self._pair
        if pair.mode is Mode.PASS and not self._due:
            self._write(data)
            return
        self._due.append((asyncio.get_running_loop().time() + pair.delay, data))
        self._write_due()

    def abort(self) -> None:
        """Ends it at once; over TCP by RST."""
        self._due.clear()
        if self.transport is None or self.gone:
            return
        sock = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def _write_due(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pair.mode is Mode.HALF_OPEN:
            return
        loop = asyncio.get_running_loop()
        while self._due and (self._pair.mode is Mode.PASS or self._due[0][0] <= loop.time()):
            self._write(self._due.popleft()[1])
        if self._due:
            self._timer = loop.call_at(self._due[0][0], self._write_due)

    def _write(self, data: bytes | None) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if data is not None:
            self.transport.write(data)
            return
        self._told_end = True
        with contextlib.suppress(OSError):
            self.transport.write_eof()
        self._close_when_done()

    def _close_when_done(self) -> None:
        if self._ended and self._told_end and self.transport is not None:
            self.transport.close()
