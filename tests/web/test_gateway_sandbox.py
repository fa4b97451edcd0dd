"""The gateway on a port, and the sandbox in place of Slack: what a team does becomes events."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn

from botfleet.publishing.sinks import MemorySink
from botfleet.sandbox import SandboxProcess
from botfleet.store.memory import MemoryStore
from botfleet.web.server import listen
from tests.waiting import eventually

from .gateways import BOT, EVERYTHING, Web

pytestmark = pytest.mark.network


@contextmanager
def serving(web: Web) -> Iterator[str]:
    """Its address while it is served."""
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(web.asgi, http="httptools", ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10.0)
        assert not thread.is_alive()


def test_a_teams_doings_arrive_and_its_end(memory_store: MemoryStore) -> None:
    memory_store.put_subscriptions("handler", [EVERYTHING])
    sink = MemorySink()
    secret = "sandbox-signing-secret-1"
    with (
        Web(memory_store, sink, slack_signing_secret=secret) as web,
        serving(web) as url,
        SandboxProcess(["--app-url", url, "--retry-delays", "0,0.05,0.05"]) as process,
    ):
        control = process.control
        assert control.set_app(url=url, verify=5)["verified"]
        team = control.add_team("Acme", transport="http")["team_id"]
        web.add(BOT, team_id=team, bot_user_id=control.team(team)["bot_user_id"])
        sink.failing = True
        control.say("general", "hi there", team=team)
        eventually(lambda: web.count("failed") > 0)
        sink.failing = False
        control.command("/deploy", "api", team=team)
        eventually(lambda: {"message", "slash_command"} <= kinds(sink))
        assert [one["payload"]["text"] for one in envelopes(sink, "message")] == ["hi there"]
        assert envelopes(sink, "slash_command")[0]["payload"]["command"] == "/deploy"
        assert web.gateway.counters.retries > 0
        control.uninstall(team)
        eventually(lambda: web.gateway.counters.deactivated)
        status = memory_store.status(team)
        assert status is not None
        assert status.state == "token_revoked"


def envelopes(sink: MemorySink, kind: str) -> list[dict[str, dict[str, str]]]:
    found = [json.loads(event.envelope) for event in list(sink.events)]
    return [one for one in found if one["type"] == kind]


def kinds(sink: MemorySink) -> set[str]:
    return {json.loads(event.envelope)["type"] for event in list(sink.events)}
