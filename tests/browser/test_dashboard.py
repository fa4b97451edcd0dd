"""The dashboard in a browser: what lives on its pages, by mouse, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from botfleet.model import Status
from botfleet.store.memory import MemoryStore

from .conftest import PHONE, MakePage, Shot, Upped
from .desk import Desk, fill, now, serving

_numbers = itertools.count(1)
DESK = {"width": 1280, "height": 900}
PAGES = ("", "/teams", "/teams/T00000001", "/teams/T00000001/remove", "/handlers", "/holders")
#: What is wrong with a page for who can't see it, or not well; an empty list where nothing is.
FAULTS = """() => {
  const faults = [];
  const say = (what, one) => faults.push(`${what}: ${one.outerHTML.slice(0, 90)}`);
  const seen = (one) => one.checkVisibility();
  const name = (one) => (one.getAttribute("aria-label") || one.innerText || one.alt || "").trim();
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);
  if (all("h1").length !== 1) faults.push("not one h1");
  if (!document.documentElement.lang || !document.title || !all("main").length) faults.push("no lang, title");
  let level = 0;
  for (const one of all("h1, h2, h3")) {
    if (Number(one.tagName[1]) > level + 1) say("a heading is left out before", one);
    level = Number(one.tagName[1]);
  }
  for (const one of all("input:not([type=hidden]), select")) if (!one.labels.length) say("no label", one);
  for (const one of all("a[href], button, summary")) if (!name(one)) say("no name", one);
  const labelled = (one) => one.ariaLabel || document.getElementById(one.getAttribute("aria-labelledby"));
  for (const one of all("img, svg"))
    if (!one.hasAttribute("alt") && !labelled(one) && !one.closest("[aria-hidden]")) say("no words", one);
  for (const one of all("nav, section, [role=region]")) if (!labelled(one)) say("no name", one);
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push(`twice: ${id}`);
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = numbers(colour).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!["transparent", "rgba(0, 0, 0, 0)"].includes(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  for (const one of all("body *")) {
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) say(`contrast ${ratio.toFixed(2)}`, one);
  }
  if (document.documentElement.scrollWidth > window.innerWidth) faults.push("wider than the window");
  for (const one of all(".scroll")) if (one.scrollWidth > one.clientWidth) say("columns out of sight", one);
  return faults;
}"""


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A fleet of 300 bots, and its pages."""
    store = MemoryStore(64)
    fill(store, 300, now())
    with serving(store) as running:
        yield running


def sign_in(page: Page, desk: Desk, rights: str = "admin", path: str = "/dashboard") -> None:
    page.goto(f"{desk.url}{path}")
    page.get_by_label("Access key").fill(desk.key(rights))  # type: ignore[arg-type]
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{desk.url}{path}")


# A running fleet


@pytest.fixture
def team(up: Upped) -> str:
    """The id of a team whose bot is connected."""
    made = up.sandbox.add_team(f"Live Team {next(_numbers)}", transport="rtm")
    answer = httpx2.post(f"{up.web_url}/api/teams", json={"token": made["bot_token"]})
    assert answer.is_success, answer.text
    up.sandbox.wait_for_connections(1, team=made["name"])
    return made["team_id"]


def test_a_restart_shows_without_loading_the_page_anew(page: Page, up: Upped, team: str, shot: Shot) -> None:
    page.goto(f"{up.web_url}/dashboard/teams/{team}")
    page.evaluate("window.kept = true")
    state = page.locator("#team-head .state")
    expect(state).to_have_text("connected")
    page.get_by_role("link", name="Restart").click()
    dialog = page.get_by_role("dialog")
    shot(page, "dashboard-restart")
    dialog.get_by_role("button", name="Restart").click()
    expect(page.get_by_role("status").filter(has_text="The bot is being restarted.")).to_be_visible()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("Restarted", exact=True)).to_be_visible()
    expect(state).to_have_text("connected")

    page.get_by_role("link", name="Stop").click()
    dialog.get_by_role("button", name="Stop").click()
    expect(state).to_have_text("stopped")
    # By somebody else.
    assert httpx2.post(f"{up.web_url}/api/teams/{team}/start").is_success
    expect(state).to_have_text("connected")
    expect(page.get_by_role("link", name="Stop")).to_be_visible()
    assert page.evaluate("window.kept")


def test_what_people_say_appears_as_an_event_without_its_text(
    page: Page, up: Upped, team: str, shot: Shot
) -> None:
    page.goto(f"{up.web_url}/dashboard/teams/{team}")
    expect(page.locator("#stream-state")).to_have_text("Live")
    name = page.get_by_role("heading", level=1).inner_text()
    up.sandbox.say("@alice", "ping, and a secret", team=name)
    events = page.get_by_role("list", name="Live events")
    expect(events.get_by_role("listitem").filter(has_text="message").first).to_contain_text("handler")
    assert "secret" not in page.content()
    shot(page, "dashboard-team")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#stream-state")).to_have_text("Paused")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#stream-state")).to_have_text("Live")


# Pages over a fleet that stands still


