"""Every route of the table without rights, with too few, and with keys that are none."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from botfleet.access_keys import new_key
from botfleet.fleet import Fleet
from botfleet.model import AccessKey, Rights
from botfleet.publishing.sinks import MemorySink
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore
from botfleet.web import sessions
from botfleet.web.access import Access, Rule
from botfleet.web.app import make_app
from botfleet.web.context import WebContext
from botfleet.web.routes import RULES

#: What anybody may look at; whoever adds to it has thought about it.
PUBLIC = {
    "/",
    "/api",
    "/api/docs",
    "/api/openapi.json",
    "/healthz",
    "/readyz",
    "/sign-in",
    "/slack/install",
    "/slack/install/{namespace}",
    "/slack/oauth_redirect",
    "/static/{name:path}",
}
ADMINS = (Access.ADMIN, Access.ACT)
PAGES = (Access.SEE, Access.ACT)
GUARDED = [
    pytest.param(rule, method, id=f"{method} {rule.path}")
    for rule in RULES
    if rule.access not in (Access.PUBLIC, Access.SLACK)
    for method in rule.all_methods
]


def place(rule: Rule) -> str:
    """An address that the rule's path matches."""
    return re.sub(r"{\w+(:\w+)?}", "T1", rule.path)


async def reached(request: Request) -> Response:
    return Response(status_code=299)


def stand_in(rule: Rule) -> Rule:
    """The same rule before an endpoint that does nothing: some do, and some never end."""
    return dataclasses.replace(rule, endpoint=reached)


@pytest.fixture
def context(memory_store: MemoryStore) -> WebContext:
    fleet = Fleet(
        Settings.load({}, {}, store_url="memory://", slack_signing_secret="signed so"), store=memory_store
    )
    return WebContext(fleet, MemorySink())


@pytest.fixture
def client(context: WebContext) -> Iterator[TestClient]:
    """A client of all routes, whose endpoints do nothing."""
    app = make_app(context, [stand_in(rule) for rule in RULES])
    with_nothing = TestClient(app, "http://localhost:8080", follow_redirects=False)
    yield with_nothing
    with_nothing.close()


@pytest.fixture
def make_key(memory_store: MemoryStore) -> Callable[[Rights], tuple[str, AccessKey]]:
    def make(rights: Rights) -> tuple[str, AccessKey]:
        key, kept = new_key(f"test {rights}", rights, 1.0)
        memory_store.put_access_key(kept)
        return key, kept

    return make


MakeKeys = Callable[[Rights], tuple[str, AccessKey]]


def with_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def with_session(context: WebContext, key: AccessKey) -> tuple[str, str]:
    """A session's cookie, and what its changes have to come with."""
    response = Response()
    sessions.begin(context, key, response)
    cookie = response.headers["set-cookie"].partition(";")[0]
    found = sessions._find(context, cookie.partition("=")[2])
    assert found is not None
    return cookie, found.csrf


# The table


def test_the_table_has_all_routes(context: WebContext) -> None:
    app = make_app(context)
    served = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
    }
    table = {(method, rule.path) for rule in RULES for method in rule.all_methods}
    table |= {("HEAD", path) for method, path in table if method == "GET"}
    assert served == table
    assert {type(route) for route in app.routes} == {Route}
    assert isinstance(app, Starlette)


def test_no_route_stands_in_the_table_twice() -> None:
    places = [(method, rule.path) for rule in RULES for method in rule.all_methods]
    assert sorted(set(places)) == sorted(places)


def test_what_is_open_to_anybody_is_known() -> None:
    assert {rule.path for rule in RULES if rule.access is Access.PUBLIC} <= PUBLIC
    slacks = {rule.path for rule in RULES if rule.access is Access.SLACK}
    assert all(path.startswith("/slack/") for path in slacks)
    for rule in RULES:
        if rule.access is Access.PUBLIC and set(rule.all_methods) != {"GET"}:
            assert rule.path == "/sign-in"


def test_what_changes_something_needs_admins() -> None:
    for rule in RULES:
        if set(rule.all_methods) - {"GET"} and rule.access in (Access.READ, Access.SEE):
            assert rule.path == "/sign-out"


def test_programs_and_people_are_refused_in_their_own_way() -> None:
    for rule in RULES:
        if rule.access in PAGES:
            assert not rule.path.startswith("/api")
        if rule.path.startswith("/dashboard"):
            assert rule.access in PAGES


