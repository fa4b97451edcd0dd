"""Deployments: folders with a `celeryconfig.py` and `workers/`, in which a process can be started."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: The top-level modules that a deployment brings along.
_OWN = ("celeryconfig", "workers", "elsewhere")


class Deployment:
    """A folder that the process is in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, path: str, *lines: str) -> Path:
        """Writes a file of the deployment."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n")
        return file


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """An empty deployment, in an environment that says nothing; this repository's own is out of sight."""
    for name in os.environ:
        if name.startswith(("BOTFLEET_", "CELERY_", "SLACK_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if Path(path).resolve() != ROOT])
    for name in _loaded():
        monkeypatch.delitem(sys.modules, name)
    yield Deployment(tmp_path)
    for name in _loaded():
        del sys.modules[name]


def _loaded() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in _OWN]
