"""The session's rules, one by one; `test_session_machine.py` mixes them at random."""

from __future__ import annotations

import pytest

from botfleet.model import Answer
from botfleet.slack.errors import GROUPS, Group, to_exception
from botfleet.slack.frames import FRAME_LIMIT
from botfleet.slack.session import (
    PAUSE,
    SLOW,
    STABLE,
    TYPING_INTERVAL,
    Answered,
    Close,
    Connect,
    Emit,
    Phase,
    Publish,
    Refused,
    Report,
    Send,
    Timing,
)

from .sessions import TIMING, Driver, of, types

ALL_ERRORS = sorted(GROUPS)
DEAD_AT_ONCE = [error for error in ALL_ERRORS if GROUPS[error] is Group.DEAD and error != "invalid_auth"]


@pytest.fixture
def driver() -> Driver:
    return Driver()


def test_the_ordinary_way(driver: Driver) -> None:
    assert types(driver.start()) == ["Report(connecting)", "Connect(1)"]
    assert driver.opened() == []
    assert types(driver.received(type="hello")) == ["Report(connected)", "Publish(hello)"]
    assert types(driver.received(type="message", channel="C1", ts="1.1")) == ["Publish(message)"]
    assert types(driver.stop()) == ["Close(1)", "Report(stopped)"]


def test_a_start_of_what_is_started_does_nothing(driver: Driver) -> None:
    driver.start()
    assert driver.start() == []
    driver.hello()
    assert driver.start() == []
    driver.closed()
    assert driver.start() == []


def test_a_published_frame_is_the_bytes_that_came(driver: Driver) -> None:
    driver.connect()
    said = driver.received(type="message", text="é\u2028", ts="1.1")
    assert of(Publish, said)[0].raw == b'{"type": "message", "text": "\\u00e9\\u2028", "ts": "1.1"}'


class TestErrors:
    """Every string of the table, refused at connecting."""

    @pytest.mark.parametrize("error", DEAD_AT_ONCE)
    def test_a_dead_token_is_told_once_and_tried_no_more(self, driver: Driver, error: str) -> None:
        driver.start()
        driver.failed(error)
        assert driver.only(Report) == Report("token_revoked", error)
        told = driver.only(Emit)
        assert (told.type, told.payload) == ("bot_disabled", {"type": "bot_disabled", "error": error})
        assert driver.session.phase is Phase.DEAD
        assert driver.session.deadline is None
        assert driver.sleep(100_000) == []
        assert len(of(Emit, driver.all)) == 1

    def test_invalid_auth_is_confirmed_once(self, driver: Driver) -> None:
        driver.start()
        driver.failed("invalid_auth")
        assert driver.only(Report).state == "disconnected"
        assert driver.only(Report).error == "invalid_auth"
        driver.wait_out()
        driver.only(Connect)
        driver.failed("invalid_auth")
        assert driver.only(Report) == Report("token_revoked", "invalid_auth")
        assert len(of(Emit, driver.all)) == 1
        assert driver.session.deadline is None

    def test_an_invalid_auth_is_forgotten_after_a_hello(self, driver: Driver) -> None:
        driver.start()
        driver.failed("invalid_auth")
        driver.connect()
        driver.closed()
        driver.wait_out()
        driver.failed("invalid_auth")
        assert driver.session.phase is Phase.WAITING

    @pytest.mark.parametrize("error", [error for error in ALL_ERRORS if GROUPS[error] is Group.CONFIGURATION])
    def test_what_no_retry_mends_is_said_and_left(self, driver: Driver, error: str) -> None:
        driver.start()
        driver.failed(error)
        assert driver.said == [Report("disconnected", error)]
        assert driver.session.deadline is None
        assert driver.sleep(100_000) == []

    @pytest.mark.parametrize("error", [error for error in ALL_ERRORS if GROUPS[error] is Group.PAUSE])
    def test_a_team_that_is_moved_is_waited_for_and_then_longer(self, driver: Driver, error: str) -> None:
        driver.start()
        delays = []
        for _ in range(6):
            driver.failed(error)
            delays.append(driver.only(Report).retry_in or 0.0)
            driver.wait_out()
        assert min(delays) >= PAUSE >= 5.0
        assert delays == sorted(delays)
        assert delays[-1] > 2 * delays[0]

    def test_an_account_without_access_is_tried_slowly(self, driver: Driver) -> None:
        driver.start()
        driver.failed("accesslimited")
        assert (driver.only(Report).retry_in or 0.0) >= SLOW

    @pytest.mark.parametrize("error", ["ratelimited", "rate_limited"])
    def test_retry_after_is_honoured(self, driver: Driver, error: str) -> None:
        driver.start()
        driver.failed(error, after=37.0)
        report = driver.only(Report)
        assert (report.state, report.error) == ("rate_limited", error)
        assert report.retry_in is not None
        assert report.retry_in >= 37.0
        assert driver.sleep(36.9) == []
        assert types(driver.sleep(60.1)) == ["Report(connecting)", "Connect(2)"]

    @pytest.mark.parametrize(
        "error",
        [error for error in ALL_ERRORS if GROUPS[error] in (Group.TRANSIENT, Group.REFRESH)]
        + ["unreachable", "timeout", "http_502", "something_new", ""],
    )
    def test_what_may_pass_is_tried_again(self, driver: Driver, error: str) -> None:
        driver.start()
        driver.failed(error)
        report = driver.only(Report)
        assert report.state == (
            "rate_limited" if error in ("ratelimited", "rate_limited") else "disconnected"
        )
        assert report.retry_in == pytest.approx(0.5)
        assert types(driver.wait_out()) == ["Report(connecting)", "Connect(2)"]

    def test_a_retry_after_counts_for_any_error(self, driver: Driver) -> None:
        driver.start()
        driver.failed("service_unavailable", after=20.0)
        assert (driver.only(Report).retry_in or 0.0) >= 20.0

    def test_a_start_brings_a_dead_one_back(self, driver: Driver) -> None:
        driver.start()
        driver.failed("account_inactive")
        assert types(driver.start()) == ["Report(connecting)", "Connect(2)"]
        driver.failed("account_inactive")
        assert len(of(Emit, driver.all)) == 2, "it is another death"

    def test_a_restart_brings_a_dead_one_back(self, driver: Driver) -> None:
        driver.start()
        driver.failed("account_inactive")
        assert types(driver.restart()) == ["Report(connecting)", "Connect(2)"]

    def test_a_dead_token_closes_the_link_of_the_former_one(self, driver: Driver) -> None:
        driver.connect().restart()
        assert types(driver.failed("token_revoked"))[0] == "Close(1)"
        assert driver.session.phase is Phase.DEAD


