"""A steady, numbered load from the sandbox on every team, and what the handler notes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from botfleet.sandbox import SandboxControl

from ..processes import BenchError
from .account import Account, Handled, Said

#: More than any run sends.
_ENDLESS = 100_000_000
#: What the handler's worker loads: it appends a line for each message. A line is one write, and so whole.
HANDLER = """
import os
import time

from botfleet import Event, on

_notes = os.open({path!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


@on("message")
def note(event: Event) -> None:
    os.write(_notes, f"{{event.team_id}} {{event.text}} {{time.time()}}\\n".encode())
"""


class Notes:
    """What the handler has noted so far.

    Args:
        path: its file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self.handled: list[Handled] = []

    def look(self) -> list[Handled]:
        """Reads what is new; gives all."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            self.handled += [_handled(line) for line in whole.decode().splitlines()]
        return self.handled


def _handled(line: str) -> Handled:
    team, number, at = line.split()
    return Handled(team, number, float(at))


class Load:
    """Messages to all teams in turn, from the beginning of this object until `stop`.

    Args:
        control: of the sandbox.
        name: of the load, different from every other of the run.
        teams: ids.
        rate: messages a second, over all teams.
    """

    def __init__(self, control: SandboxControl, name: str, teams: Sequence[str], rate: float) -> None:
        self._control = control
        self._name = name
        self.spacing = len(teams) / rate
        self._number = control.flood(_ENDLESS, teams=teams, rate=rate, text=f"{name}.{{n}}", noted=True)

    def stop(self) -> list[Said]:
        """Ends it, and gives what was sent; the sandbox must be the one in which it began."""
        self._control.stop_flood(self._number)
        notes = self._control.flood_notes(self._number)
        teams, unheard = notes["teams"], set(notes["unheard"])
        said: list[Said] = []
        for count, at in notes["chunks"]:
            for number in range(len(said) + 1, len(said) + count + 1):
                team = teams[(number - 1) % len(teams)]
                said.append(Said(team, f"{self._name}.{number}", at, number not in unheard))
        return said


def wait_for_all(said: Sequence[Said], notes: Notes, queued: Callable[[], int], quiet: float) -> None:
    """Waits until everything that was heard is handled, or nothing more comes.

    Args:
        said: what was sent.
        notes: what is handled.
        queued: how many tasks wait for handlers.
        quiet: seconds of silence, with no task waiting, after which nothing more comes.
    """
    wanted = {(one.team, one.number) for one in said if one.heard}
    count, since = -1, time.monotonic()
    deadline = since + 120.0

    def is_done() -> bool:
        nonlocal count, since
        found = notes.look()
        if len(found) != count or queued():
            count, since = len(found), time.monotonic()
        return wanted <= {(one.team, one.number) for one in found} or time.monotonic() - since > quiet

    while not is_done():
        if time.monotonic() > deadline:
            raise BenchError("handlers do not come to an end within 120 s")
        time.sleep(0.1)


def account_of(said: Sequence[Said], notes: Notes, spacing: float) -> Account:
    """The account of all loads of a run."""
    numbers = {one.number for one in said}
    return Account(said, [run for run in notes.look() if run.number in numbers], spacing)
