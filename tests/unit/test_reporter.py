from __future__ import annotations

from collections.abc import Iterator

import pytest

from botfleet.holder.reporter import Reporter
from botfleet.holder.threads import WatchedThread
from botfleet.model import Answer
from botfleet.store.memory import MemoryStore
from tests.waiting import eventually


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(4)


@pytest.fixture
def reporter(store: MemoryStore) -> Iterator[Reporter]:
    reporter = Reporter(store, lambda key: True)
    deaths: list[BaseException] = []
    thread = WatchedThread("reporter", reporter.run, lambda name, exc: deaths.append(exc))
    thread.start()
    yield reporter
    reporter.close()
    thread.join(5.0)
    assert deaths == []


def test_an_answer_is_written_for_who_waits(store: MemoryStore, reporter: Reporter) -> None:
    reporter.answer("t1", Answer(ts="1.0"))
    assert store.wait_for_answer("t1", 5.0) == Answer(ts="1.0")


def test_an_answer_waits_for_a_store_that_is_away(
    store: MemoryStore, reporter: Reporter, caplog: pytest.LogCaptureFixture
) -> None:
    store.down = True
    reporter.answer("t1", Answer(ts="1.0"))
    eventually(lambda: "Answers to 1 messages wait" in caplog.text)
    store.down = False
    assert store.wait_for_answer("t1", 5.0) == Answer(ts="1.0")