class TestBackoff:
    def test_it_is_full_jitter_up_to_a_bound_that_doubles_and_never_ends(self) -> None:
        driver = Driver()
        driver.start()
        for failure in range(400):
            driver.chance = (failure * 0.618) % 1.0
            driver.failed("unreachable")
            bound = min(60.0, 2.0**failure)
            assert driver.only(Report).retry_in == pytest.approx(bound * driver.chance)
            driver.wait_out()
            driver.only(Connect)

    @pytest.mark.parametrize("chance", [0.0, 0.999])
    def test_each_delay_is_between_nothing_and_the_cap(self, chance: float) -> None:
        driver = Driver(chance=chance)
        driver.start()
        for _ in range(20):
            driver.failed("timeout")
            assert 0.0 <= (driver.only(Report).retry_in or 0.0) <= 60.0
            driver.wait_out()

    def test_it_begins_anew_after_a_connection_that_lasted(self, driver: Driver) -> None:
        driver.start()
        for _ in range(8):
            driver.failed("unreachable")
            driver.wait_out()
        driver.hello()
        driver.now += STABLE
        driver.closed()
        assert driver.only(Report).retry_in == pytest.approx(0.5)

    def test_a_connection_that_did_not_last_is_another_failure(self, driver: Driver) -> None:
        driver.start()
        for _ in range(8):
            driver.failed("unreachable")
            driver.wait_out()
        driver.hello()
        driver.now += STABLE / 2
        driver.closed()
        assert driver.only(Report).retry_in == pytest.approx(30.0)

    def test_one_lasting_connection_resets_it_once_only(self, driver: Driver) -> None:
        driver.connect()
        driver.now += STABLE
        driver.closed()
        delays = []
        for _ in range(4):
            driver.wait_out()
            driver.failed("unreachable")
            delays.append(driver.only(Report).retry_in)
        assert delays == pytest.approx([1.0, 2.0, 4.0, 8.0])

    def test_a_start_begins_anew(self, driver: Driver) -> None:
        driver.start()
        for _ in range(8):
            driver.failed("unreachable")
            driver.wait_out()
        driver.stop()
        driver.start()
        driver.failed("unreachable")
        assert driver.only(Report).retry_in == pytest.approx(0.5)


