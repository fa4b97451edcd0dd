"""A running `botfleet up`, and a real browser to look at it with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from botfleet.sandbox import SandboxControl

from ..acceptance.fleet import CHECK_INTERVAL, ROOT, Folder, free_ports
from ..servers import require

#: Where screenshots are kept.
SHOTS = ROOT / "build" / "screenshots"
#: Milliseconds that a page has for anything.
PATIENCE = 10_000
PHONE = {"width": 390, "height": 844}


class Upped(Folder):
    """`botfleet up`, without Flower, in a folder with the reference bot.

    Attributes:
        chat_url, web_url: without a slash at the end.
        sandbox: the local Slack.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, check_interval=CHECK_INTERVAL, lease_ttl=2)
        self.copy("tasks", "workers", "celeryconfig.py")
        self.up = self.start("up", "botfleet", "up", "--no-flower", "--port", str(free_ports(2)))
        self.up.says("Ctrl-C ends", 60.0)
        self.chat_url = self._address("Chat").removesuffix("/")
        self.web_url = self._address("Dashboard").removesuffix("/dashboard")
        self.sandbox = SandboxControl(f"{self.chat_url}/")

    def _address(self, name: str) -> str:
        found = re.search(rf"^\s*{name}\s+(http://\S+)", self.up.output, re.MULTILINE)
        assert found, self.up.output
        return found[1]

    def close(self) -> None:
        if self.up.running:
            self.up.interrupt()
            self.up.wait(15.0)
        super().close()


@pytest.fixture(scope="package")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upped]:
    """`botfleet up`, once for all tests: each has teams, channels and people of its own."""
    with Upped(tmp_path_factory.mktemp("up") / "copy") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium; not for the session, as asyncio.run() does not work beside Playwright."""
    program = require("chromium")
    with sync_playwright() as playwright:
        # CI runs as root, where chromium has no sandbox of its own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


MakePage = Callable[..., Page]
#: Keeps a picture of a page: `shot(page, "chat")`.
Shot = Callable[..., None]


@pytest.fixture
def make_page(browser: Browser) -> Iterator[MakePage]:
    """Opens pages, each in a browser of its own; what one logs as an error fails the test.

    `make_page(viewport=PHONE, color_scheme="dark")`; `expected` holds parts of errors that the test is about.
    """
    errors: list[str] = []
    contexts = []

    def make(expected: tuple[str, ...] = (), **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()

        def hear(message: ConsoleMessage) -> None:
            if message.type == "error" and not any(part in message.text for part in expected):
                errors.append(f"{page.url}: {message.text}")

        page.on("console", hear)
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(make_page: MakePage) -> Page:
    """A page on a desk."""
    return make_page()


@pytest.fixture
def shot() -> Shot:
    """Keeps pictures of pages, for people to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str, full: bool = False) -> None:
        page.screenshot(path=SHOTS / f"{name}.png", full_page=full, animations="disabled")

    return take


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Keeps a picture of each page of a test that failed, and adds the processes' logs to its report."""
    report = yield
    if report.failed and report.when == "call":
        arguments = getattr(item, "funcargs", {})
        for number, page in enumerate(one for one in arguments.values() if isinstance(one, Page)):
            SHOTS.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=SHOTS / f"failed-{item.name}-{number}.png")
        if isinstance(running := arguments.get("up"), Folder):
            report.sections += running.shown_logs()
    return report
