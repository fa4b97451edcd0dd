"""The same tests of a bot, in-process and with a real server, sandbox and worker."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

HANDLERS = """
from botfleet import BatchFailed, command, on

@command("ping")
def ping(event, client):
    client.reply("pong")

@command("cheer")
def cheer(event, client):
    client.web.reactions_add(channel=event.channel, timestamp=event.ts, name="tada")
    client.reply("hooray", thread_ts=event.ts)

@on("message", queue="slow", max_retries=2, retry_backoff=False, default_retry_delay=0.2)
def stubborn(event, client):
    if event.text == "now" and client.storage.advance(f"tries:{event.id}", 1) < 2:
        raise ConnectionError
    if event.text == "now":
        client.reply("at last")

@on("message", batch=10, linger=0.2, own=True)
def archive(events):
    for event in events:
        if event.text == "hooray":
            print("archived")

@on("message", batch=1000, linger=60)
def gather(events):
    pass  # Some are gathered when the worker ends.

@on("team_join", "member_joined_channel", "reaction_added")
def greet(event, client):
    if event.user != event.bot_user_id:
        client.message(event.user, event.type)
"""
OTHER = """
from botfleet import command

@command("ping")
def other(event, client):
    client.reply("something else")
"""
TESTS = """
import pytest
from botfleet import command

@pytest.mark.parametrize("text", ["@bot ping", "bot: PING"])
def test_ping(fleet, text):
    fleet.say("#general", text)
    assert fleet.replies == ["pong"]
    fleet.say("#general", "nothing")
    assert fleet.replies == []

def test_cheer(fleet):
    said = fleet.say("#random", "@bot cheer", user="bob")
    (hooray,) = fleet.messages
    assert (hooray.text, hooray.channel, hooray.thread) == ("hooray", "#random", said.ts)
    assert [(one.name, one.ts) for one in fleet.reactions] == [("tada", said.ts)]
    assert [call.method for call in fleet.calls] == ["reactions.add", "chat.postMessage"]

def test_what_is_tried_again(fleet):
    fleet.say("#general", "now")
    assert fleet.replies == ["at last"]

def test_people(fleet):
    fleet.join_team("dave")
    assert [(one.text, one.channel) for one in fleet.messages] == [("team_join", "@dave")]
    fleet.join("#random", "carol")
    assert [(one.text, one.channel) for one in fleet.messages] == [("member_joined_channel", "@carol")]
    fleet.react(fleet.say("#general", "look"), "eyes", "bob")
    assert [(one.text, one.channel) for one in fleet.messages] == [("reaction_added", "@bob")]

def test_many_at_once(fleet):
    beta = fleet.team("beta")
    for team in (fleet, beta, fleet):
        team.say("#general", "@bot ping")
        assert team.replies == ["pong"]

def test_more_than_goes_out_at_once(fleet):
    for _ in range(11):
        fleet.dm("ping")
        assert fleet.replies == ["pong"]

def test_refusals(fleet):
    fleet.fail("chat.postMessage", "ratelimited", retry_after=1)
    fleet.say("#general", "@bot cheer")
    assert fleet.replies == ["hooray"]
    assert fleet.calls[-2].error == "ratelimited"

def test_late(fleet):
    fleet.dm("ping", late=60)
    assert fleet.replies == []

def test_inner(fleet):
    @command("ping")
    def inner(event, client):
        client.reply("inner")

    fleet.load(inner)
    fleet.dm("ping")
    assert fleet.replies == ["inner"]

@pytest.mark.botfleet(sandbox=False)
def test_marked(fleet):
    fleet.dm("ping")
    assert fleet.replies == ["pong"]

def test_others(fleet):
    fleet.load("other")
    fleet.dm("ping")
    assert fleet.replies == ["something else"]
"""
QUIET = ("-p", "no:valkey", "-p", "no:randomly", "-p", "no:hypothesispytest")


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    folder = pytester.mkpydir("tasks")
    (folder / "bot.py").write_text(HANDLERS)
    pytester.makepyfile(other=OTHER, test_bot=TESTS)
    return pytester


def test_the_same_tests_pass_in_process(project: pytest.Pytester) -> None:
    project.runpytest_subprocess(*QUIET).assert_outcomes(passed=12)


@pytest.mark.network
def test_the_same_tests_pass_with_real_processes(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess(*QUIET, "--botfleet-sandbox", "-rs", timeout=110)
    result.assert_outcomes(passed=9, skipped=3)
    result.stdout.fnmatch_lines_random(
        [
            "SKIPPED*--botfleet-sandbox its clock can't be moved",
            "SKIPPED*--botfleet-sandbox a worker can't load what is defined within a test",
            "SKIPPED*--botfleet-sandbox its mark leaves it out",
        ]
    )
