"""Installations: what people see at each turn, and what is registered."""

from __future__ import annotations

import logging
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from botfleet.errors import StoreUnavailable
from botfleet.fleet import Fleet
from botfleet.model import Bot
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore
from botfleet.web.install.endpoints import open_at
from botfleet.web.install.flow import BEGUN, Callback, Installed, Installer
from botfleet.web.install.refusals import InstallRefused, Why
from tests.fleets import FakeClock
from tests.unit.answering import Answer, CannedSlack, answer

from .conftest import MakeClient

CODE = "code-that-is-secret"
TOKEN = "xoxb-T1-first"
APP = {"slack_client_id": "11.22", "slack_client_secret": "client-secret"}
APPS = {
    **APP,
    "apps": {"old": {"client_id": "33.44", "client_secret": "old-client-secret", "classic": True}},
}

#: Answers of oauth.v2.access.
GRANT = {
    "ok": True,
    "access_token": TOKEN,
    "token_type": "bot",
    "app_id": "A1",
    "team": {"id": "T1", "name": "Acme"},
    "enterprise": None,
    "is_enterprise_install": False,
}
IDENTITY = {"ok": True, "team_id": "T1", "team": "Acme", "user_id": "U1", "user": "pingbot", "bot_id": "B1"}


@pytest.fixture
def slack(slack: CannedSlack) -> CannedSlack:
    """A Slack where all goes well."""
    slack.give("oauth.v2.access", answer(**GRANT))
    slack.give("auth.test", answer(**IDENTITY))
    return slack


@pytest.fixture(autouse=True)
def _no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    # The client of the tests logs where it goes.
    logged = [each for each in caplog.get_records("call") if not each.name.startswith("httpx")]
    for text in map(logging.Formatter().format, logged):
        assert not any(secret in text for secret in (TOKEN, CODE, "client-secret", *_states))


#: What Slack was told, to be looked for in the logs.
_states: list[str] = []


@dataclass
class Site:
    """A web role and its store, before a browser."""

    browser: TestClient
    store: MemoryStore
    new_browser: Callable[[], TestClient]

    def begin(self, path: str = "/slack/install") -> str:
        """Goes to Slack; the state that it is told."""
        begun = self.browser.get(path)
        assert begun.status_code == 302
        _states.append(query_of(begun.headers["location"])["state"])
        return _states[-1]

    def bots(self) -> list[Bot]:
        return [bot for shard in range(self.store.shards) for bot in self.store.bots(shard).values()]


@pytest.fixture
def site(make_client: MakeClient, memory_store: MemoryStore, slack: CannedSlack) -> Site:
    def new_browser() -> TestClient:
        return make_client(slack_api_url=slack.settings.slack_api_url, connect_timeout=1.0, **APPS)

    return Site(new_browser(), memory_store, new_browser)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def back(browser: TestClient, **query: str) -> tuple[int, str]:
    """Comes back from Slack; the status and the page."""
    page = browser.get("/slack/oauth_redirect", params=query)
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    for secret in (*query.values(), TOKEN, "client-secret"):
        assert secret not in page.text
    return page.status_code, page.text


# The button


def test_the_landing_page_has_a_button_for_each_app(site: Site, make_client: MakeClient) -> None:
    page = site.browser.get("/").text
    assert 'href="/slack/install"' in page
    assert 'href="/slack/install/old"' in page
    assert "No Slack app" in make_client().get("/").text


def test_a_button_leads_to_slack(make_client: MakeClient) -> None:
    client = make_client(web_url="https://bots.example.com", slack_scopes="chat:write,im:read", **APP)
    assert 'href="https://bots.example.com/slack/install"' in client.get("/").text
    begun = client.get("/slack/install")
    assert begun.headers["location"].startswith("https://slack.com/oauth/v2/authorize?")
    asked = query_of(begun.headers["location"])
    assert len(asked.pop("state")) == 43
    assert asked == {
        "client_id": "11.22",
        "scope": "chat:write,im:read",
        "redirect_uri": "https://bots.example.com/slack/oauth_redirect",
    }
    cookie = begun.headers["set-cookie"]
    assert cookie.startswith("__Host-botfleet_install=")
    assert {"HttpOnly", "SameSite=lax", "Secure", "Path=/", "Max-Age=600"} <= set(cookie.split("; "))