class TestRateLimits:
    """Slack said for how long it does not want to hear of a team."""

    def test_one_that_begins_in_the_meantime_waits(self, driver: Driver) -> None:
        assert types(driver.start(not_before=driver.now + 30.0)) == ["Report(rate_limited)"]
        assert driver.only(Report) == Report("rate_limited", "ratelimited", 30.0)
        assert driver.session.phase is Phase.WAITING
        assert driver.sleep(29.9) == []
        assert types(driver.sleep(0.2)) == ["Report(connecting)", "Connect(1)"]

    @pytest.mark.parametrize("ago", [0.0, 0.1, 10_000.0])
    def test_what_is_over_hinders_nothing(self, driver: Driver, ago: float) -> None:
        assert types(driver.start(not_before=driver.now - ago)) == ["Report(connecting)", "Connect(1)"]

    def test_a_start_of_what_waits_changes_nothing(self, driver: Driver) -> None:
        driver.start(not_before=driver.now + 30.0)
        assert driver.start() == []
        assert driver.start(not_before=driver.now + 60.0) == []
        assert types(driver.sleep(30.0)) == ["Report(connecting)", "Connect(1)"]

    def test_the_backoff_begins_afresh_after_the_wait(self, driver: Driver) -> None:
        driver.start(not_before=driver.now + 30.0)
        driver.wait_out()
        driver.failed("unreachable")
        assert driver.only(Report).retry_in == pytest.approx(0.5)

    def test_messages_wait_with_it(self, driver: Driver) -> None:
        driver.start(not_before=driver.now + 30.0)
        assert driver.send(text="a") == []
        driver.connect()
        assert driver.texts() == ["a"]

    def test_it_can_be_stopped_and_still_knows_afterwards(self, driver: Driver) -> None:
        driver.start()
        driver.failed("ratelimited", after=30.0)
        assert types(driver.stop()) == ["Report(stopped)"]
        assert driver.sleep(10.0) == []
        driver.start()
        assert driver.only(Report) == Report("rate_limited", "ratelimited", 20.0)
        assert len(of(Connect, driver.sleep(20.0))) == 1

    def test_a_restart_does_not_shorten_the_wait(self, driver: Driver) -> None:
        driver.start()
        driver.failed("ratelimited", after=30.0)
        driver.now += 10.0
        assert types(driver.restart()) == ["Report(rate_limited)"]
        assert driver.only(Report).retry_in == pytest.approx(20.0)
        assert driver.sleep(19.9) == []
        assert types(driver.sleep(0.2)) == ["Report(connecting)", "Connect(2)"]

    def test_a_restart_after_the_wait_connects_at_once(self, driver: Driver) -> None:
        driver.start()
        driver.failed("ratelimited", after=30.0)
        driver.now += 30.0
        assert types(driver.restart()) == ["Report(connecting)", "Connect(2)"]

    def test_other_failures_that_name_a_time_do_not_bind_a_restart(self, driver: Driver) -> None:
        driver.start()
        driver.failed("service_unavailable", after=30.0)
        assert types(driver.restart()) == ["Report(connecting)", "Connect(2)"]

    @pytest.mark.parametrize("because", ["goodbye", "restart"])
    def test_the_old_link_serves_until_the_new_one_may_be_opened(self, driver: Driver, because: str) -> None:
        driver.connect()
        driver.now += STABLE
        if because == "goodbye":
            driver.received(type="goodbye")
        else:
            driver.restart()
        assert types(driver.failed("ratelimited", after=30.0)) == ["Report(rate_limited)"]
        for _ in range(2):
            assert types(driver.received(1, type="message", ts="1.1")) == ["Publish(message)"]
            assert driver.sleep(14.0) == []
        assert types(driver.restart()) == ["Report(rate_limited)"], "nor does a restart close it"
        assert types(driver.sleep(3.0)) == ["Connect(3)"]
        assert types(driver.received(1, type="message", ts="1.2")) == ["Publish(message)"]
        assert types(driver.hello()) == ["Report(connected)", "Close(1)", "Publish(hello)"]

    def test_slack_may_close_the_old_link_meanwhile(self, driver: Driver) -> None:
        driver.connect()
        driver.now += STABLE
        driver.received(type="goodbye")
        driver.failed("ratelimited", after=30.0)
        assert driver.closed(link=1) == []
        assert driver.sleep(29.9) == []
        assert types(driver.sleep(1.0)) == ["Report(connecting)", "Connect(3)"]


