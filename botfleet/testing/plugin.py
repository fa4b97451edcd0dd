"""The pytest plugin: the fixture `fleet`, its mark and its flag.

pytest imports it in every project that has botfleet installed, so it imports nothing of the rest by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..settings import Settings
    from .fleet import Fleet

FLAG = "--botfleet-sandbox"
TEAM = "Acme Inc"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the flag."""
    parser.getgroup("botfleet").addoption(
        FLAG,
        action="store_true",
        help="Run tests that use the fixture `fleet` with a real server, sandbox and workers.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Adds the mark."""
    config.addinivalue_line(
        "markers",
        "botfleet(handlers=[...], **settings): what the fixture `fleet` runs: modules of handlers, and "
        "settings by their names in celeryconfig.py without botfleet_",
    )


@pytest.fixture
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """A team with alice, bob, carol and the project's bot; see docs/testing.md."""
    from .fleet import Fleet
    from .inprocess import InProcess

    stage = InProcess(_settings(request))
    yield Fleet(stage, TEAM)


def _settings(request: pytest.FixtureRequest) -> Settings:
    """The project's settings, and what the test's mark says; the environment's do not count."""
    from ..configuration import deployment
    from ..settings import Settings

    root = str(request.config.rootpath)
    if root not in sys.path:
        sys.path.insert(0, root)
    marks = reversed(list(request.node.iter_markers("botfleet")))
    named = {name: value for mark in marks for name, value in mark.kwargs.items()}
    in_memory = {"broker_url": "memory://", "store_url": "memory://"}
    return Settings.load(deployment(), {}, **named, **in_memory)
