"""What a client sends arrives in a sandbox, by a real holder or by the Web API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from botfleet.errors import PerhapsDone, SlackError
from botfleet.handlers import Client, HandlerContext, Sent
from botfleet.sandbox import SandboxControl, SandboxProcess
from botfleet.webapi import SlackApi

from ..waiting import eventually
from .holders import World
from .sandbox_fixtures import Workspace, control, sandbox, team, workspace

__all__ = ["control", "sandbox", "team"]

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(sandbox: SandboxProcess) -> Iterator[MakeWorld]:
    made: list[World] = []

    def make(api_url: str = sandbox.api_url, **settings: Any) -> World:
        made.append(World(sandbox.control, api_url, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()
        assert world.deaths == []


def client_of(world: World, key: str) -> Client:
    api = SlackApi(world.settings)
    return Client(HandlerContext(store=world.store, seal=world.seal, settings=world.settings, api=api), key)


@pytest.fixture
def client(make_world: MakeWorld, team: Workspace) -> Client:
    """Of a bot that is connected by a holder."""
    world = make_world()
    world.hold()
    return client_of(world, world.connect(team.token))


def found(team: Workspace) -> list[dict[str, Any]]:
    """The messages of #general, oldest first."""
    messages: list[dict[str, Any]] = team.web().conversations_history(channel=team.general)["messages"]
    return messages[::-1]


def test_who_waits_gets_the_messages_name_from_the_socket(
    client: Client, team: Workspace, control: SandboxControl
) -> None:
    sent = client.message(team.general, "over the socket", wait=True)
    heard = control.wait_for_message("over the socket", team=team.id)
    assert sent == Sent(team.general, heard["ts"])
    assert heard["via"] == "socket"


def test_who_waits_hears_slacks_refusal_from_the_socket(client: Client) -> None:
    with pytest.raises(SlackError, match="channel_not_found") as caught:
        client.message("C0", "a secret", wait=True)
    assert "secret" not in str(caught.value)


def test_many_may_wait_at_once(client: Client, team: Workspace) -> None:
    with ThreadPoolExecutor(5) as pool:
        sent = list(pool.map(lambda n: client.message(team.general, str(n), wait=True), range(5)))
    names = {one.ts: str(number) for number, one in enumerate(sent) if one is not None}
    assert {message["ts"]: message["text"] for message in found(team)} == names


def test_who_waits_hears_that_the_socket_was_lost(
    make_world: MakeWorld, team: Workspace, control: SandboxControl
) -> None:
    world = make_world(ping_interval=0.3)
    world.hold()
    client = client_of(world, world.connect(team.token))
    control.fault("silent", team=team.id)
    with pytest.raises(PerhapsDone, match="connection_lost"):
        client.message(team.general, "into the void", wait=True)
    control.fault("clear", team=team.id)


def test_who_waits_hears_that_there_is_no_such_socket(make_world: MakeWorld, team: Workspace) -> None:
    world = make_world()
    world.hold()
    key = world.connect(team.token)
    client = client_of(world, key)
    assert client.bot  # As it was then.
    world.fleet.stop(key)
    world.wait_for(key, "stopped")
    with pytest.raises(SlackError, match="not_connected"):
        client.message(team.general, "hello?", wait=True)


def test_a_long_text_arrives_in_order(client: Client, team: Workspace) -> None:
    lines = [f"{number} " + "x" * 80 for number in range(150)]
    sent = client.message(team.general, "\n".join(lines), wait=True)
    assert sent is not None
    assert [message["ts"] for message in found(team)] == [sent.ts, *sent.more]
    assert "\n".join(message["text"] for message in found(team)).split("\n") == lines
    client.delete(sent)
    assert found(team) == []


def test_a_message_is_changed_reacted_to_and_deleted(client: Client, team: Workspace) -> None:
    sent = client.message("#general", "first", wait=True)
    assert sent is not None
    assert sent.channel == team.general
    assert client.update(sent, "second") == sent
    for _ in range(2):
        client.react(":eyes:", sent)
    (message,) = found(team)
    assert (message["text"], message["reactions"][0]["name"]) == ("second", "eyes")
    for _ in range(2):
        client.unreact("eyes", sent)
    assert "reactions" not in found(team)[0]
    client.delete(sent)
    assert found(team) == []
    with pytest.raises(SlackError, match="message_not_found"):
        client.delete(sent)


def test_only_one_user_sees_it(client: Client, team: Workspace, control: SandboxControl) -> None:
    client.ephemeral(team.alice, "psst", channel=team.general)
    assert control.wait_for_message("psst", team=team.id)["ephemeral"] is True
    sent = client.dm(team.alice, "hello", wait=True)
    heard = control.wait_for_message("hello", team=team.id)
    assert sent == Sent(heard["channel"], heard["ts"])
    assert heard["channel"].startswith("D")


@pytest.mark.parametrize("kind", ["path", "bytes", "open", "content"])
def test_a_file_is_shown_in_a_channel(client: Client, team: Workspace, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "menu.txt"
    path.write_bytes(b"tea")
    with path.open("rb") as opened:
        given: dict[str, Any] = {
            "path": {"file": path},
            "bytes": {"file": b"tea", "filename": "menu.txt"},
            "open": {"file": opened},
            "content": {"content": "tea", "filename": "menu.txt"},
        }[kind]
        file = client.upload(**given, channel=team.general, title="Menu", comment="Look!")
    (message,) = found(team)
    assert (message["text"], message["files"][0]["id"]) == ("Look!", file["id"])
    assert (file["name"], file["title"], file["size"]) == ("menu.txt", "Menu", 3)


def test_a_file_is_uploaded_once(client: Client, team: Workspace) -> None:
    context = client._context
    for _ in range(2):
        again = Client(context, client.id, origin="tasks.menu Ev1")
        file = again.upload(b"tea", filename="menu.txt", channel=team.general)
    assert [message["files"][0]["id"] for message in found(team)] == [file["id"]]


def test_a_fleet_keeps_to_slacks_pace() -> None:
    with SandboxProcess(["--limits"]) as limited:
        team = workspace(limited)
        world = World(limited.control, limited.api_url)
        key = world.add(team.token)
        clients = [client_of(world, key) for _ in range(6)]
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda client: client.message(team.general, "x", username="Robot"), clients))
        calls = limited.control.calls(team=team.id, method="chat.postMessage")
        assert [call["error"] for call in calls] == [None] * 6
        assert calls[-1]["time"] - calls[0]["time"] > 1.0


def test_a_retry_after_is_waited_out_by_all(
    make_world: MakeWorld, team: Workspace, control: SandboxControl
) -> None:
    world = make_world()
    key = world.add(team.token)
    control.fault("ratelimit", team=team.id, method="chat.postMessage", retry_after=1)
    for text in ("one", "two"):
        client_of(world, key).message("#general", text, username="Robot")
    calls = control.calls(team=team.id, method="chat.postMessage")
    assert [call["error"] for call in calls] == ["ratelimited", None, None]
    assert calls[1]["time"] - calls[0]["time"] >= 0.9
    eventually(lambda: [message["text"] for message in found(team)] == ["one", "two"])