def test_a_classic_app_asks_for_its_one_scope_at_the_old_page(site: Site) -> None:
    begun = site.browser.get("/slack/install/old").headers["location"]
    asked = query_of(begun)
    assert urlsplit(begun).path == "/oauth/authorize"
    assert (asked["client_id"], asked["scope"]) == ("33.44", "bot")
    assert asked["redirect_uri"] == "http://localhost:8080/slack/oauth_redirect"


@pytest.mark.parametrize("namespace", ["unknown", "https://evil.example", "%2F%2Fevil.example", "<b>"])
def test_an_unknown_app_is_not_found(site: Site, namespace: str) -> None:
    page = site.browser.get(f"/slack/install/{namespace}")
    assert page.status_code == 404
    assert "evil" not in page.text
    assert "<b>" not in page.text


def test_an_app_without_its_secret_is_not_offered(make_client: MakeClient) -> None:
    client = make_client(slack_client_id="11.22")
    assert "No Slack app" in client.get("/").text
    assert client.get("/slack/install").status_code == 404


def test_looking_begins_nothing(site: Site) -> None:
    looked = site.browser.head("/slack/install")
    assert (looked.status_code, "set-cookie" in looked.headers) == (200, False)


def test_one_address_begins_so_many_installations(site: Site) -> None:
    for _ in range(BEGUN.most):
        site.begin()
    refused = site.browser.get("/slack/install")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")


def test_one_network_begins_so_many_installations(site: Site) -> None:
    """Whoever has one IPv6 address has all of its network."""
    app = site.browser.app
    begun = [
        TestClient(app, client=(f"2001:db8::{n:x}", 1), follow_redirects=False).get("/slack/install")
        for n in range(BEGUN.most + 1)
    ]
    assert [one.status_code for one in begun[-2:]] == [302, 429]


# What is added


def test_a_team_is_added(site: Site, slack: CannedSlack) -> None:
    status, page = back(site.browser, state=site.begin(), code=CODE)
    assert status == 200
    assert "Acme has the bot now" in page
    assert "@pingbot" in page
    (bot,) = site.bots()
    assert (bot.key, bot.transport, bot.desired, bot.bot_user_id) == ("T1", "http", "running", "U1")
    (asked,) = slack.asked("oauth.v2.access")
    assert asked.token == f"Basic {b64encode(b'11.22:client-secret').decode()}"
    assert parse_qs(asked.fields["form"]) == {
        "code": [CODE],
        "redirect_uri": ["http://localhost:8080/slack/oauth_redirect"],
    }


def test_a_classic_apps_bot_speaks_rtm_in_its_namespace(site: Site, slack: CannedSlack) -> None:
    slack.give(
        "oauth.access",
        answer(ok=True, access_token="xoxp-1", team_id="T1", bot={"bot_access_token": TOKEN}),
    )
    status, _ = back(site.browser, state=site.begin("/slack/install/old"), code=CODE)
    (bot,) = site.bots()
    assert (status, bot.key, bot.transport) == (200, "old-T1", "rtm")


def test_an_organisation_is_added_as_a_whole(site: Site, slack: CannedSlack) -> None:
    organisation = {"id": "E1", "name": "Acme Group"}
    slack.give(
        "oauth.v2.access",
        answer(**{**GRANT, "team": None, "enterprise": organisation, "is_enterprise_install": True}),
    )
    slack.give("auth.test", answer(**{**IDENTITY, "enterprise_id": "E1"}))
    status, page = back(site.browser, state=site.begin(), code=CODE)
    (bot,) = site.bots()
    assert (status, bot.key, bot.enterprise_id) == (200, "E1", "E1")
    assert "Acme Group has the bot now" in page
    assert "organisation" in page