class TestClose:
    @pytest.mark.parametrize("reason", ["1000", "1005", "1006", "closed without a word", ""])
    def test_any_close_leads_to_one_new_attempt(self, driver: Driver, reason: str) -> None:
        driver.connect()
        said = driver.closed(reason)
        assert types(said) == ["Report(disconnected)"]
        assert driver.only(Report).error == (reason or "closed")
        assert len(of(Connect, driver.sleep(59.0))) == 1

    def test_close_code_1008_means_rate_limited(self, driver: Driver) -> None:
        driver.connect()
        driver.closed("1008")
        assert driver.only(Report).state == "rate_limited"
        assert (driver.only(Report).retry_in or 0.0) >= TIMING.retry_base

    def test_a_close_before_hello_leads_to_one_new_attempt(self, driver: Driver) -> None:
        driver.start()
        driver.opened()
        assert types(driver.closed()) == ["Report(disconnected)"]
        assert types(driver.wait_out()) == ["Report(connecting)", "Connect(2)"]

    def test_no_hello_in_time_is_a_failure(self, driver: Driver) -> None:
        driver.start()
        driver.opened()
        assert driver.sleep(TIMING.hello_timeout - 0.01) == []
        assert types(driver.sleep(0.02)) == ["Close(1)", "Report(disconnected)"]

    def test_an_url_that_was_too_old_is_a_failure(self, driver: Driver) -> None:
        driver.start()
        driver.opened()
        error = {"code": 1, "msg": "Socket URL has expired"}
        assert types(driver.received(type="error", error=error)) == ["Close(1)", "Report(disconnected)"]
        assert driver.only(Report).error == "socket URL expired"
        assert types(driver.wait_out()) == ["Report(connecting)", "Connect(2)"]

    @pytest.mark.parametrize("error", [{"code": 2}, None, "text", [], {"code": {}}])
    def test_other_error_frames_are_events(self, driver: Driver, error: object) -> None:
        driver.start()
        driver.opened()
        assert types(driver.received(type="error", error=error)) == ["Publish(error)"]
        driver.received(type="hello")
        assert types(driver.received(type="error", error={"code": 1})) == ["Publish(error)"]


class TestSilence:
    def test_a_quiet_connection_is_pinged_and_lives_on_with_each_pong(self, driver: Driver) -> None:
        driver.connect()
        for _ in range(5):
            assert driver.sleep(TIMING.ping_interval - 0.01) == []
            driver.sleep(0.02)
            ping = driver.frames()
            assert [frame["type"] for frame in ping] == ["ping"]
            assert driver.received(type="pong", reply_to=ping[0]["id"]) == []
        assert len(of(Connect, driver.all)) == 1

    def test_a_busy_connection_is_not_pinged(self, driver: Driver) -> None:
        driver.connect()
        for _ in range(10):
            assert of(Send, driver.sleep(TIMING.ping_interval * 0.9)) == []
            driver.received(type="message", ts="1.1")

    def test_a_silent_peer_is_noticed_within_twice_the_interval(self, driver: Driver) -> None:
        driver.connect()
        said = driver.sleep(2 * TIMING.ping_interval)
        assert types(said) == ["Send(1)", "Close(1)", "Report(disconnected)"]
        assert driver.only(Report).error == "silent"

    def test_a_silent_peer_leads_to_exactly_one_reconnect(self, driver: Driver) -> None:
        driver.connect()
        driver.sleep(2 * TIMING.ping_interval + 1.0)
        assert len(of(Connect, driver.said)) == 1
        driver.hello()
        assert len(of(Connect, driver.sleep(TIMING.ping_interval * 1.5))) == 0
        assert len(of(Connect, driver.all)) == 2

    def test_anything_that_comes_in_counts_as_life(self, driver: Driver) -> None:
        driver.connect()
        for _ in range(10):
            driver.sleep(TIMING.ping_interval * 1.5)
            driver.session.heard(driver.session.link, driver.now)
        assert len(of(Connect, driver.all)) == 1

    def test_what_comes_on_the_former_link_does_not_keep_the_new_one_alive(self, driver: Driver) -> None:
        driver.connect()
        driver.restart()
        driver.opened()
        driver.now += TIMING.hello_timeout
        driver.session.heard(1, driver.now)
        driver.received(1, type="message", ts="1.1")
        assert types(driver.tick()) == ["Close(2)", "Report(disconnected)"]


