"""What all pages of the web role have in common."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .conftest import MakePage, Shot, Upped


def test_a_page_that_is_not_there(make_page: MakePage, up: Upped, shot: Shot) -> None:
    page = make_page(expected=("404",))
    page.goto(f"{up.web_url}/nowhere")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not Found")
    shot(page, "not-found")


def test_the_api_describes_itself(page: Page, up: Upped, shot: Shot) -> None:
    page.goto(f"{up.web_url}/api/docs")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("/api/teams", exact=False).first).to_be_visible()
    shot(page, "api")
