"""The description of the REST API is true: by what is in it, and by what schemathesis makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from botfleet.model import HolderInfo, Member, Subscription
from botfleet.store.memory import MemoryStore
from botfleet.web.access import Access, Rule
from botfleet.web.api.operations import Operation
from botfleet.web.routes import RULES
from tests.integration.store_values import add, bot
from tests.unit.answering import answer, canned_slack

from .conftest import MakeClient, MakeKey

#: Addresses under /api that are no operations: the description itself.
ITSELF = {"/api/openapi.json", "/api/docs"}


@pytest.fixture(scope="module")
def slack_url() -> Iterator[str]:
    with canned_slack() as slack:
        slack.give("auth.test", answer(ok=True, team="Acme", team_id="T1", user_id="U0", bot_id="B0"))
        yield slack.settings.slack_api_url


@pytest.fixture
def description(make_client: MakeClient) -> dict[str, Any]:
    found: dict[str, Any] = make_client().get("/api/openapi.json").json()
    return found


def in_api(rule: Rule) -> bool:
    return rule.path == "/api" or rule.path.startswith("/api/")


def test_each_route_is_described_with_its_rights(description: dict[str, Any]) -> None:
    routes = {
        (method.lower(), rule.path): rule.access
        for rule in RULES
        if in_api(rule) and rule.path not in ITSELF
        for method in rule.all_methods
    }
    described = {
        (method, path): operation
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }
    assert set(described) == set(routes)
    for place, operation in described.items():
        assert bool(operation["security"]) is (routes[place] is not Access.PUBLIC)
        assert ("403" in operation["responses"]) is (routes[place] is Access.ADMIN)
        assert operation["summary"]
        assert operation["description"]
    names = [operation["operationId"] for operation in described.values()]
    assert len(set(names)) == len(names)


def test_what_operations_take_is_described(description: dict[str, Any]) -> None:
    for rule in RULES:
        if not isinstance(rule.endpoint, Operation):
            continue
        shown = description["paths"][rule.path][rule.methods.lower()]
        query = [one["name"] for one in shown["parameters"] if one["in"] == "query"]
        wanted = rule.endpoint.query
        assert query == ([one.encode_name for one in msgspec.structs.fields(wanted)] if wanted else [])
        assert ("requestBody" in shown) is (rule.endpoint.body is not None)
        assert set(map(str, rule.endpoint.answers)) <= set(shown["responses"])
    schemas = description["components"]["schemas"]
    assert "{" not in "".join(schemas)
    assert set(schemas["Team"]["properties"]) == set(schemas["Team"]["required"])
    assert not any("token" in schema["properties"] for name, schema in schemas.items() if name == "Team")


def test_the_description_says_where_people_reach_it(make_client: MakeClient) -> None:
    found = make_client(web_url="https://bots.example.com/").get("/api/openapi.json").json()
    assert found["servers"] == [{"url": "https://bots.example.com"}]


def test_where_no_key_is_asked_for_the_description_says_so(make_client: MakeClient) -> None:
    client = make_client(open=True)
    found = client.get("/api/openapi.json").json()
    for methods in found["paths"].values():
        for operation in methods.values():
            assert operation["security"] == []
            assert "401" not in operation["responses"]
            assert "421" in operation["responses"]
    assert found["components"]["securitySchemes"] == {}
    page = client.get("/api/docs").text
    assert page.count("<p>no key</p>") == sum(map(len, found["paths"].values()))
    assert "it asks for no key" in page


def test_what_anybody_may_ask_for_is_made_once(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client()
    first = [client.get(path) for path in sorted(ITSELF)]
    monkeypatch.delattr("botfleet.web.api.description.render")
    monkeypatch.delattr("botfleet.web.api.description.describe")
    again = [client.get(path) for path in sorted(ITSELF)]
    assert [(one.status_code, one.content) for one in again] == [(200, one.content) for one in first]


def test_the_page_shows_each_operation(make_client: MakeClient, description: dict[str, Any]) -> None:
    page = make_client().get("/api/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "it asks for no key" not in page.text
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"].replace("'", "&#39;") in page.text, f"{method} {path}"


def test_schemathesis_finds_nothing(
    make_client: MakeClient, make_key: MakeKey, memory_store: MemoryStore, slack_url: str
) -> None:
    add(memory_store, bot("T1"), bot("T2", token="2"))
    memory_store.put_subscriptions("handler", [Subscription(task="tasks.ping", types=("message",))])
    memory_store.announce(HolderInfo(name="a@h"), ttl=600.0)
    memory_store.beat(Member(name="a@h", owner="a@h/1"), ttl=600.0)
    client = make_client(slack_api_url=slack_url)
    assert findings(client, make_key("admin")) == []


def findings(client: TestClient, key: str) -> list[str]:
    # Here, for it takes a second, and each process of the tests would spend it.
    import schemathesis
    from schemathesis import engine
    from schemathesis.engine import Status, events

    schema = schemathesis.openapi.from_asgi("/api/openapi.json", client.app)
    schema.config.update(headers={"Authorization": f"Bearer {key}"})
    schema.config.generation.update(max_examples=2)
    schema.config.phases.update(phases=["coverage", "fuzzing", "stateful"])
    found: list[str] = []
    ended: set[str] = set()
    for event in engine.from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.append(str(event))
        elif isinstance(event, events.ScenarioFinished):
            ended.add(event.phase.value)
            if event.status not in (Status.SUCCESS, Status.SKIP):
                found += [str(check) for checks in event.recorder.checks.values() for check in checks]
    assert len(ended) == 3
    return found
