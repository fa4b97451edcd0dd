"""docs/tutorial.md, done as it says: its files are written, its commands run, they print what is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ..waiting import eventually
from .fleet import ROOT
from .test_up import Upped

TUTORIAL = (ROOT / "docs/tutorial.md").read_text()
#: Handlers are started again when a file changes; until then the former ones answer.
SECONDS_TO_RELOAD = 20.0


class File(NamedTuple):
    """A file that the reader is to write; its first line names it."""

    name: str
    text: str


class Command(NamedTuple):
    """A command that the reader is to type, and what it is shown to print."""

    line: str
    prints: str


def steps() -> Iterator[File | Command]:
    """What the reader is to do, in order."""
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```$", TUTORIAL, flags=re.MULTILINE | re.DOTALL):
        if named := re.match(r"# (\S+\.py)\n", text):
            yield File(named[1], text)
        elif language == "console":
            for line, prints in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, flags=re.MULTILINE):
                yield Command(line, prints)


class Terminal:
    """The reader's terminal."""

    def __init__(self, folder: Upped) -> None:
        self.folder = folder
        self.place = folder.path

    def write(self, file: File) -> None:
        """Writes a file, where the reader is."""
        (self.place / file.name).write_text(file.text)

    def type(self, command: Command) -> bool:
        """Runs a command; an assertion fails where it prints something else. Times are not compared."""
        if command.line.startswith("cd "):
            self.place = (self.place / command.line.removeprefix("cd ")).resolve()
            return True
        line = f"cd {self.place} && {command.line}"
        done = self.folder.run("bash", "-c", line, timeout=60.0)
        printed = done.stdout + done.stderr
        assert timeless(printed).split() == timeless(command.prints).split(), f"{command.line}:\n{printed}"
        return True


def timeless(text: str) -> str:
    return re.sub(r"\b\d+\.\d+ ?s\b", "TIME", text)


def test_the_tutorial(tmp_path: Path) -> None:
    todo = list(steps())
    assert {type(step) for step in todo} == {File, Command}
    with Upped(tmp_path / "botfleet") as folder:
        up = folder.up("--no-flower", "--reload")
        terminal = Terminal(folder)
        for step in todo:
            if isinstance(step, File):
                terminal.write(step)
            else:
                eventually(partial(terminal.type, step), SECONDS_TO_RELOAD, 0.2)
        folder.end(up)
