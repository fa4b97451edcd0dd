"""The Makefile and .ci/run, with stand-ins for the programs that they call."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("python3.13", "python3.12", "python3.11", "python3")
#: What the recipes use beside Python.
TOOLS = ("awk", "bash", "cat", "dirname", "env", "head", "id", "sh", "timeout", "touch", "uname")

TOO_OLD = 'case "$*" in --version) echo Python 3.9.2;; *) exit 1;; esac'
#: What pyenv leaves behind for versions that are not chosen.
SHIM = 'echo "pyenv: python: command not found" >&2; exit 127'
NO_VENV = f'case "$*" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"'
GOOD = f'exec {sys.executable} "$@"'


class Machine:
    """A folder with the repository's Makefile, and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "repository"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        (self.folder / ".ci").mkdir(parents=True)
        self.bin.mkdir()
        for name in ("Makefile", "pyproject.toml", ".ci/run"):
            shutil.copy(ROOT / name, self.folder / name)
        for tool in TOOLS:
            found = shutil.which(tool)
            if found:
                (self.bin / tool).symlink_to(found)

    def program(self, name: str, script: str) -> None:
        """Puts a shell script on the PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command with nothing but this machine's programs."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env={"PATH": str(self.bin), "CALLS": str(self.calls)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs make."""
        make = shutil.which("make")
        assert make is not None, "make is not installed"
        return self.run(make, *arguments)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_make_alone_lists_the_commands(machine: Machine) -> None:
    listed = [line.split()[1] for line in machine.make().stdout.splitlines()]
    assert listed == ["help", "up", "test", "check", "docs", "bench", "chaos", "format", "clean"]


def test_a_python_that_is_too_old_is_one_clear_line(machine: Machine) -> None:
    machine.program("python3", TOO_OLD)
    said = machine.make("up").stderr.splitlines()
    assert said[0].startswith(
        "botfleet needs Python 3.11, 3.12 or 3.13; found: Python 3.9.2. On Debian, apt install"
    )
    assert len([line for line in said if not line.startswith("make: ***")]) == 1


def test_no_python_at_all_is_one_clear_line(machine: Machine) -> None:
    assert machine.make("test").stderr.startswith("botfleet needs Python 3.11, 3.12 or 3.13; found: none.")


def test_a_python_without_venv_is_one_clear_line(machine: Machine) -> None:
    machine.program("python3.11", NO_VENV)
    said = machine.make("up").stderr
    assert said.startswith("botfleet needs Python's venv module: on Debian, apt install python3.11-venv\n")


def test_the_newest_python_that_runs_is_taken(machine: Machine) -> None:
    machine.program("python3.13", SHIM)
    machine.program("python3.12", f"echo 3.12 >> $CALLS; {GOOD}")
    machine.program("python3", f"echo 3 >> $CALLS; {GOOD}")
    made = machine.make(".venv/bin/python")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("Making .venv with Python 3.")
    assert set(machine.calls.read_text().split()) == {"3.12"}
    assert (machine.folder / ".venv/bin/pip").exists()


def test_what_is_installed_is_not_installed_again(machine: Machine) -> None:
    venv = machine.folder / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").write_text("")
    (venv / "installed-for-up").touch()
    assert machine.make("--question", ".venv/installed-for-up").returncode == 0
    assert machine.make("--question", ".venv/installed-for-dev").returncode == 1
    later = time.time() + 10
    os.utime(machine.folder / "pyproject.toml", (later, later))
    assert machine.make("--question", ".venv/installed-for-up").returncode == 1


def test_a_failed_installation_is_tried_again(machine: Machine) -> None:
    (machine.folder / ".venv/bin").mkdir(parents=True)
    machine.program("python", "echo no network >&2; exit 1")
    shutil.move(machine.bin / "python", machine.folder / ".venv/bin/python")
    for _ in range(2):
        failed = machine.make("up")
        assert failed.returncode == 2
        assert failed.stderr.startswith("no network\n")


def test_the_token_is_passed_in_the_environment(machine: Machine) -> None:
    (machine.folder / ".venv/bin").mkdir(parents=True)
    for name in ("bin/python", "installed-for-up"):
        (machine.folder / ".venv" / name).touch()
    machine.program("botfleet", 'echo "args: $*"; echo "token: $TOKEN"; echo "make: $MAKEFLAGS"')
    shutil.move(machine.bin / "botfleet", machine.folder / ".venv/bin/botfleet")
    said = machine.make("up", "TOKEN=xoxb-1", "ARGS=--no-flower")
    assert said.stdout == "args: up --no-flower\ntoken: xoxb-1\nmake: \n"


@pytest.mark.skipif(shutil.which("timeout") is None, reason="no coreutils")
@pytest.mark.parametrize(("failing", "status"), [("", 0), ("test", 1), ("check", 1)])
def test_the_ci_runs_everything_and_tells_the_outcome(machine: Machine, failing: str, status: int) -> None:
    machine.program("python3", GOOD)
    for program in ("redis-server", "rabbitmq-server", "memcached", "chromium"):
        machine.program(program, "exit 99")
    machine.program("make", f'echo "make $1 CI=$CI"; [ "$1" != "{failing}" ]')
    result = machine.run(str(machine.folder / ".ci/run"))
    assert result.returncode == status
    assert result.stdout.splitlines()[:2] == ["make test CI=true", "make check CI=true"]
    assert ("ci: failed: make" in result.stderr) == bool(status)
