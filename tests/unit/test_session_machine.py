"""A session under inputs in any order: what must hold whatever happens."""

from __future__ import annotations

import json

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from botfleet.slack.errors import GROUPS
from botfleet.slack.frames import decode
from botfleet.slack.session import Action, Close, Connect, Emit, Phase, Publish, Refused, Report, Send, Timing

from .sessions import Driver, of

TIMING = Timing(ping_interval=5.0, hello_timeout=8.0, send_buffer=4, send_rate=1.0, send_burst=2)

FRAMES = st.sampled_from(
    [
        {"type": "hello"},
        {"type": "goodbye"},
        {"type": "message", "channel": "C1", "ts": "1.1"},
        {"type": "pong", "reply_to": 1},
        {"type": "error", "error": {"code": 1, "msg": "Socket URL has expired"}},
        {"type": "error", "error": {"code": 9}},
        {"ok": True, "reply_to": 1},
        {"ok": False, "reply_to": 7, "error": {"code": 2, "msg": "no"}},
        {},
    ]
)
ERRORS = st.sampled_from([*sorted(GROUPS), "unreachable", "timeout", "http_503", "something_new"])
SECONDS = st.one_of(st.floats(0.0, 1.0), st.floats(1.0, 30.0), st.just(10_000.0))


class SessionMachine(RuleBasedStateMachine):
    """The world around a session: attempts under way, and links that are open."""

    attempts = Bundle("attempts")
    links = Bundle("links")

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver(TIMING)
        self.session = self.driver.session
        self.asked: set[int] = set()
        self.open: set[int] = set()
        self.waiting: list[str] = []
        #: What Slack, or an earlier session, said last.
        self.limited_until = 0.0
        self.texts = 0

    # Inputs

    @rule(target=attempts, seconds=st.just(0.0) | st.floats(0.0, 100.0))
    def start(self, seconds: float) -> object:
        until = self.driver.now + seconds
        if self.session.phase in (Phase.IDLE, Phase.DEAD):
            self.limited_until = max(self.limited_until, until)
        return self.do(self.driver.start(until))

    @rule(target=attempts)
    def restart(self) -> object:
        return self.do(self.driver.restart())

    @rule()
    def stop(self) -> None:
        self.waiting.clear()
        self.do(self.driver.stop())
        assert not self.open, "a link was left open"
        assert self.session.phase is Phase.IDLE

    @rule(target=links, link=consumes(attempts))
    def the_attempt_succeeds(self, link: int) -> object:
        self.open.add(link)
        self.do(self.driver.opened(link))
        return link

    @rule(
        link=consumes(attempts),
        error=ERRORS,
        after=st.none() | st.floats(0.0, 100.0),
        chance=st.floats(0.01, 0.99),
    )
    def the_attempt_fails(self, link: int, error: str, after: float | None, chance: float) -> None:
        self.driver.chance = chance
        if link == self.session.link and error in ("ratelimited", "rate_limited"):
            self.limited_until = self.driver.now + (after or 0.0)
        self.do(self.driver.failed(error, link, after))

    @rule(target=attempts, link=links, frame=FRAMES)
    def a_frame_comes(self, link: int, frame: dict[str, object]) -> object:
        raw = json.dumps(frame).encode()
        decoded = decode(raw)
        assert decoded is not None
        heard = link in self.open
        said = self.session.received(link, decoded, raw, self.driver.now)
        if frame.get("type") == "message":
            assert said == ([Publish(decoded, raw)] if heard else []), "once, if the link is open"
        return self.do(said)

    @rule(
        link=links,
        reason=st.sampled_from(["1000", "1008", "", "ConnectionResetError"]),
        chance=st.floats(0.01, 0.99),
    )
    def the_link_is_closed(self, link: int, reason: str, chance: float) -> None:
        self.driver.chance = chance
        self.open.discard(link)
        self.do(self.driver.closed(reason, link))

    @rule(link=links)
    def bytes_come(self, link: int) -> None:
        self.session.heard(link, self.driver.now)

    @rule(target=attempts, op=st.sampled_from(["message", "message", "typing", "ping", "disconnect"]))
    def a_command_comes(self, op: str) -> object:
        self.texts += 1
        said = self.driver.send(op, text=str(self.texts))
        if op == "message" and not of(Refused, said):
            self.waiting.append(str(self.texts))
        return self.do(said)

    @rule(target=attempts, seconds=SECONDS)
    def time_passes(self, seconds: float) -> object:
        self.driver.now += seconds
        deadline = self.session.deadline
        said = self.driver.tick()
        if deadline is None or deadline > self.driver.now:
            assert said == [], "before its time"
        assert self.session.deadline is None or self.session.deadline > self.driver.now, "it would spin"
        return self.do(said)

    # What the session says

    def do(self, actions: list[Action]) -> object:
        """Does it; returns the attempts that begin."""
        begun = []
        for action in actions:
            match action:
                case Connect(link):
                    assert link not in self.asked, "a number twice"
                    assert self.driver.now >= self.limited_until, "Slack asked to wait"
                    self.asked.add(link)
                    begun.append(link)
                case Close(link):
                    assert link in self.asked
                    self.open.discard(link)
                case Send(link, text):
                    assert link in self.open, "a frame for a link that is not open"
                    self.check_sent(json.loads(text))
                case Emit():
                    assert of(Report, actions)[-1].state == "token_revoked"
                case Report(_, _, retry_in) if retry_in is not None:
                    assert self.session.deadline == self.driver.now + retry_in
        assert len(begun) <= 1
        assert len(of(Emit, actions)) <= 1
        if self.session.phase is Phase.DEAD:
            self.waiting.clear()
        return multiple(*begun)

    def check_sent(self, frame: dict[str, object]) -> None:
        if frame["type"] == "message":
            assert frame["text"] == self.waiting.pop(0), "messages keep their order"

    # What always holds

    @invariant()
    def at_most_two_links(self) -> None:
        assert len(self.open) <= 2

    @invariant()
    def no_link_is_forgotten(self) -> None:
        mine = {self.session.link, self.session._retiring}
        assert self.open <= mine, "nobody would ever close it"

    @invariant()
    def something_is_planned_or_nothing_to_be_done(self) -> None:
        session = self.session
        if session.phase in (Phase.IDLE, Phase.DEAD):
            assert session.deadline is None
            assert session.link == 0
            assert not self.open
        elif session.phase is Phase.CONNECTING:
            assert session.deadline is None
            assert session.link not in self.open
        else:
            assert session.deadline is not None
            assert (session.link == 0) is (session.phase is Phase.WAITING)

    @invariant()
    def the_outbox_is_bounded(self) -> None:
        assert self.session.unsent == len(self.waiting) <= TIMING.send_buffer


SessionMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestSession = SessionMachine.TestCase
