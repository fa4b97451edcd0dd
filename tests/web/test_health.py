"""`/healthz`, `/readyz` and `/metrics` of the web role."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from botfleet.store.memory import MemoryStore
from botfleet.web.context import WebContext
from botfleet.web.draining import Draining

from .conftest import MakeClient, MakeKey


def context_of(client: TestClient) -> WebContext:
    found: WebContext = client.app.state.context  # type: ignore[attr-defined]
    return found


@pytest.fixture
def ready(make_client: MakeClient) -> TestClient:
    """A web role whose gateway has looked into the store."""
    client = make_client()
    context = context_of(client)
    context.gateway.start(lambda name, exc: None)
    context.gateway.look()
    yield client
    context.gateway.close()


def test_a_web_role_is_well_and_ready(ready: TestClient) -> None:
    assert ready.get("/healthz").json() == {"ok": True}
    answer = ready.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"ready": True, "checks": {"store": "ok", "broker": "ok", "gateway": "ok"}},
    )


def test_a_store_that_is_away_is_named(ready: TestClient, memory_store: MemoryStore) -> None:
    memory_store.down = True
    answer = ready.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["store"]) == (503, "does not answer")
    assert ready.get("/healthz").status_code == 200


def test_a_web_role_that_is_to_end_says_so_at_once(ready: TestClient) -> None:
    assert ready.get("/readyz").status_code == 200
    context_of(ready).readiness.end()
    answer = ready.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "checks": {"process": "draining"}})


def test_a_gateway_without_its_threads_is_not_well(ready: TestClient) -> None:
    context_of(ready).gateway.dead = "gateway-look"
    answer = ready.get("/healthz")
    assert (answer.status_code, answer.json()["error"]) == (500, "the thread gateway-look died")


def test_figures_are_for_those_with_a_key(ready: TestClient, make_key: MakeKey) -> None:
    assert ready.get("/metrics").status_code == 401
    answer = ready.get("/metrics", headers={"Authorization": f"Bearer {make_key('read')}"})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"botfleet_fleet_up", "botfleet_gateway_requests", "botfleet_publish_lag_seconds"} <= names


# Streams, when the process is to end


async def never_ending() -> Any:
    yield "data: 1\n\n"
    await asyncio.Event().wait()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/stream":
        await StreamingResponse(never_ending(), media_type="text/event-stream")(scope, receive, send)
    else:
        await scope["may_end"].wait()
        await PlainTextResponse("done")(scope, receive, send)


class Request:
    """A request to an app, under way; one that is no stream until `may_end` is set."""

    def __init__(self, draining: Draining, path: str) -> None:
        self.sent: list[Message] = []
        self.some_body, self.may_end = asyncio.Event(), asyncio.Event()
        scope = {
            "may_end": self.may_end,
            "type": "http",
            "method": "GET",
            "path": path,
            "headers": [],
            "asgi": {"spec_version": "2.4"},
        }
        self.task = asyncio.create_task(draining(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self.some_body.set()

    @property
    def is_complete(self) -> bool:
        return self.sent[-1]["type"] == "http.response.body" and not self.sent[-1].get("more_body")


def test_streams_end_and_other_requests_are_finished() -> None:
    told: list[str] = []

    async def run() -> None:
        draining = Draining(app, lambda: told.append("begun"))
        stream, other = Request(draining, "/stream"), Request(draining, "/")
        await asyncio.wait_for(stream.some_body.wait(), 5)
        draining.begin()
        other.may_end.set()
        late = Request(draining, "/stream")
        await asyncio.wait_for(asyncio.gather(stream.task, other.task, late.task), 5)
        assert all(one.is_complete for one in (stream, other, late))
        assert other.sent[-1]["body"] == b"done"

    asyncio.run(run())
    assert told == ["begun"]


def test_a_request_that_is_given_up_is_not_answered() -> None:
    async def run() -> None:
        stream = Request(Draining(app), "/stream")
        await asyncio.wait_for(stream.some_body.wait(), 5)
        stream.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stream.task
        assert not stream.is_complete

    asyncio.run(run())
