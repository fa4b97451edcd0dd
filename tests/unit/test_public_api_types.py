"""The public API as a user's type checker sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RIGHT = """
from __future__ import annotations

import re
from typing import Any

from botfleet import (
    Client, Commands, Event, Handler, Manager, Match, action, add_token, after, attachment, before, command,
    contains, match, message, on, operator, prefix, reaction, scan, slash, status,
)


@on("team_join", max_retries=2, rate_limit="10/m")
def welcome(event: Event, client: Client) -> None:
    if event.user:
        client.message(event.user, "Welcome!", unfurl_links=False)


@on("message", subtypes=["message_changed"], scope=("public", "dm"), mentioned=True, queue="slow", max_age=5)
def edited(event: Event) -> None:
    print(event.text, event.ts, event["channel"], event.payload)


@command("sign up", "join", time_limit=10)
def sign_up(event: Event, client: Client, match: Match) -> None:
    client.reply(f"{match.command}: {match.expression}")
    client.typing()
    answer = client.web.users_info(user=event.user or "")
    print(answer["user"])


@command("deploy", re.compile("ship( it)?"), options={"env": str, "force": bool}, where=lambda e: e.is_dm)
def deploy(client: Client, match: Match) -> None:
    client.reply(f"{match.options['env']} {match.arguments} {match[1]} {match['name']}")


@operator("=", help="Reckons.", scope="dm", permitted=[lambda event: True])
def reckon() -> None: ...


@match("weather in (?P<place>.*)", max_age=None)
def weather(match: Match) -> None: ...


@scan(re.compile("[A-Z]+"), hidden=True)
def finds(match: Match) -> None:
    print(", ".join(match.finds))


@attachment("x", fields=("title", "text"), bots=True)
def attached() -> None: ...


@contains("coffee", mentioned=True, one_in=3)
def coffee() -> None: ...


@prefix("hey")
def hey() -> None: ...


@reaction("eyes", removed=True, max_retries=1)
def seen() -> None: ...


@slash("/deploy", "/ship", options={"env": str}, queue="quick", max_age=None)
def deploy_by_slash(event: Event, client: Client, match: Match) -> None:
    client.respond(f"{event.command} {event.text} {match.options['env']}", in_channel=True, blocks=[])
    client.call("views.open", trigger_id=event.trigger_id, view={"type": "modal"})


@action("approve", re.compile("^approve_(.+)"), where=lambda e: e.user == "U1")
def approve(event: Event, client: Client, match: Match) -> None:
    client.respond(f"{match.command} {match.expression} {match[1]}", replace_original=True)
    print([one["action_id"] for one in event.actions], match.action, event.response_url)


@on("view_submission", callback_id=("deploy_form",))
def submitted(event: Event, client: Client) -> None:
    print(event.inputs["version"], event.callback_id, event.view)
    client.respond(delete_original=True)


@before
def allowed(event: Event, handler: Handler[..., object]) -> bool:
    return event.user != "U1"


@after
def note(error: Exception | None) -> None: ...


class Greeter(Commands):
    def permitted(self) -> bool:
        return True

    @command("greet")
    def greet(self, event: Event) -> None:
        self.reply(f"Hi {event.user}, {self.match.expression}")

    @slash("/greet")
    def greet_by_slash(self) -> None:
        self.respond("Hi!", in_channel=True)

    def on_team_join(self, data: Event) -> None:
        self.message(data.user or "", f"Welcome to {self.id}!")

    def on_hello(self) -> None:
        self.on("reaction_added", self.count)

    def count(self, data: Event) -> None:
        self.storage.advance("reactions", 1)


def a_test_of_ones_own(event: Event, client: Client, match: Match) -> None:
    welcome(event, client)
    sign_up(event=event, client=client, match=match)


def manage() -> list[dict[str, Any]]:
    add_token.delay("xoxb-1", "xoxb-2", namespace="beta").get(timeout=10)
    message.delay("T1", "C1", "hello", thread_ts="1.2")
    add_token.apply_async(("xoxb-1",), countdown=5)
    manager = Manager()
    manager.start("T1")
    print(manager.status()["total"], status("T1"))
    return add_token("xoxb-1") + manager.add_token("xoxb-2", transport="http")
"""
PREAMBLE = (
    "from botfleet import Client, Commands, Event, Manager, Match, add_token, command, message, on\n\n\n"
)
#: What mypy is to find wrong, and a part of what it says.
WRONG = {
    "a handler called without its client": (
        "@on('team_join')\ndef f(event: Event, client: Client) -> None: ...\n"
        "def g(event: Event) -> None:\n    f(event)\n",
        "call-arg",
    ),
    "an unknown option": (
        "@on('message', max_retry=3)\ndef f(event: Event) -> None: ...\n",
        "call-arg",
    ),
    "an option of another type": (
        "@command('a', max_age='soon')\ndef f(event: Event) -> None: ...\n",
        "arg-type",
    ),
    "an option that no command has": (
        "@command('a', batch=10)\ndef f(event: Event) -> None: ...\n",
        "call-arg",
    ),
    "an unknown scope": ("@on('message', scope='secret')\ndef f(event: Event) -> None: ...\n", "arg-type"),
    "a decorator without arguments": ("@on\ndef f(event: Event) -> None: ...\n", "arg-type"),
    "a token that is no text": ("add_token(7)\n", "arg-type"),
    "delay with other arguments than the task's": ("add_token.delay(7)\n", "arg-type"),
    "a message without a text": ("message.delay('T1', 'C1')\n", "call-arg"),
    "an answer that is no text": ("def f(client: Client) -> None:\n    client.respond(7)\n", "arg-type"),
    "an unknown method": ("Manager().add_tokens('xoxb-1')\n", "attr-defined"),
    "an unknown name": ("from botfleet import no_such_thing\n", "attr-defined"),
    "a reply that is no text": ("def f(client: Client) -> None:\n    client.reply(7)\n", "arg-type"),
    "a misspelt method of the class": (
        "class A(Commands):\n    def on_hello(self) -> None:\n        self.mesage('C1', 'hi')\n",
        "attr-defined",
    ),
}


def check(folder: Path, files: dict[str, str]) -> dict[str, list[str]]:
    """Runs mypy as a user would, over a few files; gives what it found in each."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *(f"{name}.py" for name in files)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.stderr == ""
    return {
        name: [
            line for line in done.stdout.splitlines() if line.startswith(f"{name}.py:") and ": error:" in line
        ]
        for name in files
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy finds, by file: one run for all, since most of its time goes into libraries."""
    wrong = {f"wrong{number}": PREAMBLE + text for number, (text, _) in enumerate(WRONG.values())}
    return check(tmp_path_factory.mktemp("types"), {"right": RIGHT, **wrong})


def test_right_usage_passes(found: dict[str, list[str]]) -> None:
    assert found["right"] == []


@pytest.mark.parametrize("what", WRONG)
def test_wrong_usage_is_found(found: dict[str, list[str]], what: str) -> None:
    errors, code = found[f"wrong{list(WRONG).index(what)}"], WRONG[what][1]
    assert len(errors) == 1, errors
    assert f"[{code}]" in errors[0]
