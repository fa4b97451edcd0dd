"""The sandbox's chat page, with a bot that answers."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Locator, Page, expect
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from botfleet.sandbox import SandboxProcess

from .conftest import PHONE, MakePage, Shot, Upped

Json = dict[str, Any]


def said(page: Page, text: str) -> Locator:
    """The message in the channel that says this."""
    return page.get_by_role("log", name="Messages").get_by_role("article").filter(has_text=text).last


def say(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Message").first.fill(text)
    page.keyboard.press("Enter")


@pytest.fixture
def channel(up: Upped, request: pytest.FixtureRequest) -> str:
    """A channel that only one test speaks in."""
    name = re.sub(r"\W", "-", request.node.name.removeprefix("test_"))[:40].strip("-_").lower()
    up.sandbox.create_channel(name)
    return name


def go(page: Page, up: Upped, channel: str, team: str = "") -> None:
    page.goto(f"{up.chat_url}/?team={team}")
    page.get_by_role("button", name=channel, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"#{channel}")


def test_a_newcomers_first_minute(page: Page, up: Upped, shot: Shot) -> None:
    page.goto(up.chat_url)
    expect(page).to_have_title(re.compile("#general · Acme Inc"))
    expect(page.get_by_role("button", name=re.compile("^botfleet is connected"))).to_be_visible()
    page.get_by_role("button", name="@botfleet ping").click()
    expect(said(page, "pong")).to_contain_text("botfleet")

    # By hand, with the name completed, and as somebody else.
    page.get_by_label("Who speaks").select_option("bob")
    box = page.get_by_role("textbox", name="Message")
    box.press_sequentially("@botf")
    box.press("Enter")
    expect(box).to_have_value("@botfleet ")
    box.press_sequentially("define shard")
    box.press("Enter")
    expect(box).to_have_value("")
    expect(said(page, "define shard")).to_contain_text("bob")
    expect(said(page, "shard:").locator("strong").last).to_have_text("shard")
    shot(page, "chat")

    # Alone with the bot, which needs no name there.
    page.get_by_role("button", name="carol", exact=True).click()
    expect(page.get_by_label("Who speaks")).to_be_disabled()
    page.get_by_role("button", name="help", exact=True).click()
    expect(said(page, "ping")).to_contain_text("botfleet")
    shot(page, "chat-direct")


def test_a_thread(page: Page, up: Upped, channel: str, shot: Shot) -> None:
    go(page, up, channel)
    say(page, "Lunch?")
    said(page, "Lunch?").hover()
    said(page, "Lunch?").get_by_role("button", name="Reply in a thread").click()
    thread = page.get_by_role("complementary", name="Thread")
    thread.get_by_role("textbox", name="Message").fill("@botfleet ping")
    page.keyboard.press("Enter")
    expect(thread.get_by_role("article").filter(has_text="pong")).to_be_visible()
    expect(said(page, "Lunch?")).to_contain_text("2 replies")
    expect(page.get_by_role("log", name="Messages").get_by_role("article")).to_have_count(1)
    shot(page, "chat-thread")
    page.keyboard.press("Escape")
    expect(thread).to_be_hidden()


def test_reactions_edits_and_ends(page: Page, up: Upped, channel: str) -> None:
    go(page, up, channel)
    say(page, "Ship it")
    said(page, "Ship it").hover()
    said(page, "Ship it").get_by_role("button", name="Add a reaction").click()
    page.get_by_role("dialog", name="Choose an emoji").get_by_role("searchbox").fill("bookmark")
    page.keyboard.press("Enter")
    own = said(page, "Ship it").get_by_role("button", name=":bookmark: 1 by alice")
    expect(own).to_have_attribute("aria-pressed", "true")
    # The bot hears of it, and tells alice alone.
    expect(page.get_by_role("button", name=re.compile(r"^alice 1"))).to_be_visible()
    own.click()
    expect(own).to_be_hidden()

    said(page, "Ship it").get_by_role("button", name="Edit").click()
    page.get_by_role("textbox", name="Change the message").fill("Ship *that*")
    page.keyboard.press("Enter")
    expect(said(page, "Ship that")).to_contain_text("(edited)")
    said(page, "Ship that").get_by_role("button", name="Delete").click()
    expect(said(page, "Ship that")).to_be_hidden()


def test_a_member_joins_and_a_channel_is_made(make_page: MakePage, up: Upped) -> None:
    page = make_page(expected=("400",))
    page.goto(up.chat_url)
    page.get_by_role("button", name="Someone joins the team").click()
    page.get_by_role("dialog").get_by_label("Name").fill("zoe")
    page.get_by_role("button", name="Join", exact=True).click()
    expect(page.get_by_role("log", name="Messages")).to_contain_text("zoe joined the team")
    expect(page.get_by_label("Who speaks").locator("option:checked")).to_have_text("zoe")
    # The bot welcomes who is new.
    page.get_by_role("button", name=re.compile("^zoe")).click()
    expect(said(page, "Welcome")).to_contain_text("botfleet")

    page.get_by_role("button", name="New channel").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Not so")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="small letters")).to_be_visible()
    page.get_by_role("dialog").get_by_label("Name").fill("zoos")
    page.get_by_label("Private").check()
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("zoos")
    expect(page.get_by_text("Private, ")).to_be_visible()


def test_what_people_write_is_only_text(page: Page, up: Upped, channel: str) -> None:
    go(page, up, channel)
    say(
        page,
        "<img src=x onerror=alert(1)> & *bold* `a<b` https://example.com/?a=1&b=2 :tada: javascript:alert(1)",
    )
    message = said(page, "<img src=x onerror=alert(1)> & bold")
    expect(message.locator("strong").last).to_have_text("bold")
    expect(message.get_by_role("link")).to_have_attribute("href", "https://example.com/?a=1&b=2")
    expect(message.locator("img")).to_have_count(0)
    up.sandbox.say(channel, "<javascript:alert(1)|click> <https://ok.example|ok>")
    expect(said(page, "ok").get_by_role("link")).to_have_count(1)
    say(page, "/deploy now")
    expect(said(page, "No handler takes this command")).to_contain_text("Only visible to alice")


def test_a_command_that_no_app_takes(page: Page) -> None:
    with SandboxProcess() as sandbox:
        page.goto(sandbox.url)
        expect(page.get_by_role("heading", level=1)).to_have_text("#general")
        say(page, "/deploy now")
        expect(page.get_by_role("alert")).to_contain_text("Nobody takes /deploy")
        page.goto("about:blank")


def test_events_that_make_no_sense_hide_nothing(page: Page, up: Upped, channel: str) -> None:
    go(page, up, channel)
    place = up.sandbox.say(channel, "Before")["channel"]
    for event in (
        {"type": "message", "channel": place, "ts": "x"},
        {"type": "message", "channel": place, "ts": "1.1", "text": {}, "user": 5, "reactions": [{"name": 5}]},
        {
            "type": "message",
            "channel": place,
            "ts": "1.2",
            "blocks": [None, {"type": 5}, {"type": "section"}],
        },
        {"type": "message", "subtype": "message_changed", "channel": place},
        {"type": "reaction_added", "item": 5},
        {"type": "team_join", "user": {"id": 5}},
        {"type": "sandbox_snapshot"},
    ):
        up.sandbox.event(event)
    up.sandbox.say(channel, "After")
    expect(said(page, "After")).to_be_visible()
    expect(said(page, "Before")).to_be_visible()


def test_by_keyboard(page: Page, up: Upped, channel: str) -> None:
    go(page, up, channel)
    for text in ("one", "two"):
        say(page, text)
    expect(said(page, "two")).to_be_visible()
    page.get_by_role("log", name="Messages").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(said(page, "one")).to_be_focused()
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    thread = page.get_by_role("complementary", name="Thread")
    expect(thread.get_by_role("textbox", name="Message")).to_be_focused()
    page.keyboard.press("Escape")
    expect(said(page, "one").get_by_role("button", name="Reply in a thread")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    expect(said(page, "two")).to_be_focused()


def test_a_revoked_token_is_seen_live(page: Page, up: Upped, shot: Shot) -> None:
    page.goto(f"{up.chat_url}/?team=Globex")
    page.get_by_role("button", name=re.compile("^botfleet is connected")).click()
    side = page.get_by_role("complementary", name="The bot's connection")
    side.get_by_role("button", name="Drop the connection").click()
    expect(side).to_contain_text(re.compile(r"Connected again after [\d.]+ s"))
    side.get_by_role("button", name="Revoke the token").click()
    expect(page.get_by_role("button", name=re.compile("^botfleet is token revoked"))).to_be_visible()
    expect(side).to_contain_text("The token is dead: token_revoked")
    shot(page, "chat-revoked")
    side.get_by_role("button", name="Restore the token").click()
    expect(side).to_contain_text("The token works again")
    up.botfleet("teams", "restart", "T00000002")
    expect(page.get_by_role("button", name=re.compile("^botfleet is connected"))).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(make_page: MakePage, up: Upped, shot: Shot, scheme: str) -> None:
    page = make_page(viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True)
    page.goto(up.chat_url)
    page.get_by_role("button", name="Channels").tap()
    page.get_by_role("button", name="random", exact=True).tap()
    expect(page.get_by_role("heading", level=1)).to_have_text("#random")
    page.get_by_role("button", name="@botfleet ping").tap()
    expect(said(page, "pong")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shot(page, f"chat-phone-{scheme}")


class App(ThreadingHTTPServer):
    """An app with HTTP: answers a slash command with a menu, and a choice with a word; /ask opens a modal."""

    daemon_threads = True

    def __init__(self, api_url: str) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.api_url = api_url
        self.token = ""
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, name="app").start()


class Answers(BaseHTTPRequestHandler):
    server: App

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        kind = self.path.rpartition("/")[2]
        form = {name: values[0] for name, values in parse_qs(body).items()} if kind != "events" else {}
        given = getattr(self, kind)(form)
        answer = json.dumps(given).encode() if given else b""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def events(self, form: dict[str, str]) -> Json:
        return {}

    def commands(self, form: dict[str, str]) -> Json:
        if form["command"] == "/ask":
            label = {"type": "plain_text", "text": "Your question"}
            element = {"type": "plain_text_input", "action_id": "question", "multiline": True}
            block = {"type": "input", "block_id": "b", "label": label, "element": element}
            title = {"type": "plain_text", "text": "Ask us"}
            view = {
                "type": "modal",
                "title": title,
                "submit": {"type": "plain_text", "text": "Ask"},
                "blocks": [block],
            }
            client = WebClient(self.server.token, base_url=self.server.api_url)
            client.views_open(trigger_id=form["trigger_id"], view=view)
            return {}
        options = [
            {"text": {"type": "plain_text", "text": name}, "value": name} for name in ("staging", "live")
        ]
        accessory = {"type": "static_select", "action_id": "where", "options": options}
        text = {"type": "mrkdwn", "text": f"Deploy *{form['text']}*?"}
        return {"text": "Where?", "blocks": [{"type": "section", "text": text, "accessory": accessory}]}

    def interactive(self, form: dict[str, str]) -> Json:
        payload = json.loads(form["payload"])
        if payload["type"] == "view_submission":
            asked = payload["view"]["state"]["values"]["b"]["question"]["value"]
            wrong = {"response_action": "errors", "errors": {"b": "That is no question."}}
            return {} if asked.endswith("?") else wrong
        chosen = payload["actions"][0]["selected_option"]["value"]
        WebhookClient(payload["response_url"]).send(text=f"Deployed to {chosen}", replace_original=True)
        return {}

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def app_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxProcess]:
    """A sandbox with an app that takes everything by HTTP."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with SandboxProcess() as sandbox, App(sandbox.api_url) as app:
        sandbox.control.set_app(url=app.url)
        app.token = sandbox.control.install(transport="http")
        yield sandbox
        app.shutdown()