# Each route


@pytest.mark.parametrize(("rule", "method"), GUARDED)
def test_without_a_key_nothing_is_done(client: TestClient, rule: Rule, method: str) -> None:
    response = client.request(method, place(rule))
    if rule.access in PAGES:
        assert response.status_code == 303
        assert response.headers["location"].startswith("/sign-in")
    else:
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer ")
        assert response.json()["error"]["code"] == "unauthenticated"


@pytest.mark.parametrize(("rule", "method"), GUARDED)
def test_a_key_that_reads_changes_nothing(
    client: TestClient, make_key: MakeKeys, rule: Rule, method: str
) -> None:
    response = client.request(method, place(rule), headers=with_key(make_key("read")[0]))
    assert response.status_code == (403 if rule.access in ADMINS else 299)


@pytest.mark.parametrize(("rule", "method"), GUARDED)
def test_an_admins_key_does_all(client: TestClient, make_key: MakeKeys, rule: Rule, method: str) -> None:
    key = make_key("admin")[0]
    assert client.request(method, place(rule), headers=with_key(key)).status_code == 299


@pytest.mark.parametrize(("rule", "method"), GUARDED)
def test_a_key_that_was_removed_or_is_wrong_opens_nothing(
    client: TestClient, memory_store: MemoryStore, make_key: MakeKeys, rule: Rule, method: str
) -> None:
    key, kept = make_key("admin")
    wrong = f"{key[:-1]}{'a' if key[-1] != 'a' else 'b'}"
    memory_store.remove_access_key(make_key("admin")[1].id)
    removed, gone = make_key("admin")
    memory_store.remove_access_key(gone.id)
    for header in (
        f"Bearer {removed}",
        f"Bearer {wrong}",
        f"Bearer {kept.digest}",
        f"Bearer {kept.id}",
        f"Basic {key}",
        key,
        "Bearer",
        "",
    ):
        response = client.request(method, place(rule), headers={"Authorization": header})
        assert response.status_code == 401, header.partition("_")[0]


@pytest.mark.parametrize(("rule", "method"), GUARDED)
def test_a_session_has_its_keys_rights_and_its_end(
    client: TestClient, context: WebContext, make_key: MakeKeys, rule: Rule, method: str
) -> None:
    def status(rights: Rights, csrf: bool = True, removed: bool = False) -> int:
        kept = make_key(rights)[1]
        cookie, secret = with_session(context, kept)
        if removed:
            context.fleet.store.remove_access_key(kept.id)
        headers = {"Cookie": cookie, **({"X-CSRF-Token": secret} if csrf else {})}
        return client.request(method, place(rule), headers=headers).status_code

    assert status("read") == (403 if rule.access in ADMINS else 299)
    assert status("admin") == 299
    assert status("admin", csrf=False) == (299 if method == "GET" else 403)
    assert status("admin", removed=True) == (303 if rule.access in PAGES else 401)


def test_slacks_routes_take_nothing_unsigned(context: WebContext) -> None:
    client = TestClient(make_app(context), "http://localhost:8080", raise_server_exceptions=False)
    for rule in RULES:
        if rule.access is Access.SLACK:
            for method in rule.all_methods:
                response = client.request(method, place(rule), content=b"{}")
                assert 400 <= response.status_code < 500, rule.path
    client.close()


# Wrong keys


def test_wrong_keys_are_counted_by_address_and_right_ones_go_through(
    client: TestClient, make_key: MakeKeys
) -> None:
    wrong, right = with_key(new_key("never kept", "admin", 1.0)[0]), with_key(make_key("read")[0])
    said = [client.get("/api/status", headers=wrong) for _ in range(22)]
    assert [one.status_code for one in said] == [401] * 20 + [429] * 2
    assert said[-1].headers["retry-after"] == "60"
    assert said[-1].json()["error"]["code"] == "too_many_wrong_keys"
    assert client.get("/api/status", headers=right).status_code == 299


def test_two_keys_are_none(client: TestClient, make_key: MakeKeys) -> None:
    key = make_key("admin")[0]
    twice = [("Authorization", f"Bearer {key}")] * 2
    assert client.get("/api/status", headers=twice).status_code == 401