def test_who_has_it_already_reads_that(site: Site, slack: CannedSlack) -> None:
    back(site.browser, state=site.begin(), code=CODE)
    before = site.bots()
    status, page = back(site.browser, state=site.begin(), code=CODE)
    assert (status, site.bots()) == (200, before)
    assert "Acme has the bot already" in page


def test_the_newest_token_is_kept(site: Site, slack: CannedSlack) -> None:
    back(site.browser, state=site.begin(), code=CODE)
    slack.give("oauth.v2.access", answer(**{**GRANT, "access_token": "xoxb-T1-second"}))
    _, page = back(site.browser, state=site.begin(), code=CODE)
    (bot,) = site.bots()
    assert "already" in page
    assert bot.sealed_token == "plain:xoxb-T1-second"


def test_a_bot_that_died_comes_back(site: Site, slack: CannedSlack, memory_store: MemoryStore) -> None:
    back(site.browser, state=site.begin(), code=CODE)
    (first,) = site.bots()
    Fleet(slack.settings, memory_store).deactivate(first, "account_inactive")
    slack.give("oauth.v2.access", answer(**{**GRANT, "access_token": "xoxb-T1-second"}))
    status, page = back(site.browser, state=site.begin(), code=CODE)
    (bot,) = site.bots()
    assert (status, "The bot is back in Acme" in page) == (200, True)
    assert (bot.key, bot.added_at, bot.sealed_token) == ("T1", first.added_at, "plain:xoxb-T1-second")


def test_a_name_is_shown_as_text(site: Site, slack: CannedSlack) -> None:
    slack.give("auth.test", answer(**{**IDENTITY, "team": "<script>alert(1)</script>", "user": "<b>"}))
    _, page = back(site.browser, state=site.begin(), code=CODE)
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("slack", "changes", "leads_to"),
    [
        ("https://slack.com/api/", {}, "https://slack.com/app_redirect?app=A1&team=T1"),
        ("https://slack.com/api/", {"org_wide": True}, "https://slack.com/app_redirect?app=A1"),
        ("https://slack.com/api/", {"app_id": ""}, "slack://open?team=T1"),
        ("https://slack-gov.com/api/", {}, "https://slack-gov.com/app_redirect?app=A1&team=T1"),
        ("http://127.0.0.1:8765/api/", {}, "http://127.0.0.1:8765/?team=T1"),
    ],
)
def test_the_last_page_leads_to_the_bot(slack: str, changes: dict[str, Any], leads_to: str) -> None:
    installed = Installed(
        outcome="created",
        home="T1",
        name="Acme",
        namespace="",
        transport="http",
        bot_name="pingbot",
        app_id="A1",
        org_wide=False,
    )
    assert open_at(slack, replace(installed, **changes)) == leads_to


# What is refused


def refused(site: Site, slack: CannedSlack, **query: str) -> tuple[int, str]:
    """Comes back from Slack in vain: nothing is registered, and there is a way on."""
    status, page = back(site.browser, **query)
    assert site.bots() == []
    assert 'class="button' in page
    return status, page


def test_a_forged_state_is_refused(site: Site, slack: CannedSlack) -> None:
    site.begin()
    for state in ("forged", "x" * 5000, "é\x00", "../x"):
        status, page = refused(site, slack, state=state, code=CODE)
        assert (status, "has been used, or is too old" in page) == (400, True)
    assert slack.calls == []


def test_a_state_works_once(site: Site, slack: CannedSlack) -> None:
    state = site.begin()
    back(site.browser, state=state, code=CODE)
    asked = len(slack.calls)
    status, page = back(site.browser, state=state, code=CODE)
    assert (status, "has been used" in page) == (400, True)
    assert len(slack.calls) == asked


def test_a_state_belongs_to_its_browser(site: Site, slack: CannedSlack) -> None:
    state = site.begin()
    other = site.new_browser()
    assert back(other, state=state, code=CODE)[0] == 403
    assert other.get("/slack/install").status_code == 302
    status, page = back(other, state=state, code=CODE)
    assert (status, "another browser" in page, site.bots()) == (403, True, [])
    # It was no use to the other one, and is still good.
    assert back(site.browser, state=state, code=CODE)[0] == 200


