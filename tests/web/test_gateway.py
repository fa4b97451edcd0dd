"""What Slack sends by HTTP: what becomes of it, and what Slack is told."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from botfleet.model import Status, Subscription
from botfleet.publishing.sinks import MemorySink
from botfleet.sampling import HTTP_COUNTER
from botfleet.store.memory import MemoryStore
from tests.waiting import eventually

from .gateways import EVERYTHING, OTHER_SECRET, SECRET, Web, delivery, message, refusal


@pytest.fixture
def web() -> Iterator[Web]:
    """With one bot, whose events all have a handler."""
    store = MemoryStore(16)
    store.put_subscriptions("handler", [EVERYTHING])
    with Web(store, MemorySink()) as made:
        made.add()
        yield made


def published(web: Web) -> list[dict[str, Any]]:
    """The envelopes that the broker has."""
    assert isinstance(web.sink, MemorySink)
    return [json.loads(event.envelope) for event in web.sink.events]


class TestEvents:
    def test_an_event_is_published_as_slack_wrote_it(self, web: Web) -> None:
        raw = '{ "type":"message","channel":"C1","text":"\\u00e9 é","ts":"1.5", "unknown":[1e5,{}] }'
        body = json.dumps(delivery({"x": 1})).replace('{"x": 1}', raw)
        answer = web.send(body)
        assert (answer.status_code, answer.content) == (200, b"")
        assert raw.encode() in web.sink.events[0].envelope  # type: ignore[attr-defined]
        (envelope,) = published(web)
        del envelope["payload"]
        assert 0 < envelope.pop("received_at") <= time.time()
        assert envelope == {
            "id": "Ev1",
            "type": "message",
            "subtype": None,
            "team_id": "T1",
            "namespace": "",
            "bot_user_id": "U0",
            "transport": "http",
            "backfilled": False,
        }

    def test_a_copy_is_told_by_its_id_and_an_unseen_retry_runs(self, web: Web) -> None:
        for _ in range(2):
            assert web.event(message()).status_code == 200
        assert web.event(message(), "Ev2").status_code == 200
        again = web.send(json.dumps(delivery(message(), "Ev3")), X_Slack_Retry_Num="1")
        assert again.status_code == 200
        assert [one["id"] for one in published(web)] == ["Ev1", "Ev2", "Ev3"]
        assert (web.gateway.publisher.counters.copies, web.gateway.counters.retries) == (1, 1)

    def test_what_slack_could_not_leave_it_sends_again(self, web: Web) -> None:
        web.sink.failing = True  # type: ignore[attr-defined]
        assert refusal(web.event(message())) == (503, "unavailable", True)
        web.sink.failing = False  # type: ignore[attr-defined]
        assert web.event(message()).status_code == 200
        assert (len(published(web)), web.count("failed"), web.count("taken")) == (1, 1, 1)

    def test_an_event_without_an_id_gets_one(self, web: Web) -> None:
        assert web.event(message(), event_id="").status_code == 200
        assert [one["id"] for one in published(web)] == ["T1:C1:message:1.000001"]

    def test_nothing_is_published_for_nobody(self, web: Web) -> None:
        web.store.put_subscriptions("handler", [Subscription(task="t", types=("team_join",))])
        web.gateway.look()
        assert web.event(message()).status_code == 200
        assert (published(web), web.count("unwanted")) == ([], 1)

    @pytest.mark.parametrize(
        ("outer", "key"),
        [
            ({"authorizations": []}, "T1"),
            ({"authorizations": None, "team_id": "T2"}, None),
            ({"authorizations": [{"team_id": "T9"}]}, None),
            (
                {"authorizations": [{"team_id": "T9", "enterprise_id": "E1", "is_enterprise_install": True}]},
                "E1",
            ),
            ({"authorizations": [{"team_id": None, "enterprise_id": "E1"}]}, "E1"),
            ({"authorizations": [{"team_id": 7, "enterprise_id": []}], "team_id": "T1"}, "T1"),
        ],
    )
    def test_its_bot_is_found(self, web: Web, outer: dict[str, Any], key: str | None) -> None:
        web.add(team_id="E1", fingerprint="f2")
        assert web.event(message(), **outer).status_code == 200
        assert [one["team_id"] for one in published(web)] == ([key] if key else [])
        assert web.count("unknown_team") == (key is None)

    @pytest.mark.parametrize("changes", [{"transport": "rtm"}, {"desired": "stopped"}])
    def test_a_bot_that_is_not_served_here_hears_nothing(self, web: Web, changes: dict[str, str]) -> None:
        web.add(**changes)
        assert web.event(message()).status_code == 200
        assert (published(web), web.count("not_served")) == ([], 1)

    def test_a_bot_is_known_as_soon_as_it_is_there_and_no_longer_than_that(self, web: Web) -> None:
        assert web.event(message(), authorizations=[], team_id="T2").status_code == 200
        web.add(team_id="T2", fingerprint="f2")
        assert web.event(message(), "Ev2", authorizations=[], team_id="T2").status_code == 200
        web.store.change_bot("T2", lambda old: None)
        web.gateway.look()
        assert web.event(message(), "Ev3", authorizations=[], team_id="T2").status_code == 200
        assert ([one["id"] for one in published(web)], web.count("unknown_team")) == (["Ev2"], 2)

    def test_batches_do_not_linger_and_ordered_handlers_have_their_lanes(self, web: Web) -> None:
        batch = Subscription(task="tasks.batch", types=("message",), queue="q", batch=100, linger=60.0)
        ordered = Subscription(task="tasks.line", types=("message",), queue="q", ordered="channel")
        web.store.put_subscriptions("handler", [EVERYTHING, batch, ordered])
        web.gateway.look()
        assert web.event(message()).status_code == 200
        assert [event.ordered_lane for event in web.sink.events] == ["", "tasks.line:T1:C1"]  # type: ignore[attr-defined]
        assert [len(bundle.events) for bundle in web.sink.bundles] == [1]  # type: ignore[attr-defined]


class TestApps:
    def test_each_has_its_addresses_its_secret_and_its_bots(self, web: Web) -> None:
        web.add(namespace="beta", fingerprint="f2")
        assert web.event(message(), namespace="beta").status_code == 200
        assert [one["namespace"] for one in published(web)] == ["beta"]

    @pytest.mark.parametrize("kind", ["message", "app_uninstalled"])
    def test_an_app_says_nothing_for_the_bots_of_another(self, web: Web, kind: str) -> None:
        web.add(namespace="beta", fingerprint="f2")
        other = {"team_id": "beta-T1", "is_enterprise_install": False}
        for named in ([other], []):
            sent = web.event({**message(), "type": kind}, team_id="beta-T1", authorizations=named)
            assert sent.is_success
        assert web.form("commands", {"command": "/deploy", "team_id": "beta-T1"}).is_success
        assert (published(web), web.store.status("beta-T1")) == ([], None)

    def test_ids_of_one_app_hush_no_other(self, web: Web) -> None:
        web.add(namespace="beta", fingerprint="f2")
        for event_id in ("Ev1", "T1:C1:message:2.5"):
            assert web.event(message(), event_id, namespace="beta").is_success
            assert web.event(message(), event_id).is_success
        assert [one["namespace"] for one in published(web)] == ["beta", ""] * 2
        body = json.dumps(delivery(message()))
        assert refusal(web.send(body, "/slack/events/beta", SECRET)) == (401, "bad_signature", False)
        assert refusal(web.send(body, "/slack/events", OTHER_SECRET)) == (401, "bad_signature", False)

    def test_one_whose_secret_is_not_set_is_refused_until_it_is(
        self, web: Web, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(3):
            assert refusal(web.send("{}", "/slack/events/unsigned")) == (503, "not_configured", True)
        logged = [one for one in caplog.records if getattr(one, "action", "") == "gateway.not_configured"]
        assert len(logged) == 1

    @pytest.mark.parametrize("kind", ["events", "commands", "interactive"])
    def test_one_that_is_not_known_is_not_there(self, web: Web, kind: str) -> None:
        assert refusal(web.send("{}", f"/slack/{kind}/gamma")) == (404, "unknown_namespace", False)
        # Only where an app of ours is known is more of a stranger's body read than elsewhere.
        assert refusal(web.send("x" * 100_000, f"/slack/{kind}/gamma")) == (413, "too_large", False)


class TestSignatures:
    @pytest.mark.parametrize("away", [-299, 299])
    def test_five_minutes_either_way_are_well(self, web: Web, away: int) -> None:
        assert web.send(json.dumps(delivery(message())), at=time.time() + away).status_code == 200

    @pytest.mark.parametrize("away", [-302, 302, 10**9])
    def test_more_than_that_is_refused(self, web: Web, away: int) -> None:
        body = json.dumps(delivery(message()))
        assert refusal(web.send(body, at=time.time() + away)) == (401, "too_old", False)

    @pytest.mark.parametrize("stamp", ["", "x", "1e9", "-5", "1_0", " 17", "\u0661", "9" * 400, "nan"])
    def test_a_time_that_is_none_is_a_bad_request(self, web: Web, stamp: str) -> None:
        headers = {b"X-Slack-Request-Timestamp": stamp.encode(), b"X-Slack-Signature": b"v0=" + b"0" * 64}
        answer = web.client.post("/slack/events", content=b"{}", headers=headers)
        assert refusal(answer) == (400, "malformed", False)

    @pytest.mark.parametrize("signature", ["", "v0=", "v1=" + "0" * 64, "v0=" + "é" * 64, "0" * 64])
    def test_a_signature_that_is_none_is_refused(self, web: Web, signature: str) -> None:
        headers = {b"X-Slack-Request-Timestamp": str(int(time.time())).encode()}
        answer = web.client.post(
            "/slack/events",
            content=b"{}",
            headers={**headers, b"X-Slack-Signature": signature.encode("latin-1")},
        )
        assert refusal(answer) == (401, "bad_signature", False)

    def test_none_is_refused(self, web: Web) -> None:
        assert refusal(web.client.post("/slack/events", content=b"{}")) == (401, "unsigned", False)

    def test_two_are_refused_even_if_one_is_good(self, web: Web) -> None:
        stamp = str(int(time.time()))
        headers = [("X-Slack-Request-Timestamp", stamp), ("X-Slack-Request-Timestamp", stamp)]
        answer = web.client.post("/slack/events", content=b"{}", headers=headers)
        assert refusal(answer) == (400, "malformed", False)

    def test_a_changed_body_is_refused(self, web: Web) -> None:
        good = web.send(json.dumps(delivery(message())))
        headers = {n: v for n, v in good.request.headers.items() if n.startswith("x-slack")}
        answer = web.client.post("/slack/events", content=b"{}", headers=headers)
        assert refusal(answer) == (401, "bad_signature", False)


class TestBodies:
    def test_two_mebibytes_are_well_and_a_byte_more_is_not(self, web: Web) -> None:
        body = json.dumps(delivery(message())).encode()
        room = 2 * 2**20 - len(body)
        assert web.send(body + b" " * room).status_code == 200
        assert refusal(web.send(body + b" " * (room + 1))) == (413, "too_large", False)

    def test_what_has_no_length_is_counted_while_it_comes(self, web: Web) -> None:
        stamp = {"X-Slack-Request-Timestamp": str(int(time.time())), "X-Slack-Signature": "v0=0"}
        parts = (b"x" * 2**18 for _ in range(9))
        answer = web.client.post("/slack/events", content=parts, headers=stamp)
        assert refusal(answer) == (413, "too_large", False)

    @pytest.mark.parametrize(
        "body",
        [b"", b"[]", b"{", b"\xff", b'"x"', b"{}", b'{"type":5}', b'{"type":"event_callback"}']
        + [
            b'{"type":"event_callback","event":%b}' % event
            for event in (b"5", b"{}", b'{"type":""}', b"null")
        ]
        + [b'{"type":"url_verification"}', b'{"type":"url_verification","challenge":["x"]}', b"[" * 100_000]
        + [b'{"type":"event_callback","event":{"type":"a"},"authorizations":5}'],
    )
    def test_what_can_not_be_read_is_refused_for_good(self, web: Web, body: bytes) -> None:
        assert refusal(web.send(body)) == (400, "malformed", False)

    @given(body=st.binary(max_size=300), headers=st.dictionaries(st.sampled_from(["a"]), st.text()))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
    def test_no_bytes_break_it(self, web: Web, body: bytes, headers: dict[str, str]) -> None:
        for path in ("/slack/events", "/slack/commands", "/slack/interactive"):
            assert web.send(body, path).status_code in (200, 400)

    @given(
        outer=st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(
                ("type", "event", "team_id", "authorizations", "event_id", "event_time", "challenge"),
                st.recursive(
                    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("T1"),
                    lambda inner: (
                        st.lists(inner, max_size=2)
                        | st.dictionaries(
                            st.sampled_from(["type", "team_id", "tokens", "ts"]), inner, max_size=3
                        )
                    ),
                    max_leaves=5,
                ),
            ),
        ),
        kind=st.sampled_from(["message", "tokens_revoked", "app_uninstalled"]),
    )
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
    def test_no_json_breaks_it(self, web: Web, outer: dict[str, Any], kind: str) -> None:
        assert web.send(json.dumps({**delivery({"type": kind}), **outer})).status_code in (200, 400)
        assert web.send(json.dumps({**delivery({"type": kind}), "event": {**outer, "type": kind}})).is_success
        form = {"payload": json.dumps(outer), "command": "/x"}
        assert web.form("interactive", form).status_code in (200, 400)
        assert web.form("commands", form).status_code == 200
        assert web.count("defects") == 0


class TestOtherKinds:
    def test_a_challenge_is_answered_to_who_signs(self, web: Web) -> None:
        body = json.dumps({"type": "url_verification", "challenge": "abc", "token": "old"})
        answer = web.send(body)
        assert (answer.status_code, answer.text) == (200, "abc")
        assert answer.headers["content-type"].startswith("text/plain")
        assert refusal(web.send(body, secret="wrong")) == (401, "bad_signature", False)

    def test_an_unknown_kind_is_taken_and_counted(self, web: Web) -> None:
        assert web.send('{"type":"something_new"}').status_code == 200
        assert web.count("unknown_kind") == 1

    def test_limits_are_logged_once(self, web: Web, caplog: pytest.LogCaptureFixture) -> None:
        for _ in range(3):
            assert web.send('{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1}').is_success
        logged = [one for one in caplog.records if getattr(one, "action", "") == "gateway.rate_limited"]
        assert (len(logged), web.count("rate_limited")) == (1, 3)

    def test_other_methods_are_refused(self, web: Web) -> None:
        assert web.client.get("/slack/events").status_code == 405


class TestEnds:
    def state(self, web: Web) -> str | None:
        status = web.store.status("T1")
        return status.state if status else None

    def revoked(self, *users: str) -> dict[str, Any]:
        return {"type": "tokens_revoked", "tokens": {"oauth": ["U5"], "bot": list(users)}}

    @pytest.mark.parametrize("first", [0, 1])
    def test_either_may_come_first_and_both_are_events(self, web: Web, first: int) -> None:
        ends = [{"type": "app_uninstalled"}, self.revoked("U0")]
        for number in (first, 1 - first):
            assert web.event(ends[number], f"Ev{number}").status_code == 200
            assert self.state(web) == "token_revoked"
        assert {one["type"] for one in published(web)} == {"app_uninstalled", "tokens_revoked"}
        assert web.gateway.counters.deactivated == 1

    def test_another_persons_token_is_not_the_bots(self, web: Web) -> None:
        assert web.event(self.revoked("U7")).status_code == 200
        assert web.event(self.revoked(), "Ev2").status_code == 200
        assert self.state(web) is None

    def test_a_late_one_does_not_end_a_bot_that_was_installed_since(self, web: Web) -> None:
        web.add(updated_at=time.time())
        assert web.event({"type": "app_uninstalled"}, event_time=int(time.time()) - 60).status_code == 200
        assert (self.state(web), web.slack.asked) == (None, ["xoxb-T1-a"])

    def test_nor_where_our_clock_is_behind_slacks(self, web: Web) -> None:
        web.add(updated_at=time.time() - 200)
        assert web.event({"type": "app_uninstalled"}, event_time=int(time.time()) - 10).status_code == 200
        assert (self.state(web), web.slack.asked) == (None, ["xoxb-T1-a"])

    def test_when_slack_can_not_be_asked_it_comes_again(self, web: Web) -> None:
        web.add(updated_at=time.time())
        web.slack.errors["xoxb-T1-a"] = "unreachable"
        assert refusal(web.event({"type": "app_uninstalled"})) == (503, "unavailable", True)
        web.slack.errors["xoxb-T1-a"] = "account_inactive"
        assert web.event({"type": "app_uninstalled"}).status_code == 200
        assert web.event(self.revoked("U0"), "Ev2").status_code == 200
        assert (self.state(web), web.gateway.counters.deactivated) == ("token_revoked", 1)
        assert len(published(web)) == 2

    def test_nor_does_its_order_save_one_that_is_dead(self, web: Web) -> None:
        web.add(updated_at=time.time() + 5)
        web.slack.errors["xoxb-T1-a"] = "account_inactive"
        assert web.event({"type": "app_uninstalled"}).status_code == 200
        assert self.state(web) == "token_revoked"

    def test_when_it_was_not_published_it_comes_again(self, web: Web) -> None:
        web.sink.failing = True  # type: ignore[attr-defined]
        assert web.event({"type": "app_uninstalled"}).status_code == 503
        web.sink.failing = False  # type: ignore[attr-defined]
        assert web.event({"type": "app_uninstalled"}).status_code == 200
        assert (len(published(web)), self.state(web)) == (1, "token_revoked")

    def test_a_stopped_bot_ends_too(self, web: Web) -> None:
        web.add(desired="stopped")
        web.store.put_statuses({"T1": Status(state="stopped", since=1.0, generation=1)})
        assert web.event({"type": "app_uninstalled"}).status_code == 200
        assert (self.state(web), published(web)) == ("token_revoked", [])


COMMAND = {
    "token": "old-verification-token",
    "team_id": "T1",
    "channel_id": "C1",
    "user_id": "U1",
    "command": "/deploy",
    "text": "api now & then",
    "trigger_id": "13345224609.738474920",
    "response_url": "https://hooks.slack.example/1",
}


class TestForms:
    def test_a_slash_command_is_an_event_without_its_secret(self, web: Web) -> None:
        answer = web.form("commands", COMMAND)
        assert (answer.status_code, answer.content) == (200, b"")
        (envelope,) = published(web)
        assert envelope["id"] == "T1:slash_command:13345224609.738474920"
        assert envelope["type"] == "slash_command"
        assert envelope["payload"] == {name: value for name, value in COMMAND.items() if name != "token"}

    def test_people_also_speak_by_http_to_a_bot_with_a_socket(self, web: Web) -> None:
        web.add(transport="rtm")
        assert web.form("commands", COMMAND).is_success
        (envelope,) = published(web)
        assert (envelope["type"], envelope["transport"]) == ("slash_command", "http")

    def test_only_handlers_of_a_command_get_it(self, web: Web) -> None:
        one = Subscription(task="t", types=("slash_command",), queue="q", commands=("/deploy",))
        web.store.put_subscriptions("handler", [one])
        web.gateway.look()
        assert web.form("commands", COMMAND).is_success
        other = web.form("commands", {**COMMAND, "command": "/other"})
        assert other.is_success
        assert "No handler" in other.json()["text"]
        assert (len(published(web)), web.count("unwanted")) == (1, 1)

    @pytest.mark.parametrize(
        ("payload", "name"),
        [
            ({"type": "block_actions", "trigger_id": "1.2"}, "T1:block_actions:1.2"),
            ({"type": "view_submission", "trigger_id": "1", "view": {"id": "V1", "hash": "1.a"}}, "V1.1.a"),
            ({"type": "view_closed", "view": {"id": "V1", "hash": "1.b"}}, "T1:view_closed:V1.1.b"),
            ({"type": "shortcut", "trigger_id": "3.4"}, "T1:shortcut:3.4"),
            ({"type": "message_action", "trigger_id": "3.5"}, "T1:message_action:3.5"),
        ],
    )
    def test_an_interactive_payload_is_an_event_untouched(
        self, web: Web, payload: dict[str, Any], name: str
    ) -> None:
        whole = {"token": "old", "team": {"id": "T1"}, "user": {"id": "U1"}, "x": 1.50, **payload}
        answer = web.form("interactive", {"payload": json.dumps(whole)})
        assert (answer.status_code, answer.content) == (200, b"")
        (event,) = web.sink.events  # type: ignore[attr-defined]
        assert event.id.endswith(name)
        (envelope,) = published(web)
        del whole["token"]
        assert (envelope["type"], envelope["payload"]) == (payload["type"], whole)

    def test_numbers_and_texts_of_a_payload_stay_as_they_were_written(self, web: Web) -> None:
        raw = '{"type":"shortcut","token":"t","team":{"id":"T1"},"n":1.50e0,"s":"\\u00e9"}'
        assert web.form("interactive", {"payload": raw}).is_success
        assert b'"n":1.50e0,"s":"\\u00e9"' in web.sink.events[0].envelope  # type: ignore[attr-defined]
        assert b'"token"' not in web.sink.events[0].envelope  # type: ignore[attr-defined]

    def test_an_org_wide_installation_is_found(self, web: Web) -> None:
        web.add(team_id="E1", fingerprint="f2")
        org = {"is_enterprise_install": "true", "enterprise_id": "E1"}
        assert web.form("commands", {**COMMAND, **org}).is_success
        payload = {
            "type": "shortcut",
            "team": None,
            "enterprise": {"id": "E1"},
            "is_enterprise_install": True,
        }
        assert web.form("interactive", {"payload": json.dumps(payload)}).is_success
        assert [one["team_id"] for one in published(web)] == ["E1", "E1"]

    def test_options_come_at_once_and_are_none(self, web: Web) -> None:
        payload = {"type": "block_suggestion", "team": {"id": "T1"}, "value": "a"}
        answer = web.form("interactive", {"payload": json.dumps(payload)})
        assert (answer.status_code, answer.json()) == (200, {"options": []})

    @pytest.mark.parametrize("kind", ["commands", "interactive"])
    def test_a_certificate_is_looked_at_without_a_signature(self, web: Web, kind: str) -> None:
        path = f"/slack/{kind}"
        assert web.client.post(path, content=b"token=old&ssl_check=1").status_code == 200
        assert web.form(kind, {"ssl_check": "1"}).status_code == 200
        assert refusal(web.client.post(path, content=b"command=/deploy")) == (401, "unsigned", False)
        assert (published(web), web.count("verified")) == ([], 2)
        # Forms take long to read: of what nobody signed no more is read than is good for this.
        assert refusal(web.client.post(path, content=b"ssl_check=1&a=" + b"%" * 5000))[0] == 413

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            ("commands", b""),
            ("commands", b"text=x"),
            ("commands", b"&".join(b"a%d=1" % n for n in range(200))),
            ("commands", b"command=%ff"),
            ("interactive", b""),
            ("interactive", b"payload="),
            ("interactive", b"payload=%5B1%5D"),
            ("interactive", b"payload=%7B%7D"),
            ("interactive", b'payload={"type":5}'),
            ("interactive", b'{"type":"shortcut"}'),
        ],
    )
    def test_what_can_not_be_read_is_refused(self, web: Web, kind: str, body: bytes) -> None:
        assert refusal(web.send(body, f"/slack/{kind}")) == (400, "malformed", False)

    def test_a_command_that_the_broker_does_not_take_is_not_said_to_be(self, web: Web) -> None:
        web.sink.failing = True  # type: ignore[attr-defined]
        assert refusal(web.form("commands", COMMAND)) == (503, "unavailable", True)


def test_the_routes_lead_to_the_same(memory_store: MemoryStore) -> None:
    memory_store.put_subscriptions("handler", [EVERYTHING])
    with Web(memory_store, MemorySink(), shortcut=False) as web:
        web.add()
        assert web.event(message()).status_code == 200
        assert len(published(web)) == 1
        assert refusal(web.send("{}", secret="wrong")) == (401, "bad_signature", False)
        assert web.send("{}", "/slack/events/gamma").status_code == 404


def test_people_who_wait_hold_up_neither_slack_nor_probes(web: Web) -> None:
    web.add(team_id="T2")
    going_on = threading.Event()
    portal = web.client.portal
    assert portal is not None
    waiting = [portal.start_task_soon(web.context.run, going_on.wait, 3.0) for _ in range(60)]
    try:
        assert web.event(message(), team_id="T2", authorizations=[]).status_code == 200
        assert web.client.get("/readyz").status_code == 200
        assert not any(one.done() for one in waiting)
    finally:
        going_on.set()


def test_no_secret_and_no_text_is_logged(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    web.form("commands", {**COMMAND, "text": "words of somebody"})
    web.event(message("words of somebody"))
    web.sink.failing = True  # type: ignore[attr-defined]
    web.event(message("words of somebody"), "Ev2")
    web.event({"type": "app_uninstalled"}, "Ev3")
    assert not [s for s in ("words of", "old-verif", SECRET, "xoxb-", "hooks.slack") if s in caplog.text]


def test_the_fleet_knows_how_much_came(web: Web) -> None:
    for number in range(3):
        assert web.event(message(), f"Ev{number}").status_code == 200
    eventually(lambda: web.store.positions([HTTP_COUNTER]) == [3])
