"""Installations from the button to the bot, with the sandbox's own pages in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from botfleet.model import Bot
from botfleet.sandbox import SandboxControl, SandboxProcess
from botfleet.secrets import Seal
from botfleet.settings import Settings
from botfleet.store.memory import MemoryStore
from botfleet.webapi import SlackApi

from .conftest import MakeClient


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess(["--redirect-url", "http://localhost:8080/slack/"]) as process:
        yield process


@pytest.fixture
def control(sandbox: SandboxProcess) -> SandboxControl:
    return sandbox.control


@pytest.fixture
def team(control: SandboxControl) -> str:
    return control.add_teams()[0]["team_id"]


@pytest.fixture
def client(sandbox: SandboxProcess, make_client: MakeClient) -> TestClient:
    """A browser before a web role with three apps: a good one, a classic one, one with a wrong secret."""
    app = sandbox.control.app()
    known = {name: app[name] for name in ("client_id", "client_secret")}
    apps = {"old": {**known, "classic": True}, "wrong": {**known, "client_secret": "another"}}
    named = {f"slack_{name}": value for name, value in known.items()}
    return make_client(slack_api_url=sandbox.api_url, apps=apps, **named)


def consent(client: TestClient, place: str, path: str = "/slack/install", decision: str = "allow") -> str:
    """Goes to the sandbox and answers there; where that leads back to."""
    page = client.get(path).headers["location"]
    with httpx2.Client(trust_env=False) as outside:
        assert "requesting permission" in outside.get(page).text
        answered = outside.post(page, data={"decision": decision, "place": place})
    assert answered.status_code == 302
    back = urlsplit(answered.headers["location"])
    return f"{back.path}?{back.query}"


def only_bot(store: MemoryStore) -> Bot:
    (bot,) = [bot for shard in range(store.shards) for bot in store.bots(shard).values()]
    return bot


def token_of(bot: Bot, sandbox: SandboxProcess) -> str:
    """Whose token a bot has, by the sandbox's word."""
    api = SlackApi(Settings(slack_api_url=sandbox.api_url))
    return api.auth_test(Seal().open(bot.sealed_token)).team_id


def test_a_team_installs(
    client: TestClient, team: str, memory_store: MemoryStore, sandbox: SandboxProcess
) -> None:
    page = client.get(consent(client, team))
    assert page.status_code == 200
    assert "has the bot now" in page.text
    assert f'href="{sandbox.url}?team={team}"' in page.text
    bot = only_bot(memory_store)
    assert (bot.key, bot.transport, bot.bot_name) == (team, "http", sandbox.control.team(team)["bot_name"])
    status = memory_store.status(team)
    assert status is not None
    assert status.state == "connected"
    assert token_of(bot, sandbox) == team


def test_a_team_comes_back(client: TestClient, team: str, control: SandboxControl) -> None:
    client.get(consent(client, team))
    control.uninstall(team)
    assert "The bot is back in" in client.get(consent(client, team)).text


def test_the_newest_token_counts(client: TestClient, team: str, memory_store: MemoryStore) -> None:
    client.get(consent(client, team))
    before = only_bot(memory_store)
    assert "has the bot already" in client.get(consent(client, team)).text
    assert only_bot(memory_store).added_at == before.added_at


def test_a_classic_app_installs(client: TestClient, team: str, memory_store: MemoryStore) -> None:
    page = client.get(consent(client, team, "/slack/install/old"))
    bot = only_bot(memory_store)
    assert (page.status_code, bot.key, bot.transport) == (200, f"old-{team}", "rtm")


def test_an_organisation_installs(
    client: TestClient, control: SandboxControl, memory_store: MemoryStore
) -> None:
    organisation: dict[str, Any] = control.add_enterprise("Acme Group")
    page = client.get(consent(client, organisation["enterprise_id"]))
    assert "Acme Group has the bot now" in page.text
    assert only_bot(memory_store).key == organisation["enterprise_id"]


@pytest.mark.parametrize(
    ("path", "decision", "status", "words"),
    [
        ("/slack/install", "deny", 403, "Cancelled"),
        ("/slack/install/wrong", "allow", 500, "bad_client_secret"),
    ],
)
def test_a_refusal_leaves_nothing(
    client: TestClient,
    team: str,
    memory_store: MemoryStore,
    path: str,
    decision: str,
    status: int,
    words: str,
) -> None:
    page = client.get(consent(client, team, path, decision))
    assert (page.status_code, words in page.text) == (status, True)
    assert sum(memory_store.counts()) == 0


def test_a_code_is_good_once(client: TestClient, team: str) -> None:
    used = consent(client, team)
    client.get(used)
    fresh = consent(client, team)
    code = dict(httpx2.QueryParams(urlsplit(used).query))["code"]
    state = dict(httpx2.QueryParams(urlsplit(fresh).query))["state"]
    page = client.get("/slack/oauth_redirect", params={"state": state, "code": code})
    assert (page.status_code, "used already" in page.text) == (400, True)