def test_who_signs_in_sees_the_fleet(make_page: MakePage, desk: Desk, shot: Shot) -> None:
    page = make_page(expected=("401",))
    page.goto(f"{desk.url}/dashboard/holders")
    shot(page, "sign-in")
    page.get_by_label("Access key").fill("bfk_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("wrong, or was removed")
    expect(page.get_by_label("Access key")).to_be_focused()
    page.get_by_label("Access key").fill(desk.key("read"))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{desk.url}/dashboard/holders")
    expect(page.get_by_role("heading", level=1)).to_have_text("Holders")
    expect(page.get_by_text("read only")).to_be_visible()
    expect(page.get_by_role("link", name="Drain")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{desk.url}/sign-in")


def test_every_page_is_good_for_every_reader(page: Page, desk: Desk, shot: Shot) -> None:
    page.goto(f"{desk.url}/sign-in")
    assert page.evaluate(FAULTS) == []
    sign_in(page, desk)
    for path in PAGES:
        page.goto(f"{desk.url}/dashboard{path}")
        for size, scheme in itertools.product(("desk", "phone"), ("light", "dark")):
            page.set_viewport_size(PHONE if size == "phone" else DESK)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate(FAULTS) == [], (path, size, scheme)
            name = path.removeprefix("/").replace("/", "-") or "overview"
            shot(page, f"dashboard-{name}-{size}-{scheme}", full=path != "/teams")


def test_teams_are_found_while_one_types(page: Page, desk: Desk) -> None:
    sign_in(page, desk, "read", "/dashboard/teams")
    expect(page.get_by_role("heading", name="300 bots")).to_be_visible()
    page.get_by_label("Search").press_sequentially("robot")
    expect(page.get_by_role("heading", name="23 of 300 bots")).to_be_visible()
    expect(page.locator("tbody tr").first).to_contain_text("Łódź Robotics")
    expect(page.get_by_label("Search")).to_be_focused()
    assert "q=robot" in page.url
    page.get_by_label("Status").select_option("in trouble")
    expect(page.get_by_role("heading", name="1 of 300 bots")).to_be_visible()
    expect(page.locator("#found-told")).to_have_text("1 of 300 bots")
    page.get_by_label("Status").select_option("stopped")
    expect(page.get_by_text("None is like that")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    page.wait_for_url(f"{desk.url}/dashboard/teams")
    page.get_by_role("link", name="Status").click()
    page.wait_for_url("**/teams?sort=status")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("51–100 of 300")).to_be_visible()


def test_what_is_found_is_not_lost_while_the_page_looks_for_news(page: Page, desk: Desk) -> None:
    sign_in(page, desk, "read", "/dashboard/teams")
    held: list[Route] = []

    def hold(route: Route) -> None:
        if "have=" in route.request.url:
            route.continue_(url=route.request.url.replace("have=", "have=another"))
        else:
            held.append(route)

    page.route("**/dashboard/teams?*", hold)
    with page.expect_request("**/dashboard/teams?q=robot*"):
        page.get_by_label("Search").fill("robot")
    page.evaluate("htmx.trigger('#found', 'look')")
    page.evaluate("fetch('/dashboard/handlers').then((answer) => answer.text())")
    held[-1].continue_()
    expect(page.get_by_role("heading", name="23 of 300 bots")).to_be_visible()


def test_a_state_changes_in_the_list_as_one_looks(page: Page, desk: Desk) -> None:
    sign_in(page, desk, "read", "/dashboard/teams?q=contoso")
    row = page.get_by_role("row").filter(has_text="T00000006")
    expect(row).to_contain_text("connected")
    row.get_by_role("link").focus()
    before = desk.store.status("T00000006")
    desk.store.put_statuses(
        {"T00000006": Status(state="disconnected", since=now(), error="gone", generation=1)}
    )
    expect(row).to_contain_text("disconnected")
    expect(row.get_by_role("link")).to_be_focused()
    assert before is not None
    desk.store.put_statuses({"T00000006": before})


def test_all_is_done_by_keyboard(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.url}/dashboard")
    # What is typed before that goes nowhere.
    expect(page.get_by_label("Access key")).to_be_focused()
    page.keyboard.type(desk.key("admin"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{desk.url}/dashboard")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.goto(f"{desk.url}/dashboard/teams")
    page.get_by_label("Search").focus()
    page.keyboard.type("umbrella & sons 2")
    expect(page.locator("tbody tr").first).to_contain_text("Umbrella & Sons 2")
    go_to(page, "link", "Umbrella & Sons 2")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{desk.url}/dashboard/teams/*")
    go_to(page, "link", "Stop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Stop")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The bot is being stopped.")).to_be_visible()
    go_to(page, "button", "Start")


def go_to(page: Page, role: str, name: str) -> None:
    """Presses Tab until something is focused."""
    wanted = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]
    for _ in range(60):
        if wanted.count() and wanted.first.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} can't be reached")


def test_without_scripts_it_works_as_well(make_page: MakePage, desk: Desk) -> None:
    page = make_page(java_script_enabled=False)
    sign_in(page, desk, path="/dashboard/teams")
    expect(page.get_by_text("As of")).to_be_visible()
    page.get_by_label("Search").fill("initech")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Initech", exact=True).click()
    page.get_by_role("link", name="Restart").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Restart Initech?")
    page.get_by_role("button", name="Restart").click()
    expect(page.get_by_text("The bot is being restarted.")).to_be_visible()


def test_a_newcomer_sees_what_to_do(page: Page, shot: Shot) -> None:
    with serving(MemoryStore(4)) as empty:
        sign_in(page, empty)
        expect(page.get_by_role("heading", name="No bots yet")).to_be_visible()
        shot(page, "dashboard-empty")
        assert page.evaluate(FAULTS) == []


def test_a_server_that_goes_away_is_told_of(make_page: MakePage) -> None:
    page = make_page(expected=("ERR_CONNECTION_REFUSED", "net::ERR", "htmx:"))
    with serving(MemoryStore(4)) as empty:
        sign_in(page, empty)
        expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#live")).to_have_text("Not reached; trying again")
