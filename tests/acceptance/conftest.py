"""Fleets for the tests: one that a module shares, or one that a test may break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .fleet import Folder, RunningFleet

MakeFleet = Callable[..., RunningFleet]


@pytest.fixture
def make_fleet(tmp_path: Path) -> Iterator[MakeFleet]:
    """Makes a fleet without processes, for a test alone."""
    with ExitStack() as stack:
        made: list[RunningFleet] = []

        def make(**settings: Any) -> RunningFleet:
            made.append(stack.enter_context(RunningFleet(tmp_path / f"fleet{len(made)}", **settings)))
            return made[-1]

        make.made = made  # type: ignore[attr-defined]  # for the report below
        yield make


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """An empty working folder."""
    with Folder(tmp_path / "folder") as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: pytest.CallInfo[None]) -> Any:
    """Adds the processes' logs to the report of a test that failed."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            folders = getattr(value, "made", [value])
            for folder in folders if isinstance(folders, list) else []:
                if isinstance(folder, Folder):
                    report.sections += folder.shown_logs()
    return report
