"""What a bot's author writes passes mypy's strict checks, and mistakes don't."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

REPOSITORY = Path(__file__).parents[2]

GOOD = """
from botfleet import Client, Commands, Event, Match, Timer, command, every, on

@on("team_join", scope="dm", max_retries=5, autoretry_for=(ValueError,), rate_limit="10/m")
def welcome(event: Event, client: Client) -> None:
    if event.user:
        client.message(event.user, "Welcome!", unfurl_links=False)

@command("ping", "are you there", max_age=None)
def ping(event: Event, client: Client, match: Match) -> str:
    client.reply(match.expression)
    return event.text

class Greeter(Commands):
    def on_message(self, data: Event) -> None:
        self.on("reaction_added", self.on_message)

@on("reaction_added")
def names(event: Event, client: Client) -> str:
    label: str = event.user_info.label if event.user_info else client.directory.user("@alice").label
    link: str | None = event.permalink
    return f"{label} {link} {event.team.domain} {client.directory.resolve('#general')} {event.mentions[0]}"


@every(hours=1, minutes=30, queue="slow", max_retries=1)
def poll(timer: Timer) -> int:
    timer.memory["seen"] = timer.memory.get("seen", 0) + 1
    return sum(len(client.bot.team_name) for client in timer.clients())

def test_the_timer(timer: Timer) -> None:
    count: int = poll(timer)

def test(event: Event, client: Client) -> None:
    said: str = ping(event, client, match=Match("ping", ""))
"""

BAD = """
from botfleet import Client, Event, command, every, on

@on("message", scope="secret")
def a() -> None: ...

@on("message", max_retry=3)
def b() -> None: ...

@command
def c() -> None: ...

@command("ping")
def d(event: Event, client: Client) -> None:
    client.message(1, "x")

d("no event", None)

@every(minutes="10")
def e() -> None: ...
"""


@pytest.mark.parametrize(("source", "wrong_lines"), [(GOOD, set()), (BAD, {4, 7, 10, 15, 17, 19})])
def test_handlers_as_an_author_writes_them(tmp_path: Path, source: str, wrong_lines: set[int]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source)
    options = ["--strict", "--config-file", str(REPOSITORY / "pyproject.toml"), "--cache-dir"]
    out, err, _ = api.run([*options, str(REPOSITORY / ".mypy_cache"), str(file)])
    # Not by the whole path: mypy may have the file in its cache, as another run's.
    found = {int(number) for number in re.findall(r"/mine\.py:(\d+): error", out)}
    assert not err
    assert found == wrong_lines, out
