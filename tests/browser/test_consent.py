"""The sandbox's consent page, in a real browser."""

from __future__ import annotations

from urllib.parse import urlencode

from playwright.sync_api import expect

from .conftest import PHONE, MakePage, Shot, Upped

SCOPES = "app_mentions:read,channels:history,chat:write,commands,im:history,reactions:read,users:read"


def test_the_consent_page_is_read_and_used_with_keys_on_any_screen(
    up: Upped, make_page: MakePage, shot: Shot
) -> None:
    umbrella = up.sandbox.add_enterprise("Umbrella")["name"]
    # A redirect to nowhere shows the answer in the address, and runs nothing of the web role.
    asked = {
        "client_id": up.sandbox.app()["client_id"],
        "scope": SCOPES,
        "redirect_uri": f"{up.chat_url}/nowhere",
    }
    url = f"{up.chat_url}/oauth/v2/authorize?{urlencode(asked)}"
    for name, options in (("desk", {}), ("phone", {"viewport": PHONE, "color_scheme": "dark"})):
        page = make_page(expected=("404",), **options)
        page.goto(url)
        expect(page.get_by_role("heading", level=1)).to_contain_text("requesting permission")
        shot(page, f"consent-{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        place = page.get_by_label("Where do you want to install it?")
        place.select_option(f"{umbrella} (all of its workspaces)")
        place.focus()
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Cancel")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/nowhere?code=*")
