"""Apps are installed in the sandbox as in Slack: the consent page, the exchange, tokens of each kind."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from botfleet.sandbox import SandboxControl, SandboxProcess
from botfleet.sandbox.answers import answer
from botfleet.sandbox.model import Json
from botfleet.sandbox.oauth import Grant
from botfleet.sandbox.service import Options, Sandbox

from .sandbox_app import Person
from .sandbox_fixtures import Workspace, connected, control, sandbox, team

__all__ = ["control", "sandbox", "team"]  # fixtures

SECRET = "sandbox-client-secret-1"


def exchange(team: Workspace, method: str, code: str, **other: Any) -> dict[str, Any]:
    """Exchange a code by Basic authentication, as slack_sdk does it."""
    given = {
        "client_id": "1000.0001",
        "client_secret": SECRET,
        "redirect_uri": "http://app.invalid/back?kept=1",
    }
    call = getattr(WebClient(base_url=team.api_url), method)
    return dict(call(code=code, **given | other).data)


def error_of(call: Any, *positional: Any, **arguments: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        call(*positional, **arguments)
    return str(caught.value.response["error"])


@pytest.fixture
def person(sandbox: SandboxProcess) -> Person:
    return Person(sandbox.url)


def test_the_consent_page_shows_who_wants_what_where(person: Person, team: Workspace) -> None:
    status, page = person.look(scope="chat:write", user_scope="search:read", team=team.id)
    assert status == 200
    for wanted in (
        "Botfleet",
        "chat:write",
        "search:read",
        f'value="{team.id}" selected',
        "http://app.invalid/back",
    ):
        assert wanted in page, wanted
    assert "<script>" not in person.look(scope="<script>")[1]
    assert person.decide("deny") == {"kept": "1", "error": "access_denied", "state": "s 1"}
    assert person.decide("allow", team.id).keys() == {"kept", "code", "state"}


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"client_id": "1.1"}, "invalid_client_id"),
        ({"client_id": "A00000001"}, "invalid_client_id"),
        ({"redirect_uri": "javascript:alert(1)"}, "bad_redirect_uri"),
        ({"redirect_uri": ""}, "bad_redirect_uri"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "bot"}, "invalid_scope"),
    ],
)
def test_a_bad_request_is_a_page_and_leads_nowhere(person: Person, query: dict[str, str], error: str) -> None:
    status, page = person.look(**query)
    assert status == 400
    assert error in page


def test_an_app_may_say_where_people_may_be_sent(control: SandboxControl, person: Person) -> None:
    made = control.set_app("AREDIRECTS", redirect_urls=["http://app.invalid/"])
    other = Person(person.url, made["client_id"])
    assert other.look()[0] == 200
    assert other.look(redirect_uri="")[0] == 200
    assert other.look(redirect_uri="http://other.invalid/")[0] == 400


@pytest.mark.parametrize(("classic", "exchanged"), [(False, "oauth_v2_access"), (True, "oauth_access")])
def test_a_team_may_be_made_on_the_consent_page(
    control: SandboxControl, person: Person, team: Workspace, classic: bool, exchanged: str
) -> None:
    known = {one["team_id"] for one in control.state()["teams"]}
    got = exchange(team, exchanged, person.code("new", classic))
    (made,) = [one for one in control.state()["teams"] if one["team_id"] not in known]
    assert (got["team_id"] if classic else got["team"]["id"]) == made["team_id"]
    token = got["bot"]["bot_access_token"] if classic else got["access_token"]
    assert team.web(token).auth_test()["team"] == made["name"]


def test_an_installation_of_v2_hears_by_http_only(person: Person, team: Workspace) -> None:
    got = exchange(team, "oauth_v2_access", person.code(team.id))
    token = got.pop("access_token")
    assert got == {
        "ok": True,
        "app_id": "A00000001",
        "authed_user": {"id": team.alice},
        "scope": "chat:write,commands",
        "token_type": "bot",
        "bot_user_id": team.bot,
        "team": {"id": team.id, "name": team.web().auth_test()["team"]},
        "enterprise": None,
        "is_enterprise_install": False,
    }
    web = team.web(token)
    tested = web.auth_test()
    assert (tested["team_id"], tested["user_id"]) == (team.id, team.bot)
    assert tested.headers["X-Oauth-Scopes"] == "chat:write,commands"
    assert error_of(web.rtm_connect) == "not_allowed_token_type"


def test_what_a_person_allows_for_themselves_brings_no_bot(person: Person, team: Workspace) -> None:
    got = exchange(team, "oauth_v2_access", person.code(team.id, scope="", user_scope="search:read"))
    assert got["authed_user"].keys() == {"id", "scope", "token_type", "access_token"}
    assert "access_token" not in got


def test_a_classic_installation_has_a_bot_with_sockets(person: Person, team: Workspace) -> None:
    got = exchange(team, "oauth_access", person.code(team.id, classic=True))
    assert got.keys() >= {"access_token", "scope", "team_name", "enterprise_id"}
    assert (got["team_id"], got["bot"]["bot_user_id"]) == (team.id, team.bot)
    with connected(team, got["bot"]["bot_access_token"]) as socket:
        assert socket.ping(1)["type"] == "pong"
    without = exchange(team, "oauth_access", person.code(team.id, classic=True, scope="users:read"))
    assert "bot" not in without


def test_an_exchange_that_is_wrong_is_refused(person: Person, team: Workspace) -> None:
    code = person.code(team.id)

    def refused(method: str = "oauth_v2_access", code: str = code, **given: Any) -> str:
        return error_of(exchange, team, method, code, **given)

    assert refused(client_id="1.1") == "invalid_client_id"
    assert refused(client_secret="wrong") == "bad_client_secret"
    assert refused(code="made up") == "invalid_code"
    assert refused(redirect_uri="http://app.invalid/") == "bad_redirect_uri"
    assert refused("oauth_access") == "oauth_authorization_url_mismatch"
    assert refused(grant_type="password") == "invalid_grant_type"
    assert exchange(team, "oauth_v2_access", code)["ok"], "a refusal does not use the code up"
    assert refused() == "code_already_used"


def test_faults_of_a_team_concern_its_exchanges(
    control: SandboxControl, person: Person, team: Workspace
) -> None:
    control.fault("fail", team=team.id, method="oauth.v2.access", error="fatal_error")
    code = person.code(team.id)
    assert error_of(exchange, team, "oauth_v2_access", code) == "fatal_error"
    assert exchange(team, "oauth_v2_access", code)["ok"]


def test_a_code_lives_ten_minutes() -> None:
    now = [1000.0]
    sandbox = Sandbox(Options(teams=1), monotonic=lambda: now[0])
    home = next(iter(sandbox.world.teams.values()))

    def try_after(seconds: float) -> Json:
        grant = Grant("v2", sandbox.world.app, home, "U1", ("chat:write",), (), "")
        code = sandbox.grants.issue(grant, now[0])
        now[0] += seconds
        given = {"code": code, "client_id": "1000.0001", "client_secret": SECRET}
        body = answer(sandbox, "oauth.v2.access", given, "", "").body
        return {"ok": '"ok": true' in body, "expired": "invalid_code" in body}

    assert try_after(599) == {"ok": True, "expired": False}
    assert try_after(600) == {"ok": False, "expired": True}


def test_an_organisation_is_installed_in_as_a_whole(
    control: SandboxControl, person: Person, team: Workspace
) -> None:
    made = control.add_enterprise("Umbrella")
    organisation, (north, south) = made["enterprise_id"], made["teams"]
    assert f'value="{organisation}"' in person.look()[1]
    assert f'value="{organisation}"' not in person.look(classic=True)[1]
    got = exchange(team, "oauth_v2_access", person.code(organisation))
    assert (got["team"], got["enterprise"]) == (None, {"id": organisation, "name": "Umbrella"})
    assert got["is_enterprise_install"]
    web = team.web(got["access_token"])
    tested = web.auth_test()
    assert (tested["team_id"], tested["enterprise_id"]) == (organisation, organisation)
    assert (tested["user_id"], tested["is_enterprise_install"]) == (got["bot_user_id"], True)
    for one in (north, south):
        general = control.team(one["team_id"])["channels"][0]["id"]
        web.chat_postMessage(channel=general, text="hello all")
        assert (
            control.wait_for_message("hello all", team=one["team_id"], after=0)["user"] == got["bot_user_id"]
        )
    assert error_of(web.conversations_list) == "missing_argument"
    assert error_of(web.conversations_list, team_id=team.id) == "team_access_not_granted"
    assert len(web.conversations_list(team_id=south["team_id"])["channels"]) == 2
    workspace = exchange(team, "oauth_v2_access", person.code(north["team_id"]))
    assert (workspace["team"]["id"], workspace["is_enterprise_install"]) == (north["team_id"], False)
    tested = team.web(workspace["access_token"]).auth_test()
    assert (tested["team_id"], tested["enterprise_id"]) == (north["team_id"], organisation)
