"""Parts of the gateway: bodies that are slow or break off, the directory of bots, what others see of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier

from botfleet.errors import StoreUnavailable
from botfleet.model import Bot
from botfleet.publishing.sinks import MemorySink
from botfleet.store.memory import MemoryStore
from botfleet.watching import follow
from botfleet.web.gateway.answers import Refused
from botfleet.web.gateway.bodies import ClientGone, Reader
from botfleet.web.gateway.directory import Directory
from botfleet.web.gateway.signature import Verifier
from tests.waiting import eventually

from .gateways import BOT, EVERYTHING, Web, message

#: Surrogates alone are no UTF-8.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


class TestBodies:
    def read(self, *messages: dict[str, Any], seconds: float = 5.0, **headers: str) -> bytes:
        async def receive() -> Any:
            if not left:
                await asyncio.Event().wait()
            return left.pop(0)

        left = list(messages)
        named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}

        async def read() -> bytes:
            return await Reader(seconds).read(named, receive)

        return asyncio.run(read())

    def part(self, body: bytes, more: bool = True) -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": more}

    def test_parts_are_put_together(self) -> None:
        assert self.read(self.part(b"a"), self.part(b"b"), self.part(b"c", False)) == b"abc"

    def test_one_that_does_not_come_is_not_waited_for(self) -> None:
        for messages in ([], [self.part(b"a")]):
            with pytest.raises(Refused, match="too_slow"):
                self.read(*messages, seconds=0.02)

    def test_one_that_breaks_off_is_answered_to_nobody(self) -> None:
        for messages in ([], [self.part(b"a")]):
            with pytest.raises(ClientGone):
                self.read(*messages, {"type": "http.disconnect"})

    @pytest.mark.parametrize("length", ["2097153", "9" * 30, "-5000000", "0x7fffffff"])
    def test_one_that_says_it_is_too_long_is_not_read(self, length: str) -> None:
        with pytest.raises(Refused, match="too_large"):
            self.read(content_length=length)

    def test_all_that_come_in_parts_together_have_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("botfleet.web.gateway.bodies._MOST_GATHERED", 10)
        reader, going_on = Reader(), asyncio.Event()

        async def read(*bodies: bytes) -> bytes:
            left = [self.part(body) for body in bodies] + [self.part(b"", False)]

            async def receive() -> Any:
                if len(left) == 1:
                    await going_on.wait()
                return left.pop(0)

            return await reader.read({}, receive)

        async def main() -> None:
            first = asyncio.ensure_future(read(b"12345678"))
            await asyncio.sleep(0)
            with pytest.raises(Refused, match="failed"):
                await read(b"123")
            going_on.set()
            assert await first == b"12345678"
            assert await read(b"12345", b"12345") == b"1234512345"

        asyncio.run(main())

    def test_the_end_of_a_request_for_another_reason_goes_on(self) -> None:
        async def main() -> None:
            async def receive() -> Any:
                await asyncio.Event().wait()

            task = asyncio.ensure_future(Reader().read({}, receive))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())


class CountingStore(MemoryStore):
    """Counts what it is asked; fails while it is away."""

    def __init__(self) -> None:
        super().__init__(4)
        self.asked: Counter[str] = Counter()
        self.away = False

    def bot(self, key: str) -> Bot | None:
        self.asked[key] += 1
        if self.away:
            raise StoreUnavailable("away")
        return super().bot(key)


async def in_thread(do: Callable[[], Any]) -> Any:
    return await asyncio.to_thread(do)


class TestDirectory:
    def test_the_store_is_asked_once_for_many_and_not_again_soon(self) -> None:
        store, now = CountingStore(), [0.0]
        store.change_bot("T1", lambda old: BOT)
        directory = Directory(store, in_thread, lambda: now[0])

        async def main() -> None:
            found = await asyncio.gather(*(directory.find(["T9", "T1"]) for _ in range(50)))
            assert {one.bot.key if one else None for one in found} == {"T1"}
            assert [await directory.find(["T9"]) for _ in range(50)] == [None] * 50
            assert store.asked == {"T9": 1, "T1": 1}
            now[0] = 11.0
            await directory.find(["T9", "T1"])
            assert store.asked == {"T9": 2, "T1": 1}
            now[0] = 61.0
            assert directory.recall(["T1"]) is None
            await directory.find(["T1"])
            assert store.asked["T1"] == 2

        asyncio.run(main())

    def test_what_was_read_before_a_change_is_not_kept(self) -> None:
        store = CountingStore()
        store.change_bot("T1", lambda old: BOT)

        async def run(do: Callable[[], Any]) -> Any:
            entry = do()
            store.change_bot("T1", lambda old: msgspec.structs.replace(BOT, desired="stopped"))
            directory.look()
            return entry

        directory = Directory(store, run)

        async def main() -> None:
            await directory.find(["T1"])
            assert directory.recall(["T1"]) is None

        asyncio.run(main())

    def test_a_store_that_is_away_is_told_and_asked_again(self) -> None:
        store = CountingStore()
        directory = Directory(store, in_thread)

        async def main() -> None:
            store.away = True
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await directory.find(["T1"])
            store.away = False
            assert await directory.find(["T1"]) is None

        asyncio.run(main())

    def test_a_store_that_does_not_answer_is_not_waited_for(self) -> None:
        async def run(do: Callable[[], Any]) -> Any:
            await answers.wait()
            return do()

        answers = asyncio.Event()
        directory = Directory(CountingStore(), run, patience=0.02)

        async def main() -> None:
            with pytest.raises(StoreUnavailable):
                await asyncio.wait_for(directory.find(["T1"]), 5.0)
            answers.set()
            assert await directory.find(["T1"]) is None

        asyncio.run(main())

    def test_what_is_kept_has_a_bound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("botfleet.web.gateway.directory._MOST", 10)
        store = CountingStore()
        directory = Directory(store, in_thread)

        async def main() -> None:
            for number in range(30):
                await directory.find([f"T{number}"])
            await directory.find(["T29"])
            await directory.find(["T0"])

        asyncio.run(main())
        assert (store.asked["T29"], store.asked["T0"], len(directory._unknown)) == (1, 2, 10)


def test_those_who_watch_see_what_comes() -> None:
    store = MemoryStore(4)
    store.put_subscriptions("handler", [EVERYTHING])
    with Web(store, MemorySink()) as web:
        web.add()
        seen = follow(store)
        # Its first look tells the gateway that somebody watches.
        assert eventually(lambda: next(seen)).holder.startswith("web@")  # type: ignore[union-attr]
        web.event(message())
        shown = eventually(lambda: next(seen))
        assert shown is not None
        assert [(one.id, one.bot, one.type) for one in shown.sightings] == [("Ev1", "T1", "message")]


def test_a_thread_that_dies_ends_the_process() -> None:
    class Broken(MemorySink):
        def push(self, batch: Any) -> int:
            raise RuntimeError("a defect")

    store = MemoryStore(4)
    store.put_subscriptions("handler", [EVERYTHING])
    web = Web(store, Broken())
    web.gateway.publisher._deadlines._seconds = 0.1
    web.add()
    with web.client:
        web.gateway.start(lambda name, exc: web.deaths.append(name))
        eventually(lambda: web.gateway.is_ready)
        assert web.event(message()).status_code == 503
        eventually(lambda: web.gateway.dead)
        assert (web.deaths, web.gateway.is_ready) == (["botfleet-confirmed-publisher"], False)
    web.gateway.close()


@given(secret=TEXT.filter(str.strip), body=TEXT, now=st.integers(0, 2**40))
@example(secret="k" * 64, body="{}", now=0)
@example(secret="k" * 65, body="{}", now=0)
def test_signatures_are_those_of_slack_sdk(secret: str, body: str, now: int) -> None:
    theirs, ours = SignatureVerifier(secret), Verifier(secret, SlackClock())
    expected = theirs.generate_signature(timestamp=str(now), body=body)
    for form in (body, body.encode()):
        assert ours.generate_signature(timestamp=str(now), body=form) == expected
