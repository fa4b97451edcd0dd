"""The dashboard's pages: what they show, to whom, and what their buttons do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

import pytest
from starlette.testclient import TestClient

from botfleet.errors import BotfleetError, StoreUnavailable
from botfleet.handlers.running.counters import failed_counter, runs_counter
from botfleet.model import AccessKey, HolderInfo, Member, Sample, Status, Subscription
from botfleet.store.memory import MemoryStore

from ..integration.store_values import add, bot, connected
from .conftest import MakeClient, MakeKey
from .signing import csrf_of, sign_in

HX = {"HX-Request": "true"}
#: Nobody answers there.
NO_SLACK = "http://127.0.0.1:9/api/"


@pytest.fixture
def admin(make_client: MakeClient, make_key: MakeKey) -> TestClient:
    """A browser in which somebody with an admin key is signed in."""
    client = make_client(slack_api_url=NO_SLACK)
    sign_in(client, make_key("admin"))
    return client


@pytest.fixture
def reader(make_client: MakeClient, make_key: MakeKey) -> TestClient:
    """The same with a read key."""
    client = make_client()
    sign_in(client, make_key("read"))
    return client


def hold(store: MemoryStore, *names: str) -> None:
    for name in names:
        store.announce(HolderInfo(name=name, shards=8, led=8, bots=2, connected=1, rate=2.5), 60.0)
        store.beat(Member(name=name, owner=f"{name}/1"), 60.0)


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)))


# The first page


def test_the_fleet_at_a_glance(reader: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1", team_name="Acme"), bot("T2", team_name="Globex", token="2"))
    memory_store.put_statuses(
        {
            "T1": connected(generation=1),
            "T2": Status(state="token_revoked", since=5.0, error="account_inactive", generation=1),
        }
    )
    hold(memory_store, "holder@a")
    page = reader.get("/dashboard")
    said = text_of(page.text)
    assert page.status_code == 200
    assert "Bots connected 1 of 2" in said
    assert "Events a second 2.5" in said
    assert "Globex token revoked account_inactive" in said
    assert "holder@a" in said
    assert "No holder is running" not in said
    assert "Beat takes a sample every 10 s" in said


def test_the_last_hour_is_drawn_and_told(
    reader: TestClient, memory_store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    now = time.time()
    for n in range(30):
        memory_store.put_sample(Sample(at=now - 300 + 10 * n, rate=float(n), bots={"connected": 7}, failed=n))
    page = reader.get("/dashboard").text
    assert 'aria-label="Events a second over the last hour: now 29, between 0 and 29."' in page
    assert 'aria-label="Bots connected over the last hour: now 7, between 7 and 7."' in page
    assert "Failures, last hour 29" in text_of(page)
    assert page.count('<path class="curve"') == 4


def test_a_newcomer_is_told_how_a_bot_gets_in(make_client: MakeClient) -> None:
    said = make_client(open=True).get("/dashboard").text
    assert "No bots yet" in said
    assert "botfleet teams add xoxb-…" in said
    assert "/slack/install" not in said
    app = make_client(open=True, slack_client_id="1.2", slack_client_secret="x")
    assert 'href="/slack/install"' in app.get("/dashboard").text
    assert "No holder is running" in said


def test_bots_by_http_need_no_holder(reader: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1", transport="http"))
    assert "No holder is running" not in reader.get("/dashboard").text
    assert "No holder is running" not in reader.get("/dashboard/teams/T1").text


def test_who_has_the_newest_gets_nothing(reader: TestClient, memory_store: MemoryStore) -> None:
    asked = re.search(r'hx-get="(/dashboard/glance\?have=\w+)"', reader.get("/dashboard").text)
    assert asked
    assert reader.get(asked[1], headers=HX).status_code == 204
    assert reader.get("/dashboard/glance?have=another", headers=HX).status_code == 200


def test_a_hundred_readers_cost_the_store_as_much_as_one(
    make_client: MakeClient, memory_store: MemoryStore
) -> None:
    looks: list[int] = []
    look = memory_store.holders
    memory_store.holders = lambda: (looks.append(1), look())[1]  # type: ignore[method-assign]
    client = make_client(open=True)
    for _ in range(100):
        assert client.get("/dashboard/glance", headers=HX).status_code == 200
    assert len(looks) < 10


def test_a_broker_that_is_away_is_told_of(make_client: MakeClient) -> None:
    client = make_client(open=True)

    def depths() -> Mapping[str, int]:
        raise BotfleetError("the broker does not answer")

    client.app.state.context.depths = depths  # type: ignore[attr-defined]
    page = client.get("/dashboard")
    assert (page.status_code, "The broker does not answer" in page.text) == (200, True)


class Away(MemoryStore):
    """A store that goes away."""

    away = False

    def ping(self) -> None:
        if self.away:
            raise StoreUnavailable("the store does not answer")

    def counts(self, shards: object = None) -> list[int]:  # type: ignore[override]
        self.ping()
        return super().counts(shards)  # type: ignore[arg-type]

    def access_key(self, key_id: str) -> AccessKey | None:
        self.ping()
        return super().access_key(key_id)


@pytest.fixture
def memory_store() -> Away:
    return Away(16)


@pytest.mark.parametrize("open", [True, False])
def test_a_store_that_is_away_is_a_page_and_no_traceback(
    make_client: MakeClient, make_key: MakeKey, memory_store: Away, open: bool
) -> None:
    client = make_client(open=open)
    if not open:
        sign_in(client, make_key("read"))
    memory_store.away = True
    for path in ("/dashboard", "/dashboard/teams"):
        page = client.get(path)
        assert page.status_code == 503
        assert "store can't be reached" in unescape(page.text)
        assert "Try again" in page.text
    memory_store.away = False
    assert client.get("/dashboard").status_code == 200


# Teams


def names_on(page: str) -> list[str]:
    return [unescape(name) for name in re.findall(r'class="team-name"[^>]*>([^<]*)<', page)]


@pytest.fixture
def many(memory_store: MemoryStore) -> None:
    add(
        memory_store,
        *(bot(f"T{n:03}", team_name=f"Team {n:03}", token=str(n), added_at=1.0) for n in range(120)),
        bot("T900", team_name="Straße & Söhne", token="900", namespace="beta"),
    )
    memory_store.put_statuses({f"T{n:03}": connected(generation=1, since=float(n + 1)) for n in range(100)})
    memory_store.put_statuses({"T100": Status(state="disconnected", since=1.0, error="gone", generation=1)})


@pytest.mark.usefixtures("many")
def test_teams_come_by_pages(reader: TestClient) -> None:
    first = reader.get("/dashboard/teams").text
    assert names_on(first)[0] == "Straße & Söhne"
    assert len(names_on(first)) == 50
    assert "1–50 of 121" in text_of(first)
    after = re.search(r'href="([^"]+)" id="page-after"', first)
    assert after
    second = reader.get(unescape(after[1])).text
    assert names_on(second)[0] == "Team 049"
    assert 'id="page-before"' in second


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("q=STRASSE", ["Straße & Söhne"]),
        ("q=t09", [f"Team 09{n}" for n in range(10)]),
        ("namespace=beta", ["Straße & Söhne"]),
        ("namespace=-&status=disconnected", ["Team 100"]),
        ("status=trouble", ["Team 100"]),
        ("q=%3Cscript%3E", []),
        ("status=connected&sort=-since&q=team 09", [f"Team 09{n}" for n in range(9, -1, -1)]),
    ],
)
def test_teams_are_found(reader: TestClient, asked: str, found: list[str]) -> None:
    page = reader.get(f"/dashboard/teams?{asked}")
    assert names_on(page.text) == found
    assert f"{len(found)} of 121 bots" in text_of(page.text)
    assert "<script>" not in page.text


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("asked", ["cursor=nonsense", "sort=token", "status=x", "sort=", "q=" + "x" * 2000])
def test_an_address_that_makes_no_sense_is_still_a_page(reader: TestClient, asked: str) -> None:
    assert reader.get(f"/dashboard/teams?{asked}").status_code == 200


@pytest.mark.usefixtures("many")
def test_what_was_found_is_kept_up_to_date(reader: TestClient) -> None:
    fragment = reader.get("/dashboard/teams?q=t09", headers=HX).text
    assert fragment.startswith('<div id="found"')
    asked = re.search(r'hx-get="([^"]+)"', fragment)
    assert asked
    assert reader.get(unescape(asked[1]), headers=HX).status_code == 204
    restored = reader.get("/dashboard/teams", headers={**HX, "HX-History-Restore-Request": "true"})
    assert restored.text.startswith("<!doctype html>")


def test_what_others_named_is_text_only(reader: TestClient, memory_store: MemoryStore) -> None:
    evil = '"><script>alert(1)</script>{{ 7*7 }}'
    add(memory_store, bot("T1", team_name=evil, bot_name=evil))
    memory_store.put_statuses({"T1": Status(state="disconnected", since=1.0, error=evil, generation=1)})
    for path in ("/dashboard", "/dashboard/teams", "/dashboard/teams/T1", "/dashboard/teams?q=" + evil):
        page = reader.get(path).text
        assert "<script>alert" not in page
        assert evil in unescape(page)


def test_ten_thousand_teams_are_no_larger_a_page(reader: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, *(bot(f"T{n:05}", team_name=f"Team {n}", token=str(n)) for n in range(10_000)))
    page = reader.get("/dashboard/teams?q=team")
    assert "1–50 of 10,000" in text_of(page.text)
    assert len(page.content) < 60_000


# One team


def test_a_team_and_what_became_of_it(reader: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1", team_name="Acme", bot_name="ruby", transport="http"))
    memory_store.put_statuses({"T1": connected(generation=1)})
    memory_store.put_statuses(
        {"T1": Status(state="disconnected", since=2.0, error="closed", holder="h1", generation=1)}
    )
    said = text_of(reader.get("/dashboard/teams/T1").text)
    assert "Acme disconnected since" in said
    assert "Disconnected closed, said by h1" in said
    assert "Connected said by h1" in said
    assert "Bot's name ruby" in said
    assert "Transport HTTP" in said


@pytest.mark.parametrize("key", ["T404", "%3Cb%3E", "T1;", "x" * 300])
def test_a_team_that_is_not_there(reader: TestClient, key: str) -> None:
    page = reader.get(f"/dashboard/teams/{key}")
    assert (page.status_code, "may have been removed" in page.text) == (404, True)
    assert reader.get(f"/dashboard/teams/{key}/live").status_code == 404


def test_who_may_only_look_has_no_buttons_and_no_way_around(
    reader: TestClient, memory_store: MemoryStore
) -> None:
    add(memory_store, bot("T1"))
    hold(memory_store, "holder@a")
    page = reader.get("/dashboard/teams/T1").text
    assert "/dashboard/teams/T1/restart" not in page
    assert "dialog" not in page
    assert "drain?" not in reader.get("/dashboard/holders").text
    token = {"csrf": csrf_of(reader)}
    for path in ("/dashboard/teams/T1/restart", "/dashboard/teams/T1/remove", "/dashboard/holders/drain"):
        assert reader.get(path).status_code == 403
        assert reader.post(path, data={**token, "name": "holder@a"}).status_code == 403
    assert memory_store.bot("T1") == bot("T1")


def test_a_change_needs_the_sessions_own_token_and_page(admin: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1"))
    token = csrf_of(admin)
    assert admin.post("/dashboard/teams/T1/restart").status_code == 403
    assert admin.post("/dashboard/teams/T1/restart", data={"csrf": token[:-1]}).status_code == 403
    foreign = {"Origin": "https://evil.example"}
    assert admin.post("/dashboard/teams/T1/restart", data={"csrf": token}, headers=foreign).status_code == 403
    assert memory_store.bot("T1") == bot("T1")


def test_without_scripts_a_restart_is_asked_for_on_a_page(
    admin: TestClient, memory_store: MemoryStore
) -> None:
    add(memory_store, bot("T1", team_name="Acme"))
    asked = admin.get("/dashboard/teams/T1/restart")
    assert "Restart Acme?" in asked.text
    token = csrf_of(admin, "/dashboard/teams/T1/restart")
    done = admin.post("/dashboard/teams/T1/restart", data={"csrf": token})
    assert (done.status_code, done.headers["location"]) == (303, "/dashboard/teams/T1?said=restart")
    assert "The bot is being restarted." in admin.get(done.headers["location"]).text
    kept = memory_store.bot("T1")
    assert kept is not None
    assert kept.generation == 2


def test_with_scripts_what_changed_comes_at_once(admin: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1", team_name="Acme"))
    headers = {**HX, "X-CSRF-Token": csrf_of(admin)}
    stopped = admin.post("/dashboard/teams/T1/stop", headers=headers).text
    assert stopped.startswith('<div id="team"')
    assert 'id="team-head" hx-swap-oob="true"' in stopped
    assert "The bot is being stopped." in stopped
    assert "Wanted stopped" in text_of(stopped)
    assert "/dashboard/teams/T1/start" in stopped
    assert "/dashboard/teams/T1/stop" not in stopped
    started = admin.post("/dashboard/teams/T1/start", headers=headers).text
    assert "Wanted running" in text_of(started)
    assert "Started" in text_of(started)


def test_a_bot_that_is_removed_is_gone_from_the_list_at_once(
    admin: TestClient, memory_store: MemoryStore
) -> None:
    add(memory_store, bot("T1", team_name="Acme"), bot("T2", team_name="Globex", token="2"))
    assert names_on(admin.get("/dashboard/teams").text) == ["Acme", "Globex"]
    headers = {**HX, "X-CSRF-Token": csrf_of(admin)}
    removed = admin.post("/dashboard/teams/T1/remove", headers=headers)
    assert removed.headers["hx-redirect"] == "/dashboard/teams?said=remove"
    page = admin.get("/dashboard/teams?said=remove").text
    assert "The bot was removed." in page
    assert names_on(page) == ["Globex"]
    assert admin.post("/dashboard/teams/T1/remove", headers=headers).status_code == 404


@pytest.mark.parametrize("headers", [{}, HX])
def test_what_slack_says_of_a_token_is_told(
    admin: TestClient, memory_store: MemoryStore, headers: dict[str, str]
) -> None:
    add(memory_store, bot("T1", team_name="Acme"))
    page = admin.post("/dashboard/teams/T1/check", data={"csrf": csrf_of(admin)}, headers=headers)
    assert page.status_code == 200
    assert "notice bad" in page.text
    assert "xoxb" not in page.text


def test_there_is_no_other_deed(admin: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1"))
    assert admin.get("/dashboard/teams/T1/destroy").status_code == 404
    assert admin.post("/dashboard/teams/T1/destroy", data={"csrf": csrf_of(admin)}).status_code == 404
    assert "destroy" not in admin.get("/dashboard/teams/T1?said=destroy").text


# Handlers and holders


def test_handlers_and_how_they_do(reader: TestClient, memory_store: MemoryStore) -> None:
    assert "No handlers yet" in reader.get("/dashboard/handlers").text
    memory_store.put_subscriptions("handler", [Subscription(task="tasks.ping", types=("message",))])
    memory_store.advance(runs_counter("tasks.ping"), 1200)
    memory_store.advance(failed_counter("tasks.ping"), 3)
    del reader.app.state.context.handler_book  # type: ignore[attr-defined]
    said = text_of(reader.get("/dashboard/handlers").text)
    assert "tasks.ping message … 1,200 3 0 by event handler" in said


def test_a_holder_is_drained_and_takes_bots_again(admin: TestClient, memory_store: MemoryStore) -> None:
    hold(memory_store, "holder@a", "holder@b")
    page = admin.get("/dashboard/holders").text
    assert "/dashboard/holders/drain?name=holder%40a" in page
    asked = admin.get("/dashboard/holders/drain?name=holder@a")
    assert "Drain holder@a?" in asked.text
    assert "no other holder" not in asked.text
    fields = {"csrf": csrf_of(admin), "name": "holder@a", "undo": ""}
    done = admin.post("/dashboard/holders/drain", data=fields)
    assert done.headers["location"] == "/dashboard/holders?said=drain"
    member = Member(name="holder@a", owner="holder@a/1")
    assert memory_store.beat(member, 60.0).drain
    assert not memory_store.beat(Member(name="holder@b", owner="holder@b/1"), 60.0).drain
    admin.post("/dashboard/holders/drain", data={**fields, "undo": "1"})
    assert not memory_store.beat(member, 60.0).drain
    assert admin.get("/dashboard/holders/drain?name=holder@c").status_code == 404
    assert admin.post("/dashboard/holders/drain", data={**fields, "name": "x"}).status_code == 404


def test_the_last_holder_keeps_its_bots(admin: TestClient, memory_store: MemoryStore) -> None:
    hold(memory_store, "holder@a")
    assert "There is no other holder now" in admin.get("/dashboard/holders/drain?name=holder@a").text
