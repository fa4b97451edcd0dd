"""A project from `botfleet init`: its fleet, its tests, handlers loaded again, events watched, replayed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from botfleet.sandbox import SandboxControl

from ..waiting import eventually
from .fleet import CHECK_INTERVAL, Folder, Process, running_in


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Folder]:
    """What `botfleet init pingbot` made."""
    with Folder(tmp_path / "before") as before:
        assert "pingbot: " in before.botfleet("init", str(tmp_path / "pingbot"))
    with Folder(tmp_path / "pingbot", check_interval=CHECK_INTERVAL, lease_ttl=2) as folder:
        yield folder


class Bot:
    """The project's bot while its `up` runs."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.up = folder.start("up", "botfleet", "up", "--reload", "--no-flower", "--no-web")
        self.up.says("Ctrl-C ends", 90.0)
        (holder,) = folder.json("holders")
        self.holder = holder

    def answer(self, said: str = "ping") -> str:
        return self.folder.botfleet("sandbox", "say", "general", f"@botfleet {said}").splitlines()[-1]

    def edit(self, old: str, new: str, says: str) -> None:
        """Changes the bot; waits until `up` has seen that."""
        before = len(self.up.output)
        file = self.folder.path / "tasks/hello.py"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        eventually(lambda: says in self.up.output[before:], 30.0, 0.05)

    def sandbox(self) -> SandboxControl:
        running = json.loads((self.folder.path / ".botfleet/running.json").read_text())
        return SandboxControl(running["sandbox_url"])

    def keeps_its_holder(self) -> None:
        """The same process, with the same sockets: none was opened anew."""
        (holder,) = self.folder.json("holders")
        same = ("name", "pid", "since", "bots", "connected")
        assert [holder[name] for name in same] == [self.holder[name] for name in same]
        connected = re.findall(
            r"T\d+ is connected", (self.folder.path / ".botfleet/logs/holder.log").read_text()
        )
        assert len(connected) == holder["bots"]


def watch(folder: Folder, *options: str) -> Process:
    """Watches events; returns when the holder shows them."""
    watching = folder.start("events", "botfleet", "events", "--follow", *options)
    watching.says("shows what comes in", 20.0)
    return watching


def shown(watching: Process) -> list[dict[str, object]]:
    return [json.loads(line) for line in watching.output.splitlines() if line.startswith("{")]


@pytest.mark.timeout(240)
def test_a_project_works_at_once(project: Folder) -> None:
    bot = Bot(project)
    assert "pong" in bot.up.output
    assert "Welcome!" in bot.up.output

    # What it is doing.
    def counted() -> bool:
        rows = {row["handler"]: row for row in project.json("handlers")["handlers"]}
        assert {row["state"] for row in rows.values()} == {"ok"}
        return all(rows[f"tasks.hello.{name}"]["runs"] for name in ("hi", "ping", "welcome"))

    eventually(counted, 10.0, 0.1)

    # What comes in, without its text; and with it, for a record.
    lines, record = watch(project, "--type", "message"), watch(project, "--json", "--text", "--wanted")
    assert bot.answer() == "botfleet: pong"
    (envelope,) = eventually(lambda: shown(record), 10.0)
    eventually(lambda: str(envelope["id"]) in lines.output, 10.0)
    assert "> ping" not in lines.output
    for watching in (lines, record):
        watching.interrupt()
        assert watching.wait() == 0

    # Handlers are loaded again; the sockets stay.
    bot.edit('"pong"', '"pong, again"', "tasks/hello.py changed, the handlers were started again.")
    assert bot.answer() == "botfleet: pong, again"
    bot.edit(
        "def ping(", "def ping(:", "the handlers from before go on: tasks.hello: can't be loaded: SyntaxError"
    )
    assert bot.answer() == "botfleet: pong, again"
    # When that is said, the holder knows of new commands.
    bot.edit('"ping")\ndef ping(:', '"ping", "pung")\ndef ping(', "the handlers were started again.")
    assert bot.answer("pung") == "botfleet: pong, again"
    bot.keeps_its_holder()

    # The record once more.
    control = bot.sandbox()
    before = control.messages()[1]
    project.write("record.jsonl", f"{json.dumps(envelope)}\nnonsense\n")
    done = project.run("botfleet", "replay", "record.jsonl", "--json")
    assert (done.returncode, done.stderr) == (1, "line 2: not JSON\n")
    counts = {"events": 1, "wanted": 1, "published": 1, "copies": 0, "bad": 1, "failed": 0}
    assert json.loads(done.stdout) == counts
    assert control.wait_for_message("pong, again", after=before)
    after = control.messages()[1]
    done = project.run("botfleet", "replay", "record.jsonl", "--json", "--here", "--text")
    assert json.loads(done.stdout) == counts
    assert "said: pong, again" in done.stderr
    assert control.messages()[1] == after
    bot.up.interrupt()
    assert bot.up.wait(10.0) == 0
    assert running_in(project.path) == []

    # The store knows of handlers from before, but these are none.
    project.write("tasks/hello.py", "def ping(:\n")
    again = project.start("again", "botfleet", "up", "--no-flower", "--no-web")
    assert again.wait(40.0) == 1
    assert "Ready" not in again.output
    assert "tasks.hello: can't be loaded: SyntaxError" in again.output


def test_its_own_test_passes(project: Folder) -> None:
    pytest.importorskip("botfleet.testing")
    done = project.run("pytest", "-q", timeout=60.0)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
