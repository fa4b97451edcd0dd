"""Which files `up --reload` looks at, and when it sees that they changed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from botfleet.up.reload import ProjectFiles, shown, why_not_loadable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "tasks/__init__.py", "celeryconfig.py", "lib/words.py", "tasks/words.txt")
    return tmp_path


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} at {time.monotonic_ns()}")


def files(folder: Path) -> ProjectFiles:
    return ProjectFiles(folder, ["tasks", "bots.support"])


@pytest.mark.parametrize(
    "name",
    [
        "tasks/__init__.py",
        "tasks/new.py",
        "tasks/deep/er.py",
        "tasks/words.txt",
        "bots/support.py",
        "celeryconfig.py",
        "workers/handler.py",
        "lib/words.py",
    ],
)
def test_a_file_of_the_project_is_seen_once(folder: Path, name: str) -> None:
    looked_at = files(folder)
    assert looked_at.changed() == []
    write(folder, name)
    assert looked_at.changed() == [name]
    assert looked_at.changed() == []


@pytest.mark.parametrize(
    "name",
    [
        "tests/test_hello.py",
        ".git/hooks/x.py",
        "tasks/__pycache__/x.py",
        "tasks/.hello.py.swp",
        ".botfleet/logs/holder.log",
        "README.md",
        "venv/lib/x.py",
    ],
)
def test_others_are_passed_over(folder: Path, name: str) -> None:
    write(folder, "venv/pyvenv.cfg")
    looked_at = files(folder)
    write(folder, name)
    assert looked_at.changed() == []


def test_a_file_that_goes_and_one_that_takes_its_place(folder: Path) -> None:
    looked_at = files(folder)
    (folder / "lib/words.py").unlink()
    assert looked_at.changed() == ["lib/words.py"]
    # As editors save: a new file under the old name, here with the very same size and time.
    old = (folder / "celeryconfig.py").stat()
    (folder / "part").write_bytes((folder / "celeryconfig.py").read_bytes())
    os.utime(folder / "part", ns=(old.st_mtime_ns, old.st_mtime_ns))
    (folder / "part").rename(folder / "celeryconfig.py")
    assert looked_at.changed() == ["celeryconfig.py"]


def test_files_that_are_just_being_written_are_waited_for(folder: Path) -> None:
    later = ["tasks/second.py", "tasks/third.py"]

    def pause() -> None:
        write(folder, *later[:1])
        del later[:1]

    looked_at = ProjectFiles(folder, ["tasks"], pause)
    write(folder, "tasks/first.py")
    assert looked_at.changed() == ["tasks/first.py", "tasks/second.py", "tasks/third.py"]


def test_what_is_wrong_with_handlers_is_one_line(tmp_path: Path) -> None:
    assert why_not_loadable(program(tmp_path, "exit 0"), os.environ) == ""
    said = 'echo "a warning" >&2; echo "Error: tasks.hello: is wrong" >&2; exit 1'
    assert why_not_loadable(program(tmp_path, said), os.environ) == "tasks.hello: is wrong"
    assert why_not_loadable(program(tmp_path, "exit 1"), os.environ) == "they can't be loaded"


def program(folder: Path, script: str) -> str:
    """Stands for `botfleet`."""
    file = folder / f"program{len(list(folder.iterdir()))}"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def test_changed_files_are_named_shortly() -> None:
    assert shown(["tasks/hello.py"]) == "tasks/hello.py"
    assert shown(["a.py", "b.py"]) == "a.py and 1 more"