class TestGoodbye:
    def test_the_new_link_is_open_before_the_old_is_closed(self, driver: Driver) -> None:
        driver.connect()
        driver.now += STABLE
        assert types(driver.received(type="goodbye")) == ["Publish(goodbye)", "Connect(2)"]
        assert types(driver.received(1, type="message", ts="1.1")) == ["Publish(message)"]
        driver.opened()
        assert types(driver.received(1, type="message", ts="1.2")) == ["Publish(message)"]
        assert types(driver.received(2, type="hello")) == ["Report(connected)", "Close(1)", "Publish(hello)"]
        assert driver.received(1, type="message", ts="1.3") == []
        assert types(driver.received(2, type="message", ts="1.3")) == ["Publish(message)"]

    def test_events_of_the_new_link_before_its_hello_are_published_too(self, driver: Driver) -> None:
        driver.connect()
        driver.restart()
        driver.opened()
        assert types(driver.received(2, type="message", ts="1.2")) == ["Publish(message)"]

    def test_slack_may_close_the_old_link_first(self, driver: Driver) -> None:
        driver.connect()
        driver.now += STABLE
        driver.received(type="goodbye")
        assert types(driver.closed(link=1)) == ["Report(connecting)"]
        assert types(driver.hello()) == ["Report(connected)", "Publish(hello)"]

    def test_a_second_goodbye_on_the_old_link_changes_nothing(self, driver: Driver) -> None:
        driver.connect()
        driver.now += STABLE
        driver.received(type="goodbye")
        assert types(driver.received(1, type="goodbye")) == ["Publish(goodbye)"]
        assert len(of(Connect, driver.all)) == 2

    def test_the_old_link_stays_while_the_new_one_fails(self, driver: Driver) -> None:
        driver.connect()
        driver.now += STABLE
        driver.received(type="goodbye")
        driver.failed("unreachable")
        assert of(Close, driver.said) == []
        assert types(driver.received(1, type="message", ts="1.1")) == ["Publish(message)"]
        assert types(driver.wait_out()) == ["Connect(3)"]
        assert types(driver.hello()) == ["Report(connected)", "Close(1)", "Publish(hello)"]

    def test_goodbye_after_each_hello_is_no_loop_without_a_pause(self) -> None:
        driver = Driver(chance=0.999)
        driver.connect()
        delays = []
        for _ in range(6):
            driver.received(type="goodbye")
            delays.append(driver.only(Report).retry_in or 0.0)
            assert of(Close, driver.said) == [], "the link serves until it is closed"
            driver.connect()
        assert delays == sorted(delays)
        assert delays[-1] > 30.0


class TestStopAndRestart:
    """In every phase."""

    PHASES = (
        "idle",
        "connecting",
        "opening",
        "connected",
        "waiting",
        "dead",
        "replacing",
        "reopening",
    )

    def in_phase(self, phase: str) -> tuple[Driver, set[int]]:
        """A driver, and the links that are open."""
        driver = Driver()
        if phase == "idle":
            return driver, set()
        driver.start()
        if phase == "connecting":
            return driver, set()
        if phase in ("waiting", "dead"):
            driver.failed("timeout" if phase == "waiting" else "team_disabled")
            return driver, set()
        driver.opened()
        if phase == "opening":
            return driver, {1}
        driver.received(type="hello")
        if phase == "connected":
            return driver, {1}
        driver.restart()
        if phase == "reopening":
            driver.opened()
            return driver, {1, 2}
        return driver, {1}

    @pytest.mark.parametrize("phase", PHASES)
    def test_stop_closes_every_link_and_plans_nothing(self, phase: str) -> None:
        driver, links = self.in_phase(phase)
        said = driver.stop()
        assert links <= {one.link for one in of(Close, said)}
        assert of(Report, said) == [Report("stopped")]
        assert driver.session.deadline is None
        assert driver.session.phase is Phase.IDLE
        assert driver.sleep(100_000) == []

    @pytest.mark.parametrize("phase", PHASES)
    def test_restart_connects_once_and_keeps_a_working_link_until_hello(self, phase: str) -> None:
        driver, links = self.in_phase(phase)
        working = (
            {1} if driver.session.phase is Phase.CONNECTED or phase in ("replacing", "reopening") else set()
        )
        said = driver.restart()
        assert len(of(Connect, said)) == 1
        assert {one.link for one in of(Close, said)} & working == set()
        for link in working:
            assert types(driver.received(link, type="message", ts="1.1")) == ["Publish(message)"]
        said += driver.hello()
        assert links <= {one.link for one in of(Close, said)}
        assert of(Report, said)[-1] == Report("connected")

    @pytest.mark.parametrize("phase", ["connecting", "opening"])
    def test_what_was_under_way_when_it_was_stopped_is_closed_when_it_comes(self, phase: str) -> None:
        driver, _ = self.in_phase(phase)
        driver.stop()
        assert driver.opened(1) == [Close(1)]
        assert driver.failed("timeout", link=1) == []
        assert driver.closed(link=1) == []
        assert driver.received(1, type="hello") == []

    def test_a_stopped_one_starts_again(self, driver: Driver) -> None:
        driver.connect().stop()
        assert types(driver.start()) == ["Report(connecting)", "Connect(2)"]

    def test_a_disconnect_command_connects_anew(self, driver: Driver) -> None:
        driver.connect()
        assert types(driver.send("disconnect")) == ["Close(1)", "Report(disconnected)"]
        assert types(driver.wait_out()) == ["Report(connecting)", "Connect(2)"]
        assert driver.send("disconnect") == []


