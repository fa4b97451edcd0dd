"""What decides about the sandbox's chat page, without a process."""

from __future__ import annotations

import asyncio

import pytest

from botfleet.sandbox import display
from botfleet.sandbox.feed import QUEUE, Feed
from botfleet.sandbox.guard import is_own_host, refusal
from botfleet.sandbox.model import Message
from botfleet.sandbox.service import Options, Sandbox

OWN = "127.0.0.1:8765"


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1:8765",
            "[::1]:8765",
            "10.1.2.3",
            "localhost",
            "LOCALHOST:1",
            "me.localhost",
            "sandbox:8765",
        ),
        *("host.docker.internal:8765", "sandbox.ns.svc.cluster.local", "chat.example.com:8765"),
    ],
)
def test_hosts_that_no_stranger_has(host: str) -> None:
    assert is_own_host(host, "chat.example.com")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example:8765", "localhost.evil.example", "", "[::1", "."],
)
def test_hosts_that_a_stranger_may_have(host: str) -> None:
    assert not is_own_host(host, "127.0.0.1")
    assert refusal("GET", host, {}, "127.0.0.1") is not None


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, True),
        ({"Origin": f"http://{OWN}"}, True),
        ({"Origin": "http://127.0.0.1:9999"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": f"http://{OWN}"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_only_programs_and_the_own_page_give_orders(headers: dict[str, str], taken: bool) -> None:
    assert (refusal("POST", OWN, headers, "127.0.0.1") is None) is taken
    assert refusal("GET", OWN, headers, "127.0.0.1") is None


def test_a_viewer_who_is_too_far_behind_is_shown_everything_anew() -> None:
    feed = Feed()
    viewer = feed.open("T1")
    feed.tell("T2", {"type": "message"})
    assert viewer.take() == []
    for number in range(QUEUE + 1):
        feed.tell("T1", {"type": "message", "ts": str(number)})
    assert viewer.take() is None
    feed.tell_all({"type": "hello"})
    assert viewer.take() == [{"type": "hello"}]
    feed.close(viewer)
    feed.tell("T1", {"type": "message"})
    assert viewer.take() == []


def test_a_viewer_waits_for_the_next_event() -> None:
    async def watch() -> list[dict[str, object]] | None:
        feed = Feed()
        viewer = feed.open("T1")
        asyncio.get_running_loop().call_soon(feed.tell, "T1", {"type": "hello"})
        await viewer.wait(5.0)
        await viewer.wait(0.0)
        return viewer.take()

    assert asyncio.run(watch()) == [{"type": "hello"}]


def test_ephemeral_messages_are_shown_as_they_were_last() -> None:
    sandbox = Sandbox(Options())
    team = sandbox.world.teams["T00000001"]
    channel = team.channels["C00001001"]
    alice = next(team.humans)
    kept, gone = (Message(sandbox.world.next_ts(channel), team.bot.id, text) for text in ("first", "gone"))
    for message in (kept, gone):
        sandbox.whisper(team, channel, alice, message)
    kept.text = "second"
    sandbox.whisper(team, channel, alice, kept, edited=True)
    sandbox.unwhisper(team, channel, gone)
    shown = display.snapshot(sandbox, team)["ephemeral"]
    assert [(one["text"], one["visible_to"]) for one in shown] == [("second", alice.id)]


def test_a_page_gets_the_newest_messages_of_a_channel() -> None:
    sandbox = Sandbox(Options())
    team = sandbox.world.teams["T00000001"]
    channel = team.channels["C00001001"]
    for number in range(display.SHOWN + 5):
        sandbox.post(team, channel, next(team.humans), str(number), "control")
    shown = display.snapshot(sandbox, team)["messages"][channel.id]
    assert [one["text"] for one in shown] == [str(number) for number in range(5, display.SHOWN + 5)]
