"""The REST API: what it answers, and how it refuses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from botfleet import __version__
from botfleet.errors import BotfleetError
from botfleet.model import HolderInfo, Member, Status, Subscription
from botfleet.secrets import Seal, Token
from botfleet.store.memory import MemoryStore
from botfleet.store.values import Seat
from botfleet.web.context import WebContext
from tests.integration.store_values import add, bot
from tests.unit.answering import CannedSlack, answer

from .conftest import MakeClient, MakeKey

SECRET = "xoxb-test-secret"


@pytest.fixture
def slack(slack: CannedSlack) -> CannedSlack:
    team = {"team": "Acme", "user": "pingbot", "team_id": "T1", "user_id": "U0", "bot_id": "B0"}
    slack.give("auth.test", answer(ok=True, **team))
    return slack


@pytest.fixture
def client(make_client: MakeClient, make_key: MakeKey, slack: CannedSlack) -> TestClient:
    """A client with an admin's key."""
    made = make_client(slack_api_url=slack.settings.slack_api_url, connect_timeout=1.0)
    made.headers["Authorization"] = f"Bearer {make_key('admin')}"
    return made


@pytest.fixture(autouse=True)
def _no_token_is_told(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert not [
        one for one in caplog.get_records("call") if one.name != "httpx2" and SECRET in one.getMessage()
    ]


def context_of(client: TestClient) -> WebContext:
    found = client.app.state.context  # type: ignore[attr-defined]
    assert isinstance(found, WebContext)
    return found


def error(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert SECRET not in response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    found: dict[str, Any] = response.json()["error"]
    assert set(found) == {"code", "message", "detail"}
    return found


# The fleet


def test_everything_can_be_found_from_one_place(client: TestClient) -> None:
    links = client.get("/api", headers={"Authorization": ""}).json()
    assert links["openapi"] == "/api/openapi.json"
    assert {client.get(link).status_code for link in links.values()} == {200}


def test_how_the_fleet_is(client: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1"), bot("T2", token="2", desired="stopped"))
    memory_store.announce(HolderInfo(name="a@h", connected=1, rate=1.25, draining=True), ttl=60.0)
    found = client.get("/api/status").json()
    assert found["version"] == __version__
    assert found["bots"]["total"] == 2
    assert found["bots"]["by_status"]["connecting"] == 1
    assert found["bots"]["by_status"]["token_revoked"] == 0
    assert found["holders"] == {"total": 1, "draining": 1, "connected": 1, "rate": 1.2}


def test_holders_and_their_drain(client: TestClient, memory_store: MemoryStore) -> None:
    memory_store.announce(HolderInfo(name="a@h"), ttl=60.0)
    memory_store.beat(Member(name="a@h", owner="a@h/1"), ttl=60.0)
    memory_store.take("a@h/1", [Seat(3)])
    (shown,) = client.get("/api/holders").json()["holders"]
    assert (shown["name"], shown["state"], shown["leads"]) == ("a@h", "holds", [3])
    assert client.post("/api/holders/a@h/drain").json() == {"holder": "a@h", "draining": True}
    assert memory_store.beat(Member(name="a@h", owner="a@h/1"), ttl=60.0).drain
    assert client.delete("/api/holders/a/drain").json() == {"holder": "a@h", "draining": False}
    assert not memory_store.beat(Member(name="a@h", owner="a@h/1"), ttl=60.0).drain
    assert error(client.post("/api/holders/nobody/drain"), 404)["code"] == "unknown_holder"


def test_a_holder_that_was_started_again_is_drained(client: TestClient, memory_store: MemoryStore) -> None:
    """Until the lease of its first life is over, two members have its name."""
    owners = ("a@h/1", "a@h/2")
    for owner in owners:
        memory_store.beat(Member(name="a@h", owner=owner), ttl=60.0)
    assert client.post("/api/holders/a@h/drain").json() == {"holder": "a@h", "draining": True}
    assert all(memory_store.beat(Member(name="a@h", owner=owner), ttl=60.0).drain for owner in owners)


def test_handlers_and_queues(client: TestClient, memory_store: MemoryStore) -> None:
    memory_store.put_subscriptions("handler", [Subscription(task="tasks.ping", types=("message",))])
    (shown,) = client.get("/api/handlers").json()["handlers"]
    assert (shown["handler"], shown["wants"], shown["rate"]) == ("tasks.ping", "message", None)
    context_of(client).depths = lambda: {"events.other": 3}
    assert client.get("/api/queues").json() == {"queues": {"events.other": 3}}


def test_a_broker_that_is_away(client: TestClient) -> None:
    def depths() -> dict[str, int]:
        raise BotfleetError("the broker does not answer")

    context_of(client).depths = depths
    response = client.get("/api/queues")
    assert error(response, 503)["code"] == "broker_unavailable"
    assert response.headers["retry-after"] == "5"


def test_a_store_that_is_away(client: TestClient, memory_store: MemoryStore) -> None:
    context_of(client).open = True
    memory_store.down = True
    for path in ("/api/teams", "/api/teams/T1", "/api/status", "/api/holders", "/api/handlers"):
        assert error(client.get(path), 503)["code"] == "store_unavailable"


# Bots


def test_bots_come_by_pages(client: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, *(bot(f"T{n}", token=str(n), team_name=f"Team {n}") for n in range(5)))
    first = client.get("/api/teams", params={"limit": 2}).json()
    assert ([one["key"] for one in first["teams"]], first["total"]) == (["T0", "T1"], 5)
    assert first["previous"] is None
    second = client.get("/api/teams", params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["key"] for one in second["teams"]] == ["T2", "T3"]
    last = client.get("/api/teams", params={"limit": 2, "cursor": second["next"]}).json()
    assert ([one["key"] for one in last["teams"]], last["next"]) == (["T4"], None)
    found = client.get("/api/teams", params={"q": "team 3", "sort": "-name"}).json()
    assert [one["name"] for one in found["teams"]] == ["Team 3"]


def test_bots_are_chosen(client: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1"), bot("T2", token="2", desired="stopped"), bot("T3", namespace="app"))
    memory_store.put_statuses({"T1": Status(state="connected", since=1.0, holder="h1", generation=1)})

    def keys(query: str) -> list[str]:
        return [one["key"] for one in client.get(f"/api/teams?{query}").json()["teams"]]

    assert keys("status=connected&status=stopped") == ["T1", "T2"]
    assert keys("namespace=app") == ["app-T3"]
    assert keys("namespace=") == ["T1", "T2"]
    assert keys("namespace=null") == []
    assert keys("transport=http") == []
    assert keys("holder=h1") == ["T1"]


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ("limit=0", "limit", ">= 1"),
        ("limit=201", "limit", "<= 200"),
        ("limit=x", "limit", "int"),
        ("limit=", "limit", "int"),
        ("limit=1&limit=2", "limit", "once"),
        ("sort=size", "sort", "one of -added, -key"),
        ("status=xoxb-test-secret", "status[0]", "one of connected, connecting"),
        ("transport=pigeon", "transport", "one of http, rtm, socket"),
        ("nonsense=1", "nonsense", "one of q, status, namespace"),
        ("xoxb-test-secret=1", "a field", "one of q, status"),
        ("q=" + "x" * 101, "q", "length <= 100"),
        ("namespace=%00", "namespace", "matching regex"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_expected(
    client: TestClient, query: str, field: str, expected: str
) -> None:
    found = error(client.get(f"/api/teams?{query}"), 400)
    assert found["detail"]["field"] == field
    assert expected in found["detail"]["expected"]
    assert expected in found["message"]


def test_a_wrong_cursor_is_refused(client: TestClient) -> None:
    assert error(client.get("/api/teams?cursor=abc"), 404)["code"] == "unknown_cursor"
    assert error(client.get("/api/teams?cursor=/"), 400)["detail"]["field"] == "cursor"


def test_a_bot_is_added_once(client: TestClient, memory_store: MemoryStore) -> None:
    made = client.post("/api/teams", json={"token": SECRET, "transport": "http"})
    assert (made.status_code, made.headers["location"]) == (201, "/api/teams/T1")
    shown = made.json()
    assert (shown["key"], shown["name"], shown["status"], shown["transport"]) == (
        "T1", "Acme", "connected", "http",
    )  # fmt: skip
    assert SECRET not in made.text
    again = client.post("/api/teams", json={"token": SECRET})
    assert (again.status_code, again.json()) == (200, shown)
    assert client.get("/api/teams").json()["teams"] == [shown]
    assert client.get("/api/teams/T1").json() == shown
    there = client.post("/api/teams", json={"token": SECRET, "namespace": "app"})
    assert there.headers["location"] == "/api/teams/app-T1"


def test_a_page_shows_at_once_what_was_changed(client: TestClient) -> None:
    assert client.get("/api/teams").json()["total"] == 0
    client.post("/api/teams", json={"token": SECRET})
    assert client.get("/api/teams").json()["total"] == 1
    client.delete("/api/teams/T1")
    assert client.get("/api/teams").json()["total"] == 0


def test_a_bot_is_stopped_started_restarted_and_removed(
    client: TestClient, memory_store: MemoryStore
) -> None:
    client.post("/api/teams", json={"token": SECRET, "transport": "http"})
    assert client.post("/api/teams/T1/stop").json()["status"] == "stopped"
    assert client.post("/api/teams/T1/start").json()["status"] == "connected"
    before = memory_store.bot("T1")
    assert client.post("/api/teams/T1/restart").json()["desired"] == "running"
    after = memory_store.bot("T1")
    assert before is not None
    assert after is not None
    assert after.generation > before.generation
    assert client.get("/api/history/T1").json()["history"][0]["what"]
    removed = client.delete("/api/teams/T1")
    assert (removed.status_code, removed.content) == (204, b"")
    assert error(client.get("/api/teams/T1"), 404)["code"] == "unknown_team"
    assert client.get("/api/history/T1").json()["history"][0]["what"] == "bot_removed"


@pytest.mark.parametrize(
    "key", ["T9", "start", "xoxb-test-secret", "plain:xoxb-test-secret", "é", "%00", "T1%0a"]
)
def test_a_bot_that_is_not_there(client: TestClient, memory_store: MemoryStore, key: str) -> None:
    add(memory_store, bot("T1"))
    for response in (
        client.get(f"/api/teams/{key}"),
        client.get(f"/api/history/{key}"),
        client.delete(f"/api/teams/{key}"),
        *(client.post(f"/api/teams/{key}/{do}") for do in ("update", "check", "start", "stop", "restart")),
    ):
        assert error(response, 404)["code"] == "unknown_team"


def test_a_key_names_one_bot_and_no_other(make_client: MakeClient, memory_store: MemoryStore) -> None:
    add(memory_store, bot("T1"), bot("T1", token="2", namespace="app"))
    client = make_client(open=True, namespace="app")
    client.post("/api/teams/T1/stop")
    assert {one["key"]: one["status"] for one in client.get("/api/teams").json()["teams"]} == {
        "T1": "stopped",
        "app-T1": "connecting",
    }
    client.post("/api/stop", json={"teams": ["app-T1"]})
    assert client.get("/api/status").json()["bots"]["by_status"]["stopped"] == 2


def test_a_bot_gets_a_new_token_of_its_own_team_only(
    client: TestClient, slack: CannedSlack, memory_store: MemoryStore
) -> None:
    client.post("/api/teams", json={"token": SECRET})
    assert client.post("/api/teams/T1/update", json={"token": f"{SECRET}-2"}).status_code == 200
    assert client.post("/api/teams/T1/update", json={}).status_code == 200
    assert client.post("/api/teams/T1/update").json()["key"] == "T1"
    slack.give("auth.test", answer(ok=True, team="Other", team_id="T2", user_id="U0", bot_id="B0"))
    found = error(client.post("/api/teams/T1/update", json={"token": f"{SECRET}-3"}), 409)
    assert found["code"] == "other_team"


def test_what_slack_says_of_a_token(client: TestClient, slack: CannedSlack) -> None:
    client.post("/api/teams", json={"token": SECRET, "transport": "http"})
    good = client.post("/api/teams/T1/check").json()
    assert (good["ok"], good["error"], good["team"]["status"]) == (True, None, "connected")
    slack.give("auth.test", answer(ok=False, error="token_revoked"))
    dead = client.post("/api/teams/T1/check").json()
    assert (dead["ok"], dead["error"], dead["team"]["status"]) == (False, "token_revoked", "token_revoked")


def test_a_token_that_was_sealed_with_a_key_that_is_gone(
    client: TestClient, memory_store: MemoryStore
) -> None:
    sealed = Seal([Seal.new_key()]).seal(Token(SECRET))
    add(memory_store, msgspec.structs.replace(bot("T1"), sealed_token=sealed))
    assert error(client.post("/api/teams/T1/check"), 409)["code"] == "sealed_otherwise"


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        ({"error": "invalid_auth"}, 409, "token_refused"),
        ({"error": "account_inactive"}, 409, "token_refused"),
        ({"error": "missing_scope"}, 409, "slack_refused"),
        ({"error": "fatal_error"}, 502, "slack_failed"),
        ({"error": "ratelimited", "status": 429, "headers": {"Retry-After": "30"}}, 503, "rate_limited"),
        ({"error": "x", "status": 500}, 502, "slack_failed"),
    ],
)
def test_slack_says_no(
    client: TestClient, slack: CannedSlack, said: dict[str, Any], status: int, code: str
) -> None:
    slack.give("auth.test", answer(ok=False, **said))
    response = client.post("/api/teams", json={"token": SECRET})
    found = error(response, status)
    assert (found["code"], set(found["detail"])) == (code, {"error"})
    assert response.headers.get("retry-after") == {503: "30", 502: "5"}.get(status)


def test_slack_is_away(client: TestClient, make_client: MakeClient) -> None:
    away = make_client(open=True, slack_api_url="http://127.0.0.1:1/api/")
    response = away.post("/api/teams", json={"token": SECRET})
    assert error(response, 503)["code"] == "slack_unreachable"
    assert response.headers["retry-after"] == "5"


def test_several_bots_at_once(client: TestClient, memory_store: MemoryStore) -> None:
    add(memory_store, *(bot(f"T{n}", token=str(n)) for n in range(5)))
    assert client.post("/api/stop", json={"teams": ["T1", "T2", "T1"]}).json() == {
        "done": 2,
        "failed": 0,
        "failures": [],
    }
    assert client.get("/api/status").json()["bots"]["by_status"]["stopped"] == 2
    assert client.post("/api/stop", json={"teams": "all"}).json()["done"] == 5
    assert client.post("/api/restart", json={"teams": ["T1"]}).json()["done"] == 1
    found = client.post("/api/start", json={"teams": ["T9", "T2"]}).json()
    assert (found["done"], found["failed"], found["failures"][0]["team"]) == (1, 1, "T9")
    assert "unknown_bot" in found["failures"][0]["error"]


@pytest.mark.parametrize("body", ["{}", "", '{"teams": []}', '{"teams": "every"}', '{"teams": ["a/b"]}'])
def test_all_bots_are_touched_only_when_that_is_said(
    client: TestClient, memory_store: MemoryStore, body: str
) -> None:
    add(memory_store, bot("T1"))
    for do in ("start", "stop", "restart"):
        refused = client.post(f"/api/{do}", content=body, headers={"Content-Type": "application/json"})
        assert error(refused, 400)["code"] in ("invalid_field", "bad_json")
    found = memory_store.bot("T1")
    assert found is not None
    assert found.desired == "running"


# Bodies


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ("{}", "invalid_field", None),
        ("[]", "invalid_field", None),
        ("null", "invalid_field", None),
        ('{"token": 5}', "invalid_field", "token"),
        ('{"token": null}', "invalid_field", "token"),
        ('{"token": ""}', "invalid_field", "token"),
        ('{"token": "hunter2"}', "invalid_field", "token"),
        ('{"token": "xoxb-test-secret", "colour": 1}', "unknown_field", "colour"),
        ('{"token": "xoxb-test-secret", "xoxb-test-secret": 1}', "unknown_field", "a field"),
        ('{"token": "xoxb-test-secret", "transport": "xoxb-test-secret"}', "invalid_field", "transport"),
        ('{"token": "xoxb-test-secret", "transport": "socket"}', "invalid_field", "transport"),
        ('{"token": "xoxb-test-secret", "namespace": "a/b"}', "invalid_field", "namespace"),
        ('{"token": "xoxb-test-secret\\n"}', "invalid_token", None),
        ('{"token": "xoxb-test-secret"', "bad_json", None),
        ('{"token": "xoxb-test-secret"} x', "bad_json", None),
        ("xoxb-test-secret", "bad_json", None),
        ('{"token": "\\ud800xoxb-test-secret"}', "bad_json", None),
        ('{"token": ' + "[" * 30_000, "invalid_field", "token"),
        ('{"colour": ' + "[" * 30_000, "unknown_field", "colour"),
        ("[" * 60_000, "invalid_field", None),
    ],
)
def test_a_wrong_body_is_refused_and_not_repeated(
    client: TestClient, slack: CannedSlack, body: str, code: str, field: str | None
) -> None:
    found = error(client.post("/api/teams", content=body.encode(), headers=JSON), 400)
    assert found["code"] == code
    if code not in ("bad_json", "invalid_token"):
        assert found["detail"]["field"] == field
        assert found["detail"]["expected"] in found["message"]
    assert slack.calls == []


def test_a_body_that_is_no_text(client: TestClient) -> None:
    refused = client.post("/api/teams", content=b'{"token": "\xff"}', headers=JSON)
    assert error(refused, 400)["code"] == "bad_json"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
        "x",
        "application/json; charset=utf-16",
    ],
)
def test_a_body_that_is_not_said_to_be_json(client: TestClient, kind: str) -> None:
    body = f'{{"token": "{SECRET}"}}'
    refused = client.post("/api/teams", content=body, headers={"Content-Type": kind})
    assert error(refused, 415)["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_has_several_names(client: TestClient, kind: str) -> None:
    body = f'{{"token": "{SECRET}"}}'
    assert client.post("/api/teams", content=body, headers={"Content-Type": kind}).status_code == 201


def test_a_body_that_is_too_large(client: TestClient) -> None:
    refused = client.post("/api/teams", json={"token": "x" * 70_000})
    assert error(refused, 413)["code"] == "too_large"


# Addresses


def test_a_wrong_method_is_told_the_right_ones(client: TestClient) -> None:
    refused = client.put("/api/teams")
    assert error(refused, 405)["code"] == "method_not_allowed"
    assert set(refused.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert set(client.post("/api/teams/T1").headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}


@pytest.mark.parametrize(
    "path", ["/api/", "/api/teams/", "/api//teams", "/api/nowhere", "/api/teams/T1/x", "/api/%2e%2e/api"]
)
def test_an_address_that_is_none(client: TestClient, path: str) -> None:
    assert error(client.get(path), 404)["code"] == "not_found"


def test_what_was_done_and_by_whom_is_in_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.post("/api/teams", json={"token": SECRET})
    client.delete("/api/teams/T1")
    said = [one.getMessage() for one in caplog.records if one.name.startswith("botfleet.web.api")]
    assert said == ["add_team by test admin: T1", "remove_team by test admin: T1"]