def test_two_tabs_of_a_browser_may_both_install(site: Site) -> None:
    first, second = site.begin(), site.begin("/slack/install")
    assert back(site.browser, state=first, code=CODE)[0] == 200
    assert back(site.browser, state=second, code=CODE)[0] == 200


def test_looking_uses_no_state_up(site: Site, slack: CannedSlack) -> None:
    state = site.begin()
    looked = site.browser.head("/slack/oauth_redirect", params={"state": state, "code": CODE})
    assert (looked.status_code, slack.calls) == (200, [])
    assert back(site.browser, state=state, code=CODE)[0] == 200


def test_who_says_no_reads_that_nothing_was_done(site: Site, slack: CannedSlack) -> None:
    state = site.begin()
    status, page = refused(site, slack, state=state, error="access_denied")
    assert (status, "Cancelled" in page) == (403, True)
    assert refused(site, slack, state=state, code=CODE)[0] == 400
    assert slack.calls == []


def test_another_refusal_of_slacks_page_is_not_repeated(site: Site, slack: CannedSlack) -> None:
    status, page = refused(site, slack, state=site.begin(), error="call-0900-evil\nWARNING forged")
    assert (status, "evil" in page) == (502, False)


@pytest.mark.parametrize("missing", ["state", "code"])
def test_what_did_not_begin_here_is_led_to_the_beginning(
    site: Site, slack: CannedSlack, missing: str
) -> None:
    query = {"state": site.begin(), "code": CODE}
    del query[missing]
    status, page = refused(site, slack, **query)
    assert (status, "Please begin here" in page) == (400, True)


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        (answer(ok=False, error="invalid_code"), 400, "used already or is too old"),
        (answer(ok=False, error="code_already_used"), 400, "used already or is too old"),
        (answer(ok=False, error="bad_client_secret"), 500, "bad_client_secret"),
        (answer(ok=False, error="invalid_team_for_non_distributed_app"), 500, "is not set up"),
        (answer(ok=False, error="cannot_install_an_org_installed_app"), 502, "cannot_install_an_org"),
        (answer(ok=False, error="something_new"), 502, "something_new"),
        (answer(429, {"Retry-After": "7"}, ok=False, error="ratelimited"), 503, "pause"),
        (Answer(b"<html>", 502), 502, "be reached just now"),
        (Answer(b"[]"), 502, "be reached just now"),
        (answer(**{**GRANT, "access_token": 5}), 502, "be reached just now"),
        (answer(**{**GRANT, "access_token": "no token"}), 502, "be reached just now"),
        (answer(**{**GRANT, "access_token": ""}), 500, "no token for a bot"),
        (answer(**{**GRANT, "token_type": "user"}), 500, "no token for a bot"),
        (answer(**{**GRANT, "expires_in": 43_200, "refresh_token": "r-secret"}), 501, "rotation"),
    ],
)
def test_what_slack_does_not_grant_is_told(
    site: Site, slack: CannedSlack, given: Answer, status: int, words: str
) -> None:
    slack.give("oauth.v2.access", given)
    found, page = refused(site, slack, state=site.begin(), code=CODE)
    assert (found, words in page) == (status, True)


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        (answer(ok=False, error="invalid_auth"), 502, "does not accept the token"),
        (answer(ok=False, error="account_inactive"), 502, "does not accept the token"),
        (answer(ok=False, error="internal_error"), 502, "be reached just now"),
        (answer(ok=False, error="ratelimited"), 503, "pause"),
        (answer(ok=True), 502, "be reached just now"),
    ],
)
def test_a_token_that_does_not_work_is_not_kept(
    site: Site, slack: CannedSlack, given: Answer, status: int, words: str
) -> None:
    slack.give("auth.test", given)
    found, page = refused(site, slack, state=site.begin(), code=CODE)
    assert (found, words in page) == (status, True)


def test_a_classic_app_without_a_bot_is_refused(site: Site, slack: CannedSlack) -> None:
    slack.give("oauth.access", answer(ok=True, access_token="xoxp-1", team_id="T1"))
    status, page = refused(site, slack, state=site.begin("/slack/install/old"), code=CODE)
    assert (status, "no token for a bot" in page) == (500, True)
    assert 'href="/slack/install/old"' in page


