"""Fleets for the tests: one that a module shares, or one that a test may break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .fleet import Folder, RunningFleet

MakeFleet = Callable[..., RunningFleet]


@pytest.fixture
def make_fleet(tmp_path: Path) -> Iterator[MakeFleet]:
    """Makes a fleet without processes, for a test alone."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(RunningFleet(tmp_path / "fleet", **settings))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """An empty working folder."""
    with Folder(tmp_path / "folder") as made:
        yield made