def test_slash_commands_and_menus(page: Page, app_sandbox: SandboxProcess, shot: Shot) -> None:
    page.goto(app_sandbox.url)
    page.get_by_role("button", name=re.compile("^botfleet is over HTTP")).click()
    side = page.get_by_role("complementary", name="The bot's connection")
    expect(side.get_by_role("button", name="Rate limit")).to_be_visible()
    expect(side.get_by_role("button", name="Drop the connection")).to_be_hidden()
    page.keyboard.press("Escape")
    say(page, "/deploy main")
    expect(said(page, "Deploy main?")).to_contain_text("Only visible to alice")
    shot(page, "chat-menu")
    said(page, "Deploy main?").get_by_role("combobox").select_option("live")
    expect(said(page, "Deployed to live")).to_be_visible()


def test_a_modal(page: Page, app_sandbox: SandboxProcess, shot: Shot) -> None:
    page.goto(app_sandbox.url)
    expect(page.get_by_role("button", name=re.compile("^botfleet is over HTTP"))).to_be_visible()
    say(page, "/ask")
    modal = page.get_by_role("dialog", name="Ask us")
    modal.get_by_label("Your question").fill("No")
    modal.get_by_role("button", name="Ask", exact=True).click()
    expect(modal.get_by_role("alert").filter(has_text="That is no question.")).to_be_visible()
    shot(page, "chat-modal")
    modal.get_by_label("Your question").fill("Yes?")
    modal.get_by_role("button", name="Ask", exact=True).click()
    expect(modal).to_be_hidden()
    say(page, "/ask")
    expect(modal).to_be_visible()
    page.keyboard.press("Escape")
    expect(modal).to_be_hidden()
    assert app_sandbox.control.get("views")["views"] == []


def test_the_sandbox_comes_back(make_page: MakePage) -> None:
    page = make_page(
        expected=("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY_RESPONSE", "404")
    )
    with SandboxProcess(["--teams", "3"]) as sandbox:
        page.goto(f"{sandbox.url}?team=Initech")
        expect(page.get_by_label("Team", exact=True).locator("option:checked")).to_have_text("Initech")
        port = sandbox.url.rstrip("/").rpartition(":")[2]
    expect(page.get_by_text("The sandbox is away")).to_be_visible()
    # It has fewer teams now: the page shows the first.
    with SandboxProcess(["--port", port]) as sandbox:
        expect(page.get_by_label("Team", exact=True).locator("option:checked")).to_have_text("Acme Inc")
        expect(page.get_by_text("The sandbox is away")).to_be_hidden()
        sandbox.control.say("general", "Back again")
        expect(said(page, "Back again")).to_be_visible()