def test_slack_that_asks_for_a_pause_is_given_it(site: Site, slack: CannedSlack) -> None:
    slack.give("oauth.v2.access", answer(429, {"Retry-After": "7"}, ok=False, error="ratelimited"))
    state = site.begin()
    page = site.browser.get("/slack/oauth_redirect", params={"state": state, "code": CODE})
    assert page.headers["retry-after"] == "7"


def test_slack_that_is_away_is_told(make_client: MakeClient) -> None:
    client = make_client(slack_api_url="http://127.0.0.1:1/api/", **APP)
    state = query_of(client.get("/slack/install").headers["location"])["state"]
    status, page = back(client, state=state, code=CODE)
    assert (status, "be reached just now" in page) == (502, True)


def test_slack_that_is_slow_is_not_waited_for(make_client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api/"
        client = make_client(slack_api_url=url, connect_timeout=1.0, **APP)
        state = query_of(client.get("/slack/install").headers["location"])["state"]
        status, page = back(client, state=state, code=CODE)
    assert (status, "did not answer in time" in page) == (504, True)


# The store


class Away(MemoryStore):
    """A store that goes away at one of its calls."""

    def __init__(self, name: str) -> None:
        super().__init__(16)
        setattr(self, name, self._fail)

    @staticmethod
    def _fail(*args: object) -> None:
        raise StoreUnavailable("the store does not answer")


def installer(slack: CannedSlack, store: MemoryStore) -> Installer:
    settings = Settings.load({}, {}, store_url="memory://", slack_api_url=slack.settings.slack_api_url, **APP)
    return Installer(Fleet(settings, store))


def begin(one: Installer, browser: str = "browser") -> str:
    return query_of(one.begin("", "http://localhost/slack/oauth_redirect", browser, "127.0.0.1"))["state"]


@pytest.mark.parametrize("name", ["put_note", "hits"])
def test_without_its_store_nothing_begins(slack: CannedSlack, name: str) -> None:
    with pytest.raises(InstallRefused) as told:
        begin(installer(slack, Away(name)))
    assert told.value.why is Why.STORE_AWAY


@pytest.mark.parametrize("name", ["read_note", "take_note", "bot_and_status", "change_bot"])
def test_without_its_store_nothing_is_finished(slack: CannedSlack, name: str) -> None:
    store = Away(name)
    one = installer(slack, store)
    with pytest.raises(InstallRefused) as told:
        one.finish(Callback(state=begin(one), code=CODE), "browser")
    assert told.value.why is Why.STORE_AWAY
    assert sum(store.counts()) == 0


def test_a_state_lives_for_ten_minutes(slack: CannedSlack) -> None:
    clock = FakeClock()
    store = MemoryStore(16, clock)
    one = installer(slack, store)
    early, late = begin(one), begin(one)
    clock.now += 599
    assert one.finish(Callback(state=early, code=CODE), "browser").outcome == "created"
    clock.now += 2
    with pytest.raises(InstallRefused) as told:
        one.finish(Callback(state=late, code=CODE), "browser")
    assert told.value.why is Why.STALE


def test_a_state_that_comes_twice_at_once_registers_once(slack: CannedSlack) -> None:
    store = MemoryStore(16)
    one = installer(slack, store)
    together = threading.Barrier(8)

    def finish(state: str) -> Installed | Why:
        together.wait(10)
        try:
            return one.finish(Callback(state=state, code=CODE), "browser")
        except InstallRefused as told:
            return told.why

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(finish, [begin(one)] * 8))
    assert len([each for each in results if isinstance(each, Installed)]) == 1
    assert [each for each in results if isinstance(each, Why)] == [Why.STALE] * 7
    assert len(slack.asked("oauth.v2.access")) == 1


def test_nothing_of_a_browsers_secrets_shows(slack: CannedSlack) -> None:
    assert CODE not in repr(Callback(state="some state", code=CODE))
    assert "some state" not in repr(Callback(state="some state", code=CODE))
