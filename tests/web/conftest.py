"""A web role in process, over a store in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from starlette.testclient import TestClient

from botfleet.access_keys import new_key
from botfleet.fleet import Fleet
from botfleet.model import Rights
from botfleet.publishing.sinks import MemorySink
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore
from botfleet.web.app import make_app
from botfleet.web.context import WebContext

#: Makes clients of a web role: `make_client(open=True, web_url="https://bots.example.com")`.
MakeClient = Callable[..., TestClient]
#: Makes access keys with some rights.
MakeKey = Callable[[Rights], str]


@pytest.fixture
def make_client(memory_store: MemoryStore) -> Iterator[MakeClient]:
    """Makes clients of web roles over the test's store; redirects are not followed."""
    made: list[TestClient] = []

    def make(open: bool = False, **settings: object) -> TestClient:
        fleet = Fleet(Settings.load({}, {}, store_url="memory://", **settings), store=memory_store)
        context = WebContext(fleet, MemorySink(), open=open)
        base = fleet.settings.web_url or "http://localhost:8080"
        made.append(
            TestClient(make_app(context), base, raise_server_exceptions=False, follow_redirects=False)
        )
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def make_key(memory_store: MemoryStore) -> MakeKey:
    """Makes access keys that the test's store knows."""

    def make(rights: Rights) -> str:
        key, kept = new_key(f"test {rights}", rights, 1.0)
        memory_store.put_access_key(kept)
        return key

    return make
