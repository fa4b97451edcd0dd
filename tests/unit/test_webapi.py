from __future__ import annotations

import logging
import socket

import pytest

from botfleet.errors import (
    ConnectionRateLimited,
    InvalidToken,
    PerhapsDone,
    SlackError,
    TokenRevoked,
)
from botfleet.secrets import Token
from botfleet.settings import Settings
from botfleet.slack.errors import GROUPS, Group, classify
from botfleet.webapi import SlackApi, check_form, translated

from .answering import Answer, CannedSlack, answer

TOKEN = Token("xoxb-test-1")


def test_auth_test_says_whose_token_it_is(slack: CannedSlack) -> None:
    slack.give(
        "auth.test", answer(ok=True, team="Acme", user="pingbot", team_id="T1", user_id="U0", bot_id="B0")
    )
    identity = SlackApi(slack.settings).auth_test(TOKEN)
    assert (identity.team_id, identity.team_name) == ("T1", "Acme")
    assert (identity.bot_user_id, identity.bot_id, identity.bot_name) == ("U0", "B0", "pingbot")
    assert (identity.enterprise_id, identity.is_enterprise_install) == ("", False)
    assert slack.calls[0].token == "Bearer xoxb-test-1"


def test_rtm_connect_gives_a_url_that_its_repr_hides(slack: CannedSlack) -> None:
    team = {"id": "T1", "name": "Acme", "domain": "acme"}
    slack.give(
        "rtm.connect", answer(ok=True, url="ws://x/ticket", self={"id": "U0", "name": "pingbot"}, team=team)
    )
    session = SlackApi(slack.settings).rtm_connect(TOKEN)
    assert (session.url, session.self_id, session.self_name) == ("ws://x/ticket", "U0", "pingbot")
    assert (session.team_id, session.team_name, session.domain) == ("T1", "Acme", "acme")
    assert "ticket" not in repr(session)


@pytest.mark.parametrize(
    ("given", "kind", "error", "retry_after"),
    [
        (answer(ok=False, error="invalid_auth"), InvalidToken, "invalid_auth", None),
        (answer(ok=False, error="account_inactive"), TokenRevoked, "account_inactive", None),
        (answer(ok=False, error="token_revoked"), TokenRevoked, "token_revoked", None),
        (
            answer(429, {"Retry-After": "30"}, ok=False, error="ratelimited"),
            ConnectionRateLimited,
            "ratelimited",
            30,
        ),
        (Answer(b"", 429, {"retry-after": "7"}), ConnectionRateLimited, "ratelimited", 7),
        (Answer(b"", 429, {"Retry-After": "soon"}), ConnectionRateLimited, "ratelimited", None),
        (answer(503, ok=False, error="service_unavailable"), SlackError, "service_unavailable", None),
        (Answer(b"<html>Bad gateway</html>", 502), SlackError, "http_502", None),
        (Answer(b"<html>Log in to the hotel</html>"), SlackError, "bad_answer", None),
        (Answer(b"{broken"), SlackError, "bad_answer", None),
        (Answer(b"[]"), SlackError, "bad_answer", None),
        (Answer(b"null"), SlackError, "bad_answer", None),
        (Answer(b"\xff\xfe"), SlackError, "bad_answer", None),
        (answer(ok=True), SlackError, "bad_answer", None),
    ],
)
def test_every_bad_answer_becomes_a_slack_error(
    slack: CannedSlack, given: Answer, kind: type[SlackError], error: str, retry_after: float | None
) -> None:
    slack.give("auth.test", given)
    with pytest.raises(SlackError) as caught:
        SlackApi(slack.settings).auth_test(TOKEN)
    assert type(caught.value) is kind
    assert (caught.value.error, caught.value.retry_after) == (error, retry_after)
    assert "xoxb" not in str(caught.value)
    assert len(slack.calls) == 1  # whether to try again is the caller's to decide


def test_missing_scope_says_which_and_is_fatal(slack: CannedSlack) -> None:
    slack.give("rtm.connect", answer(ok=False, error="missing_scope", needed="rtm:stream"))
    with pytest.raises(SlackError, match="rtm:stream") as caught:
        SlackApi(slack.settings).rtm_connect(TOKEN)
    assert caught.value.fatal


