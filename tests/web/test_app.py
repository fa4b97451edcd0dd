"""What all routes have in common."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from botfleet.cli import fleet

from .conftest import MakeClient


def test_a_process_that_answers_is_alive(make_client: MakeClient) -> None:
    assert make_client().get("/healthz").json() == {"ok": True}


def test_each_answer_has_the_headers_that_browsers_heed(make_client: MakeClient) -> None:
    headers = make_client().get("/nowhere").headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" not in headers
    secure = make_client(web_url="https://bots.example.com").get("/healthz").headers
    assert "strict-transport-security" in secure


def test_an_unknown_address_is_a_page_or_json(make_client: MakeClient) -> None:
    client = make_client()
    page = client.get("/nowhere")
    assert (page.status_code, "There is nothing" in page.text) == (404, True)
    told = client.get("/api/nowhere")
    assert (told.status_code, told.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost:1x", ""])
def test_an_open_role_answers_to_this_machine_only(make_client: MakeClient, host: str) -> None:
    assert make_client(open=True).get("/healthz", headers={"Host": host}).status_code == 421


def test_an_open_role_listens_for_this_machine_only() -> None:
    refused = CliRunner().invoke(fleet, ["web", "--open", "--host", "0.0.0.0"])
    assert (refused.exit_code, "--open takes no other host" in refused.output) == (2, True)


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:9", "[::1]:8080", "[::1]"])
def test_this_machine_has_several_names(make_client: MakeClient, host: str) -> None:
    assert make_client(open=True).get("/healthz", headers={"Host": host}).status_code == 200


def test_a_body_has_a_limit(make_client: MakeClient) -> None:
    client = make_client()
    assert client.post("/nowhere", content=b"x" * 65_536).status_code == 404
    refused = client.post("/nowhere", content=b"x" * 65_537)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")


@pytest.mark.parametrize("name", ["../web/app.py", "..%2fapp.py", "nothing.css", "a//b", ".hidden", "%00"])
def test_only_files_that_are_there_are_served(make_client: MakeClient, name: str) -> None:
    assert make_client().get(f"/static/{name}").status_code == 404


def test_a_file_is_kept_for_as_long_as_its_address_is_good(make_client: MakeClient) -> None:
    client = make_client()
    assert client.get("/static/botfleet.css").headers["cache-control"] == "no-cache"
    assert "immutable" in client.get("/static/botfleet.css?v=1").headers["cache-control"]
