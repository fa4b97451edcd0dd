"""The pytest plugin: the fixture `fleet`, its mark and its flag.

pytest imports it in every project that has botfleet installed, so it imports nothing of the rest by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..settings import Settings
    from .fleet import Fleet
    from .processes import Processes

FLAG = "--botfleet-sandbox"
TEAM = "Acme Inc"
_PROCESSES = pytest.StashKey["Processes"]()


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
        "botfleet(handlers=[...], sandbox=True, **settings): what the fixture `fleet` runs: modules of "
        f"handlers, and settings by name without botfleet_; sandbox=False skips the test with {FLAG}",
    )


@pytest.fixture
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """A team with alice, bob, carol and the project's bot; see docs/testing.md."""
    from .fleet import Fleet

    named = _named(request)
    outside_too = named.pop("sandbox", True)
    settings = _settings(request, named)
    if request.config.getoption(FLAG):
        from .outside import Outside

        if not outside_too:
            pytest.skip(f"with {FLAG} its mark leaves it out")
        outside = Outside(request.getfixturevalue("botfleet_processes"), settings)
        yield Fleet(outside, TEAM)
        outside.close()
    else:
        from .inprocess import InProcess

        yield Fleet(InProcess(settings, _timezone()), TEAM)


@pytest.fixture(scope="session")
def botfleet_processes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Processes]:
    """The server, sandbox and worker of the whole session; started when a test first needs them."""
    from .processes import Processes

    processes = Processes(request.config.rootpath, tmp_path_factory.mktemp("botfleet"))
    request.config.stash[_PROCESSES] = processes
    yield processes
    processes.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the end of the worker's log to the report of a test that failed."""
    report = yield
    processes = item.config.stash.get(_PROCESSES, None)
    if report.failed and processes is not None and "fleet" in getattr(item, "fixturenames", ()):
        report.sections.append(("botfleet worker", processes.tail()))
    return report


def _timezone() -> str:
    """The project's, for its timers."""
    from ..configuration import deployment

    return str(deployment().get("timezone") or "UTC")


def _named(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the marks of a test say; the closest one wins."""
    marks = reversed(list(request.node.iter_markers("botfleet")))
    return {name: value for mark in marks for name, value in mark.kwargs.items()}


def _settings(request: pytest.FixtureRequest, named: dict[str, Any]) -> Settings:
    """The project's settings, and those that the test names; the environment's do not count."""
    from ..configuration import deployment
    from ..settings import Settings

    root = str(request.config.rootpath)
    if root not in sys.path:
        sys.path.insert(0, root)
    chosen = {f"botfleet_{name}": value for name, value in named.items()}
    in_memory = {"broker_url": "memory://", "store_url": "memory://"}
    # Nobody is to wait for a channel's next turn.
    unpaced = {"botfleet_send_rate": 0}
    return Settings.load({**deployment(), **unpaced, **chosen}, {}, **in_memory)