class TestStaleLinks:
    def test_the_result_of_an_attempt_that_nobody_waits_for_is_ignored(self, driver: Driver) -> None:
        driver.start()
        driver.restart()
        assert driver.failed("token_revoked", link=1) == []
        assert driver.opened(1) == [Close(1)]
        assert driver.session.phase is Phase.CONNECTING
        assert types(driver.hello()) == ["Report(connected)", "Publish(hello)"]

    def test_frames_and_closings_of_a_link_that_was_given_up_are_ignored(self, driver: Driver) -> None:
        driver.connect()
        driver.sleep(2 * TIMING.ping_interval)
        assert driver.received(1, type="hello") == []
        assert driver.received(1, type="message", ts="1.1") == []
        assert driver.closed(link=1) == []
        assert driver.session.phase is Phase.WAITING

    def test_a_second_hello_changes_nothing(self, driver: Driver) -> None:
        driver.connect()
        assert driver.received(type="hello") == []


class TestAnswers:
    def test_answers_may_come_in_any_order(self, driver: Driver) -> None:
        driver.connect()
        numbers = []
        for text in ("a", "b", "c"):
            driver.send(text=text)
            numbers += [frame["id"] for frame in driver.frames()]
        assert len(set(numbers)) == 3
        for number in reversed(numbers):
            assert driver.received(ok=True, reply_to=number, ts="1.1", text="changed") == []

    def test_a_refused_message_is_told(self, driver: Driver) -> None:
        driver.connect()
        driver.received(ok=False, reply_to=1, error={"code": 2, "msg": "message text is missing"})
        assert "message text is missing" in driver.only(Refused).reason

    @pytest.mark.parametrize(
        "frame",
        [
            {},
            {"reply_to": 99, "ok": True},
            {"reply_to": 99, "ok": False},
            {"reply_to": None, "ok": False, "error": {}},
            {"reply_to": 1, "ok": "no", "error": "text"},
            {"type": "pong"},
        ],
    )
    def test_odd_answers_are_survived(self, driver: Driver, frame: dict[str, object]) -> None:
        driver.connect()
        assert driver.received(**frame) == []

    def test_who_waits_hears_what_slack_called_the_message(self, driver: Driver) -> None:
        driver.connect()
        driver.send(ticket="t1")
        driver.send(ticket="t2")
        driver.send()
        driver.received(ok=True, reply_to=2, ts="2.0", text="hi")
        assert driver.answers() == [("t2", Answer(ts="2.0"))]
        driver.received(ok=True, reply_to=3, ts="3.0", text="hi")
        assert driver.answers() == []
        driver.received(ok=True, reply_to=1, ts="1.0", text="hi")
        assert driver.answers() == [("t1", Answer(ts="1.0"))]
        driver.received(ok=True, reply_to=1, ts="1.0", text="hi")
        assert driver.answers() == []

    @pytest.mark.parametrize(
        ("error", "answer"),
        [
            ({"code": 3, "msg": "channel_not_found"}, Answer(error="channel_not_found")),
            (
                {"code": 2, "msg": "message text is missing"},
                Answer(error="no_text", detail="message text is missing"),
            ),
            (
                {"code": -1, "msg": "slow down, too many messages..."},
                Answer(error="ratelimited", detail="slow down, too many messages..."),
            ),
            ({"code": 77, "msg": "Oh"}, Answer(error="rtm_error_77", detail="Oh")),
            ({}, Answer(error="rtm_error")),
        ],
    )
    def test_who_waits_hears_slacks_refusal(
        self, driver: Driver, error: dict[str, object], answer: Answer
    ) -> None:
        driver.connect()
        driver.send(ticket="t1")
        driver.received(ok=False, reply_to=1, error=error)
        assert driver.answers() == [("t1", answer)]

    @pytest.mark.parametrize("how", ["closed", "silent", "disconnect", "stop", "goodbye"])
    def test_who_waits_hears_that_nobody_will_know(self, driver: Driver, how: str) -> None:
        driver.connect()
        driver.send(ticket="t1")
        before = len(driver.all)
        match how:
            case "closed":
                driver.closed()
            case "silent":
                driver.sleep(2 * TIMING.ping_interval + 1)
            case "disconnect":
                driver.send("disconnect")
            case "stop":
                driver.stop()
            case "goodbye":
                driver.received(type="goodbye")
                driver.closed(link=1)
        doubt = Answer(error="connection_lost", in_doubt=True)
        assert [(one.ticket, one.answer) for one in of(Answered, driver.all[before:])] == [("t1", doubt)]

    def test_an_answer_may_come_on_the_former_link(self, driver: Driver) -> None:
        driver.connect()
        driver.send(ticket="t1")
        driver.restart()
        driver.received(1, ok=True, reply_to=1, ts="1.0")
        assert driver.answers() == [("t1", Answer(ts="1.0"))]

    def test_the_former_links_answers_are_not_taken_for_the_new_ones(self, driver: Driver) -> None:
        driver.connect()
        driver.send(ticket="t1")
        driver.restart()
        driver.hello()
        assert driver.answers() == [("t1", Answer(error="connection_lost", in_doubt=True))]
        driver.send(ticket="t2")
        driver.received(1, ok=True, reply_to=1, ts="1.0")
        assert driver.answers() == []
        driver.received(ok=True, reply_to=1, ts="2.0")
        assert driver.answers() == [("t2", Answer(ts="2.0"))]

    def test_who_waits_hears_that_it_will_not_be_sent(self, driver: Driver) -> None:
        driver.send(ticket="idle")
        assert driver.errors() == {"idle": "not_connected"}
        driver.start()
        for n in range(TIMING.send_buffer):
            driver.send(ticket=f"t{n}")
        driver.send(ticket="too much")
        assert driver.errors() == {"too much": "buffer_full"}
        driver.send(ticket="too long", text="x" * FRAME_LIMIT)
        assert driver.errors() == {"too long": "msg_too_long"}
        driver.failed("account_inactive")
        assert driver.answers() == [
            (f"t{n}", Answer(error="account_inactive")) for n in range(TIMING.send_buffer)
        ]

    def test_numbers_are_new_on_each_connection_and_unique_in_it(self, driver: Driver) -> None:
        driver.connect()
        driver.send()
        assert [frame["id"] for frame in driver.frames()] == [1]
        driver.closed()
        driver.connect()
        driver.send()
        assert [frame["id"] for frame in driver.frames()] == [1]
        driver.send("ping")
        assert [frame["id"] for frame in driver.frames()] == [2]