def test_slack_away() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/api/"
        with pytest.raises(SlackError) as caught:
            SlackApi(Settings(slack_api_url=url)).auth_test(TOKEN)
    assert caught.value.error == "unreachable"
    assert not caught.value.fatal


def test_slack_silent() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api/"
        with pytest.raises(SlackError) as caught:
            SlackApi(Settings(slack_api_url=url, connect_timeout=0.5)).rtm_connect(TOKEN)
    assert caught.value.error == "timeout"


def test_web_client_leaves_rate_limits_to_its_caller(slack: CannedSlack) -> None:
    slack.give("chat.postMessage", answer(429, {"Retry-After": "1"}, ok=False, error="ratelimited"))
    with pytest.raises(ConnectionRateLimited) as caught, translated():
        SlackApi(slack.settings).web_client(TOKEN).chat_postMessage(channel="C1", text="hi")
    assert caught.value.retry_after == 1
    assert len(slack.calls) == 1


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(ok=False, error="internal_error"), PerhapsDone),
        (answer(500, ok=False, error="fatal_error"), PerhapsDone),
        (Answer(b"<html>Bad gateway</html>", 502), PerhapsDone),
        (Answer(b"{broken"), PerhapsDone),
        (Answer(b"", 503), SlackError),
        (answer(ok=False, error="channel_not_found"), SlackError),
    ],
)
def test_a_change_that_may_have_been_done_says_so(
    slack: CannedSlack, given: Answer, kind: type[SlackError]
) -> None:
    slack.give("chat.postMessage", given)
    with pytest.raises(SlackError) as caught, translated(changes=True):
        SlackApi(slack.settings).web_client(TOKEN).chat_postMessage(channel="C1", text="a secret")
    assert type(caught.value) is kind
    assert caught.value.fatal is (kind is PerhapsDone)
    assert "secret" not in str(caught.value)


def test_web_client_repeats_reads_after_a_server_error_and_never_posts(slack: CannedSlack) -> None:
    broken = answer(500, ok=False, error="internal_error")
    slack.give("users.info", broken, answer(ok=True))
    slack.give("chat.postMessage", broken, answer(ok=True))
    web = SlackApi(slack.settings).web_client(TOKEN)
    assert web.users_info(user="U1")["ok"]
    with pytest.raises(SlackError, match="internal_error"), translated():
        web.chat_postMessage(channel="C1", text="hi")


def test_texts_and_tokens_stay_out_of_the_logs(slack: CannedSlack, caplog: pytest.LogCaptureFixture) -> None:
    slack.give("chat.postMessage", answer(ok=False, error="channel_not_found"))
    with caplog.at_level(logging.DEBUG), pytest.raises(SlackError), translated():
        SlackApi(slack.settings).web_client(TOKEN).chat_postMessage(channel="C1", text="a secret")
    assert "secret" not in caplog.text
    assert "xoxb" not in caplog.text


@pytest.mark.parametrize("token", ["xoxb-test-1", "xoxp-1-2", "xoxe.xoxb-1"])
def test_tokens_of_slack_pass(token: str) -> None:
    assert check_form(token).reveal() == token


@pytest.mark.parametrize(
    "token",
    [
        None,
        7,
        b"xoxb-1",
        "",
        " xoxb-1",
        "xoxb-1 2",
        "xoxb-1\n",
        "xoxb-é",
        "xoxb-\x00",
        "hunter2",
        "xapp-1",
        "xoxb" * 300,
    ],
)
def test_junk_is_refused_without_asking_slack_or_showing_it(token: object) -> None:
    with pytest.raises(InvalidToken, match="a token begins with xoxb-") as caught:
        check_form(token)
    assert caught.value.fatal
    assert not isinstance(token, str) or not token or token.strip() not in str(caught.value)


def test_every_known_string_has_its_group() -> None:
    assert set(GROUPS.values()) == set(Group)
    assert classify("user_removed_from_team") is Group.DEAD
    assert classify("token_expired") is Group.REFRESH
    assert classify("accesslimited") is Group.SLOW
    assert classify("migration_in_progress") is Group.PAUSE
    assert classify("ekm_access_denied") is Group.CONFIGURATION
    assert classify("never_heard_of_it") is Group.TRANSIENT
