"""A running sandbox, a team of one's own in it, and a plain socket to look at frames with."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import websocket
from slack_sdk import WebClient

from botfleet.sandbox import SandboxControl, SandboxProcess


@dataclass(frozen=True)
class Workspace:
    """A team that only one test knows."""

    id: str
    token: str
    bot: str
    general: str
    alice: str
    api_url: str

    def web(self, token: str | None = None) -> WebClient:
        return WebClient(token or self.token, base_url=self.api_url, timeout=10)


class Socket:
    """An RTM connection without any cleverness."""

    def __init__(self, url: str) -> None:
        self.connection = websocket.create_connection(url, timeout=5, suppress_origin=True)

    def send(self, **frame: Any) -> None:
        self.connection.send(json.dumps(frame))

    def read(self) -> dict[str, Any]:
        return dict(json.loads(self.connection.recv()))

    def read_until(self, kind: str) -> dict[str, Any]:
        while True:
            frame = self.read()
            if frame.get("type") == kind:
                return frame

    def ping(self, number: int) -> dict[str, Any]:
        self.send(id=number, type="ping")
        return self.read()

    def is_quiet(self, seconds: float) -> bool:
        """Whether nothing at all comes within a time."""
        self.connection.settimeout(seconds)
        try:
            self.connection.recv_frame()
        except websocket.WebSocketTimeoutException:
            return True
        finally:
            self.connection.settimeout(5)
        return False

    def closing_code(self) -> int | None:
        """Read to the end; the closing frame's code, or None where the line was just cut."""
        try:
            while True:
                frame = self.connection.recv_frame()
                if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
                    return int.from_bytes(frame.data[:2], "big")
        except (websocket.WebSocketConnectionClosedException, ConnectionResetError):
            return None

    def close(self) -> None:
        with contextlib.suppress(OSError, websocket.WebSocketException):
            self.connection.shutdown()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def control(sandbox: SandboxProcess) -> SandboxControl:
    return sandbox.control


@pytest.fixture
def team(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    # slack_sdk would go to a proxy of the environment, whatever the address.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return workspace(sandbox)


def workspace(sandbox: SandboxProcess) -> Workspace:
    added = sandbox.control.add_teams(1)[0]
    shown = sandbox.control.team(added["team_id"])
    channels = {channel["name"]: channel["id"] for channel in shown["channels"]}
    users = {user["name"]: user["id"] for user in shown["users"]}
    return Workspace(
        added["team_id"],
        added["bot_token"],
        shown["bot_user_id"],
        channels["general"],
        users["alice"],
        sandbox.api_url,
    )


@contextlib.contextmanager
def connected(team: Workspace, token: str | None = None) -> Iterator[Socket]:
    """Connect and hear hello."""
    socket = Socket(team.web(token).rtm_connect()["url"])
    try:
        assert socket.read() == {"type": "hello"}
        yield socket
    finally:
        socket.close()