class TestSending:
    def test_messages_wait_in_order_while_connecting(self, driver: Driver) -> None:
        driver.start()
        for text in ("a", "b", "c"):
            assert driver.send(text=text) == []
        driver.hello()
        assert driver.texts() == ["a", "b", "c"]
        assert {one.link for one in of(Send, driver.said)} == {1}
        assert driver.session.unsent == 0

    def test_messages_wait_through_failures_and_between_links(self, driver: Driver) -> None:
        driver.connect()
        driver.restart()
        driver.send(text="a")
        driver.failed("unreachable")
        driver.send(text="b")
        driver.connect()
        assert driver.texts() == ["a", "b"]
        assert {one.link for one in of(Send, driver.said)} == {3}

    def test_what_comes_past_the_bound_is_refused_and_the_first_ones_kept(self, driver: Driver) -> None:
        driver.start()
        for n in range(TIMING.send_buffer):
            assert driver.send(text=str(n)) == []
        driver.send(text="too much")
        driver.only(Refused)
        driver.hello()
        assert driver.texts() == [str(n) for n in range(TIMING.send_buffer)]

    @pytest.mark.parametrize("phase", [Phase.IDLE, Phase.DEAD])
    def test_without_a_connection_to_come_messages_are_refused(self, driver: Driver, phase: Phase) -> None:
        driver.start()
        if phase is Phase.DEAD:
            driver.failed("account_inactive")
        else:
            driver.stop()
        driver.send()
        driver.only(Refused)
        driver.connect()
        assert driver.texts() == []

    def test_a_stop_forgets_what_waits(self, driver: Driver) -> None:
        driver.start()
        driver.send()
        driver.stop()
        assert driver.session.unsent == 0
        driver.connect()
        assert driver.texts() == []

    def test_messages_are_paced_after_a_burst(self) -> None:
        driver = Driver(Timing(ping_interval=1000.0, send_buffer=100, send_rate=1.0, send_burst=3))
        driver.connect()
        for n in range(10):
            driver.send(text=str(n))
        sent = [driver.all.index(one) for one in of(Send, driver.all)]
        assert len(sent) == 3
        times = []
        while driver.session.unsent:
            driver.wait_out()
            times += [driver.now - 1000.0] * len(driver.texts())
        assert times == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], abs=0.01)
        assert driver.sleep(10.0) == []
        for n in range(4):
            driver.send(text=str(n))
        assert len(of(Send, driver.all)) == 13, "the burst is there again after a pause"

    def test_pacing_does_not_hinder_pings(self) -> None:
        driver = Driver(Timing(ping_interval=2.0, send_rate=0.1, send_burst=1, send_buffer=10))
        driver.connect()
        driver.send()
        driver.send()
        driver.sleep(3.9)
        assert [frame["type"] for frame in driver.frames()] == ["ping"]

    def test_a_message_is_a_frame_with_a_number(self, driver: Driver) -> None:
        driver.connect()
        driver.send(text="hé", thread_ts="1.1", id="nonsense", type="nonsense")
        assert driver.frames() == [
            {"thread_ts": "1.1", "id": 1, "type": "message", "channel": "C1", "text": "hé"}
        ]

    @pytest.mark.parametrize(
        "text", ["x" * FRAME_LIMIT, "é" * (FRAME_LIMIT // 2), '"' * (FRAME_LIMIT // 2), "\0" * 3000]
    )
    def test_a_frame_that_slack_would_hang_up_on_is_refused(self, driver: Driver, text: str) -> None:
        driver.connect()
        driver.send(text=text)
        driver.only(Refused)
        assert driver.session.unsent == 0

    def test_a_ping_that_is_too_long_is_refused(self, driver: Driver) -> None:
        driver.connect()
        driver.send("ping", note="x" * FRAME_LIMIT)
        driver.only(Refused)

    def test_the_longest_message_goes_out(self, driver: Driver) -> None:
        driver.connect()
        driver.send(text="x" * (FRAME_LIMIT - 100))
        assert len(driver.only(Send).text.encode()) <= FRAME_LIMIT

    def test_pings_and_typing_do_not_wait_for_a_connection(self, driver: Driver) -> None:
        driver.start()
        assert driver.send("ping") == []
        assert driver.send("typing") == []
        assert driver.session.unsent == 0

    def test_a_ping_takes_further_fields(self, driver: Driver) -> None:
        driver.connect()
        driver.send("ping", channel="", text="", time=5)
        assert driver.frames() == [{"time": 5, "id": 1, "type": "ping"}]

    def test_typing_is_throttled_per_channel(self, driver: Driver) -> None:
        driver.connect()
        for _ in range(3):
            for channel in ("C1", "C2"):
                driver.send("typing", channel=channel)
        assert len(of(Send, driver.all)) == 2
        driver.now += TYPING_INTERVAL
        driver.send("typing", channel="C1")
        assert driver.frames() == [{"id": 3, "type": "typing", "channel": "C1"}]

    def test_typing_in_many_channels_stays_within_slacks_rate(self) -> None:
        driver = Driver(Timing(send_rate=1.0, send_burst=4))
        driver.connect()
        for n in range(50):
            driver.send("typing", channel=f"C{n}")
        assert len(of(Send, driver.all)) == 4


def test_an_exception_carries_the_decision() -> None:
    assert to_exception("team_disabled").fatal
    assert not to_exception("ratelimited", 5.0).fatal
    assert to_exception("ratelimited", 5.0).retry_after == 5.0
