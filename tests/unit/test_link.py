"""One websocket over a socket pair: whatever way the bytes are cut, the messages are the same."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from botfleet.holder.link import MESSAGE_BOUND, READ_SIZE, READS_IN_A_ROW, WRITE_BOUND, Link, LinkClosed

from .wire import BINARY, CLOSE, CONTINUED, PING, PONG, TEXT, Peer, Seen, closing, frame


class Pair:
    """A link and its peer."""

    def __init__(self) -> None:
        near, far = socket.socketpair()
        self.link = Link(near, 1)
        self.peer = Peer(far)

    def close(self) -> None:
        self.link.close()
        self.peer.close()

    def deliver(self, *chunks: bytes) -> list[bytes]:
        """Sends the chunks one at a time; returns all messages that came out."""
        found: list[bytes] = []
        for chunk in chunks:
            self.peer.send(chunk)
            found += self.drain()
        return found

    def drain(self) -> list[bytes]:
        found: list[bytes] = []
        while True:
            messages, more = self.link.read()
            found += messages
            if not more:
                return found

    def end(self, *chunks: bytes) -> tuple[str, list[bytes]]:
        """Sends what ends the link; returns why, and the messages that came with the end."""
        with pytest.raises(LinkClosed) as caught:
            (self.deliver(*chunks), self.drain())
        return caught.value.args[0], caught.value.args[1]


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


STREAM = b"".join(
    [
        frame("one"),
        frame("é" * 70),
        frame(b"ping", PING),
        frame("thr", fin=False),
        frame(b"", PING),
        frame("e", CONTINUED, fin=False),
        frame("e", CONTINUED),
        frame("x" * 300),
        frame(""),
        frame("masked", mask=b"\1\2\3\4"),
        frame("wide", wide=64),
        frame("wide too", wide=16),
        frame(b"binary", BINARY),
        frame(b"", PONG),
        frame("last"),
    ]
)
MESSAGES = ["one", "é" * 70, "three", "x" * 300, "", "masked", "wide", "wide too", "binary", "last"]
EXPECTED = [message.encode() for message in MESSAGES]


def test_a_stream_in_one_piece(pair: Pair) -> None:
    assert pair.deliver(STREAM) == EXPECTED


def test_a_stream_cut_at_every_byte(pair: Pair) -> None:
    for cut in range(1, len(STREAM)):
        assert pair.deliver(STREAM[:cut], STREAM[cut:]) == EXPECTED, cut


def test_a_stream_byte_by_byte(pair: Pair) -> None:
    assert pair.deliver(*(STREAM[n : n + 1] for n in range(len(STREAM)))) == EXPECTED


@settings(deadline=None)
@given(
    messages=st.lists(
        st.tuples(
            st.text(max_size=20) | st.integers(100, 200).map("x".__mul__) | st.just("y" * 70_000),
            st.integers(1, 3),  # in so many fragments
            st.sampled_from([0, 16, 64]),
            st.binary(min_size=4, max_size=4) | st.just(b""),
            st.booleans(),  # with a ping in between
        ),
        max_size=8,
    ),
    cuts=st.lists(st.integers(1, 5000), min_size=1, max_size=30),
)
def test_any_messages_in_any_chunks(
    messages: list[tuple[str, int, int, bytes, bool]], cuts: list[int]
) -> None:
    stream, pings = b"", 0
    for text, parts, wide, mask, with_ping in messages:
        data = text.encode()
        size = max(1, -(-len(data) // parts))
        pieces = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            stream += frame(
                piece, CONTINUED if number else TEXT, last, mask, 0 if len(piece) > 65535 else wide
            )
            if with_ping:
                stream += frame(b"p", PING)
                pings += 1
    pair = Pair()
    try:
        found, at, turn = [], 0, 0
        while at < len(stream):
            size = cuts[turn % len(cuts)] + len(stream) // 100
            found += pair.deliver(stream[at : at + size])
            at, turn = at + size, turn + 1
        assert found == [text.encode() for text, *_ in messages]
        assert [pair.peer.read() for _ in range(pings)] == [Seen(PONG, b"p")] * pings
    finally:
        pair.close()


def test_pings_are_answered_with_what_they_said(pair: Pair) -> None:
    assert pair.deliver(frame(b"abc", PING), frame("text"), frame(b"", PING)) == [b"text"]
    assert pair.peer.read() == Seen(PONG, b"abc")
    assert pair.peer.read() == Seen(PONG, b"")


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        (closing(1000), "1000"),
        (closing(1008, "slow down"), "1008"),
        (closing(4999), "4999"),
        (closing(None), "1005"),
    ],
)
def test_a_closing_frame_says_its_code(pair: Pair, chunk: bytes, reason: str) -> None:
    assert pair.end(frame("before") + chunk + frame("after")) == (reason, [b"before"])


def test_the_end_without_a_closing_frame(pair: Pair) -> None:
    assert pair.deliver(frame("before") + frame("half")[:3]) == [b"before"]
    pair.peer.close()
    assert pair.end() == ("closed without a word", [])


def test_a_reset_is_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    link = Link(near, 1)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    far.close()
    with pytest.raises(LinkClosed, match="ConnectionResetError"):
        link.read()
    link.close()


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff" * 100,
        b"\x83\x00",
        b"\xf1\x02hi",
        frame(b"x", CLOSE),
        frame(b"\0\1", CLOSE),
        frame("x", PING, fin=False),
    ],
    ids=lambda garbage: repr(garbage[:12]),
)
def test_garbage_ends_the_link_and_not_the_reader(pair: Pair, garbage: bytes) -> None:
    reason, messages = pair.end(frame("before") + garbage + b"\0" * 200)
    assert messages == [b"before"]
    assert reason


@given(st.binary(min_size=1, max_size=300))
def test_no_bytes_raise_anything_else(garbage: bytes) -> None:
    pair = Pair()
    try:
        pair.deliver(garbage)
    except LinkClosed:
        pass
    finally:
        pair.close()


def test_a_frame_that_claims_to_be_huge_ends_the_link(pair: Pair) -> None:
    reason, _ = pair.end(b"\x81\x7f" + (MESSAGE_BOUND + 1).to_bytes(8, "big") + b"x" * 10)
    assert reason == "a frame too long"


def test_fragments_without_end_end_the_link(pair: Pair) -> None:
    piece = frame(b"x" * 60_000, CONTINUED, fin=False)
    pair.deliver(frame(b"", fin=False))
    assert pair.end(*[piece] * (MESSAGE_BOUND // 60_000 + 2)) == ("a message too long", [])


def test_one_busy_link_leaves_the_others_their_turn() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    link, number = Link(near, 1), 20_000
    thread = threading.Thread(target=lambda: far.sendall(frame("x" * 1000) * number))
    thread.start()
    found, turns = 0, 0
    while found < number:
        select.select([link], [], [], 5.0)
        messages, more = link.read()
        assert len(messages) * 1000 <= READS_IN_A_ROW * READ_SIZE + 1004
        found, turns = found + len(messages), turns + more
    thread.join()
    assert turns > 0, "it was cut short at least once, and said so"
    link.close()
    far.close()


class TestWriting:
    def test_text_is_one_masked_frame(self, pair: Pair) -> None:
        pair.link.send_text(json.dumps({"text": "hé" * 5_000}))
        assert pair.peer.read_json() == {"text": "hé" * 5_000}
        assert not pair.link.wants_write

    def test_what_the_socket_does_not_take_waits_in_order(self, pair: Pair) -> None:
        pair.link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        number = 0
        while not pair.link.wants_write:
            pair.link.send_text(f'{{"n":{number},"x":"{"x" * 1000}"}}')
            number += 1
        for _ in range(20):
            pair.link.send_text(f'{{"n":{number}}}')
            number += 1
        found = []
        while len(found) < number:
            pair.link.flush()
            found.append(pair.peer.read_json()["n"])
        assert found == list(range(number))
        assert not pair.link.wants_write

    def test_a_peer_that_does_not_read_is_given_up(self, pair: Pair) -> None:
        with pytest.raises(LinkClosed, match="the peer does not read"):
            deque((pair.link.send_text("x" * 16_000) for _ in range(100 * WRITE_BOUND // 16_000)), maxlen=0)

    def test_a_peer_that_pings_and_does_not_read_is_given_up(self, pair: Pair) -> None:
        reason, _ = pair.end(*[frame(b"x" * 125, PING) * 400] * (100 * WRITE_BOUND // 50_000))
        assert reason == "the peer does not read"

    def test_writing_to_a_peer_that_is_gone_is_the_end(self, pair: Pair) -> None:
        pair.peer.close()
        with pytest.raises(LinkClosed, match="BrokenPipeError"):
            pair.link.send_text("hi")

    @pytest.mark.parametrize("times", [1, 2])
    def test_close_says_goodbye_once(self, pair: Pair, times: int) -> None:
        for _ in range(times):
            pair.link.close()
        assert pair.peer.read_to_the_end() == [Seen(CLOSE, b"\x03\xe8")]

    @pytest.mark.parametrize(
        "break_it", [lambda pair: pair.peer.close(), lambda pair: os.close(pair.link.sock.detach())]
    )
    def test_close_of_what_is_broken_is_quiet(self, pair: Pair, break_it: Callable[[Pair], None]) -> None:
        break_it(pair)
        pair.link.close()
