"""Installing from the button to the team on the dashboard, with the sandbox's pages in between."""

from __future__ import annotations

import itertools
import re

import httpx2
import pytest
from playwright.sync_api import Page, expect

from .conftest import PHONE, MakePage, Shot, Upped

_numbers = itertools.count(1)


@pytest.fixture
def team(up: Upped) -> str:
    """The name of a team that has no bot in the fleet yet."""
    return up.sandbox.add_team(f"Corner Shop {next(_numbers)}")["name"]


def begin(page: Page, up: Upped) -> None:
    """Presses the button."""
    page.goto(up.web_url)
    page.get_by_role("link", name="Add to Slack").click()


def allow(page: Page, team: str) -> None:
    """Says yes on the sandbox's page."""
    page.get_by_label("Where do you want to install it?").select_option(label=team)
    page.get_by_role("button", name="Allow").click()


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def test_from_the_button_to_the_dashboard(page: Page, up: Upped, team: str, shot: Shot) -> None:
    page.goto(up.web_url)
    shot(page, "install-landing")
    begin(page, up)
    allow(page, team)
    heading(page, f"{team} has the bot now")
    shot(page, "install-done")
    up.sandbox.say("@alice", "ping", team=team)
    assert up.sandbox.wait_for_message(team=team)["text"] == "pong"

    page.goto(f"{up.web_url}/dashboard/teams")
    expect(page.get_by_role("link", name=team)).to_be_visible()

    begin(page, up)
    allow(page, team)
    heading(page, f"{team} has the bot already")
    page.get_by_role("link", name="Open the sandbox").click()
    expect(page).to_have_title(re.compile(team))


def test_who_says_no_may_try_again(make_page: MakePage, up: Upped, shot: Shot) -> None:
    page = make_page(expected=("403",))
    begin(page, up)
    page.get_by_role("button", name="Cancel").click()
    heading(page, "Cancelled")
    shot(page, "install-denied")
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("button", name="Allow")).to_be_visible()


def test_a_forged_state_adds_nothing(make_page: MakePage, up: Upped, shot: Shot) -> None:
    page = make_page(expected=("400",))
    page.goto(f"{up.web_url}/slack/oauth_redirect?state=forged&code=forged")
    heading(page, "This link has been used, or is too old")
    shot(page, "install-forged")
    page.get_by_role("link", name="To the start").click()
    expect(page.get_by_role("link", name="Add to Slack")).to_be_visible()


def test_a_link_that_was_passed_on_is_refused(make_page: MakePage, up: Upped, team: str, shot: Shot) -> None:
    first, second = make_page(), make_page(expected=("403",))
    begin(first, up)
    place = up.sandbox.team(team)["team_id"]
    with httpx2.Client(trust_env=False) as outside:
        back = outside.post(first.url, data={"decision": "allow", "place": place}).headers["location"]
    second.goto(back)
    heading(second, "Begun in another browser")
    shot(second, "install-other-browser")
    first.goto(back)
    heading(first, f"{team} has the bot now")


def test_on_a_phone(make_page: MakePage, up: Upped, team: str, shot: Shot) -> None:
    page = make_page(viewport=PHONE, color_scheme="dark")
    page.goto(up.web_url)
    fits(page)
    shot(page, "install-landing-phone")
    begin(page, up)
    allow(page, team)
    heading(page, f"{team} has the bot now")
    fits(page)
    shot(page, "install-done-phone")


def fits(page: Page) -> None:
    """Nothing is wider than the screen."""
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
