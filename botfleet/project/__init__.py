"""New projects: a bot of three handlers, its test, and what runs them here and in production.

What is in `template/` is a project itself, called `mybot`: the tests run it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from ..errors import UsageError

#: What the template is called, wherever its name stands.
_ITS_NAME = "mybot"
#: A name that an image, a user and a folder may have.
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_LONGEST_NAME = 32
#: Stands for the `.` of hidden files, which packaging tools leave out.
_DOT = "dot-"
#: What a folder may hold before.
_HARMLESS = frozenset({".git", ".venv"})


def create(folder: Path) -> list[Path]:
    """Makes a project in a folder that is new or empty; it is called like the folder.

    Args:
        folder: may hold `.git` and `.venv`; nothing is ever overwritten.

    Returns:
        The files, as paths in the folder.

    Raises:
        UsageError: the folder can't be used, or is called as no project can be.
    """
    name = _name_of(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if found := sorted({one.name for one in folder.iterdir()} - _HARMLESS):
            raise UsageError(f"{folder} is not empty: {found[0]} is there; name a new folder")
        return [_write(folder, path, source, name) for path, source in _files()]
    except OSError as exc:
        raise UsageError(f"{exc.filename or folder}: {exc.strerror}") from exc


def _name_of(folder: Path) -> str:
    name = folder.resolve().name
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a project: takes up to {_LONGEST_NAME} small letters and digits, "
            "with - or _ in between"
        )
    return name


def _files() -> Iterator[tuple[Path, Traversable]]:
    """The template's files, by where they go."""
    return _files_of(resources.files(__package__) / "template", PurePosixPath())


def _files_of(folder: Traversable, path: PurePosixPath) -> Iterator[tuple[Path, Traversable]]:
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.name.startswith(".") or one.name == "__pycache__":
            continue  # What tools left behind.
        if one.is_file():
            name = f".{one.name.removeprefix(_DOT)}" if one.name.startswith(_DOT) else one.name
            yield Path(path / name), one
        else:
            yield from _files_of(one, path / one.name)


def _write(folder: Path, path: Path, source: Traversable, name: str) -> Path:
    target = folder / path
    target.parent.mkdir(exist_ok=True)
    with target.open("x", encoding="utf-8") as new:
        new.write(source.read_text(encoding="utf-8").replace(_ITS_NAME, name))
    return path
