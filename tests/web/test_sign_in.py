"""Signing in with a key, and what a session is good for."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from botfleet.access_keys import new_key
from botfleet.store.memory import MemoryStore

from .conftest import MakeClient, MakeKey
from .signing import csrf_of, sign_in


def test_who_is_not_signed_in_is_led_to_where_that_is_done_and_back(
    make_client: MakeClient, make_key: MakeKey
) -> None:
    client = make_client()
    led = client.get("/dashboard/teams?q=acme&sort=-since")
    assert (led.status_code, led.headers["location"]) == (
        303,
        "/sign-in?next=/dashboard/teams%3Fq%3Dacme%26sort%3D-since",
    )
    assert 'value="/dashboard/teams?q=acme&amp;sort=-since"' in client.get(led.headers["location"]).text
    back = sign_in(client, make_key("read"), next="/dashboard/teams?q=acme&sort=-since")
    assert (back.status_code, back.headers["location"]) == (303, "/dashboard/teams?q=acme&sort=-since")
    assert client.get("/dashboard/teams").status_code == 200


def test_a_part_of_a_page_is_refused_and_not_led_anywhere(make_client: MakeClient) -> None:
    refused = make_client().get("/dashboard/glance", headers={"HX-Request": "true"})
    assert (refused.status_code, refused.text) == (401, "")


def test_a_wrong_key_is_told_of_and_not_repeated(make_client: MakeClient, make_key: MakeKey) -> None:
    client, key = make_client(), make_key("admin")
    for wrong in (key[:-1] + ("A" if key[-1] != "A" else "B"), "nonsense", "", "bfk_" + "x" * 5000):
        refused = sign_in(client, wrong)
        assert refused.status_code == 401
        assert "wrong, or was removed" in refused.text
        assert "set-cookie" not in refused.headers
        assert not wrong or wrong not in refused.text


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\/evil.example",
        "/dashboard\r\nSet-Cookie: a=b",
        "/a\\b",
        "javascript:alert(1)",
        " /dashboard/teams",
        "",
    ],
)
def test_nobody_is_led_elsewhere(make_client: MakeClient, make_key: MakeKey, wanted: str) -> None:
    assert sign_in(make_client(), make_key("read"), next=wanted).headers["location"] == "/dashboard"


def test_another_site_signs_nobody_in(make_client: MakeClient, make_key: MakeKey) -> None:
    client, key = make_client(), make_key("admin")
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        refused = client.post("/sign-in", data={"key": key}, headers=headers)
        assert refused.status_code == 403
        assert "set-cookie" not in refused.headers


def test_the_cookie_is_the_browsers_own_secret(make_client: MakeClient, make_key: MakeKey) -> None:
    plain = sign_in(make_client(), make_key("read")).headers["set-cookie"]
    assert plain.startswith("botfleet_session=")
    assert all(word in plain for word in ("HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"))
    assert "Secure" not in plain
    safe = sign_in(make_client(web_url="https://bots.example.com"), make_key("read")).headers["set-cookie"]
    assert safe.startswith("__Host-botfleet_session=")
    assert "Secure" in safe
    assert "Domain" not in safe


def test_a_session_ends_with_its_key(
    make_client: MakeClient, make_key: MakeKey, memory_store: MemoryStore
) -> None:
    client, key = make_client(), make_key("read")
    sign_in(client, key)
    assert client.get("/dashboard").status_code == 200
    memory_store.remove_access_key(key[4:12])
    assert client.get("/dashboard").status_code == 303


def test_a_session_ends_when_its_owner_says_so(make_client: MakeClient, make_key: MakeKey) -> None:
    client = make_client()
    sign_in(client, make_key("read"))
    cookie = dict(client.cookies)
    token = csrf_of(client)
    assert client.post("/sign-out").status_code == 403
    assert client.post("/sign-out", data={"csrf": "guessed"}).status_code == 403
    left = client.post("/sign-out", data={"csrf": token})
    assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
    client.cookies.update(cookie)
    assert client.get("/dashboard").status_code == 303


def test_who_is_signed_in_already_is_led_on(make_client: MakeClient, make_key: MakeKey) -> None:
    client = make_client()
    sign_in(client, make_key("read"))
    assert client.get("/sign-in?next=/dashboard/holders").headers["location"] == "/dashboard/holders"
    assert make_client(open=True).get("/sign-in").headers["location"] == "/dashboard"


def test_tries_are_limited_by_address(make_client: MakeClient, make_key: MakeKey) -> None:
    app, key = make_client().app, make_key("read")

    def from_(address: str) -> TestClient:
        return TestClient(app, "http://localhost", follow_redirects=False, client=(address, 1))

    tries = [sign_in(from_("192.0.2.1"), "wrong").status_code for _ in range(11)]
    assert tries == [401] * 10 + [429]
    refused = sign_in(from_("192.0.2.1"), key)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert "Too many tries" in refused.text
    assert sign_in(from_("192.0.2.2"), key).status_code == 303
    # Whoever has one address of this kind has all of its network.
    tries = [sign_in(from_(f"2001:db8::{n:x}"), "wrong").status_code for n in range(11)]
    assert tries[-1] == 429
    assert sign_in(from_("2001:db8:1::1"), key).status_code == 303


def test_nobody_is_locked_out_by_others(make_client: MakeClient, make_key: MakeKey) -> None:
    app = make_client().app
    for number in range(310):
        stranger = TestClient(app, "http://localhost", client=(f"198.51.{number // 10}.1", 1))
        assert sign_in(stranger, "wrong").status_code in (401, 429)
    own = TestClient(app, "http://localhost", follow_redirects=False, client=("192.0.2.9", 1))
    assert sign_in(own, make_key("admin")).status_code == 303


def test_what_is_logged_names_no_secret(
    make_client: MakeClient, memory_store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    key, kept = new_key("ada\nroot signed in", "admin", 1.0)
    memory_store.put_access_key(kept)
    caplog.set_level("INFO", "botfleet")
    client = make_client()
    sign_in(client, key)
    sign_in(client, key + "x")
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING"]
    assert kept.id in caplog.text
    assert key not in caplog.text
    assert "root signed in" not in caplog.text
