"""What is done about each bot, given what the registry says and what is connected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from botfleet.errors import SlackError
from botfleet.holder.reactor import Connection
from botfleet.holder.roster import Roster, Step, decide
from botfleet.model import Bot, Command, Status
from botfleet.slack import session as rtm
from botfleet.slack.frames import Frame

SHARD = 3


def bot(team_id: str = "T1", **fields: Any) -> Bot:
    made = Bot(team_id=team_id, sealed_token="plain:xoxb-1", fingerprint="f1", added_at=1.0)
    return msgspec.structs.replace(made, **fields)


def status(state: str, generation: int = 1) -> Status:
    return Status(state=state, since=1.0, generation=generation)  # type: ignore[arg-type]


ONE = bot()
STOPPED = bot(desired="stopped")


@pytest.mark.parametrize(
    ("wanted", "said", "held", "step"),
    [
        # There is no connection.
        (None, None, None, Step.NOTHING),
        (ONE, None, None, Step.ADD),
        (ONE, status("connected"), None, Step.ADD),
        (ONE, status("connecting"), None, Step.ADD),
        (ONE, status("disconnected"), None, Step.ADD),
        (ONE, status("rate_limited"), None, Step.ADD),
        (ONE, status("stopped"), None, Step.ADD),
        (ONE, status("token_revoked"), None, Step.NOTHING),
        (bot(generation=2), status("token_revoked", 1), None, Step.ADD),
        (STOPPED, None, None, Step.ADD),
        (STOPPED, status("connected"), None, Step.ADD),
        (STOPPED, status("stopped"), None, Step.NOTHING),
        (STOPPED, status("token_revoked"), None, Step.NOTHING),
        (bot(transport="http"), None, None, Step.NOTHING),
        # There is one.
        (None, None, ONE, Step.REMOVE),
        (None, status("connected"), ONE, Step.REMOVE),
        (ONE, status("connected"), ONE, Step.NOTHING),
        (ONE, status("token_revoked"), ONE, Step.NOTHING),
        (STOPPED, None, ONE, Step.STOP),
        (STOPPED, None, STOPPED, Step.NOTHING),
        (ONE, None, STOPPED, Step.START),
        (bot(generation=2), None, STOPPED, Step.START),
        (bot(generation=2), None, ONE, Step.RESTART),
        (bot(generation=2, fingerprint="f2"), None, ONE, Step.RESTART),
        (bot(generation=2, desired="stopped"), None, STOPPED, Step.RENAME),
        (bot(team_name="new"), None, ONE, Step.RENAME),
        (bot(transport="socket"), None, ONE, Step.REMOVE),
        # Removed and added anew before anybody looked.
        (bot(fingerprint="f2", added_at=2.0), None, ONE, Step.RESTART),
        (bot(added_at=2.0), None, ONE, Step.RESTART),
        (bot(added_at=2.0), None, bot(generation=7), Step.RESTART),
    ],
)
def test_decide(wanted: Bot | None, said: Status | None, held: Bot | None, step: Step) -> None:
    assert decide(wanted, said, held) is step


class FakeReactor:
    """Runs sessions without sockets, and keeps what they say."""

    def __init__(self) -> None:
        self.connections: dict[str, Connection] = {}
        self.said: list[tuple[str, rtm.Action]] = []
        self.returned: list[Command] = []

    def report_again(self, connection: Connection) -> None:
        self.said.append((connection.bot.key, rtm.Report("connected", "again")))

    def add(self, bot: Bot) -> Connection:
        self.connections[bot.key] = Connection(bot, rtm.Timing(), lambda: 0.5)
        return self.connections[bot.key]

    def remove(self, key: str) -> None:
        connection = self.connections.pop(key)
        self.said += [(key, one) for one in connection.session.stop() if isinstance(one, rtm.Close)]

    def drive(self, connection: Connection, step: Callable[[rtm.Session, float], list[rtm.Action]]) -> None:
        self.said += [(connection.bot.key, one) for one in step(connection.session, 1000.0)]

    def take(self, kind: type[rtm.Action] | None = None) -> list[tuple[str, rtm.Action]]:
        said, self.said = self.said, []
        return [(key, one) for key, one in said if kind is None or isinstance(one, kind)]

    def connects(self) -> list[str]:
        return [key for key, _ in self.take(rtm.Connect)]


#: What the store's times are in; a test may set it.
NOW = [1000.0]
PATIENCE = 60.0


def make_roster(reactor: FakeReactor, max_connections: int = 100) -> Roster:
    NOW[0] = 1000.0
    return Roster(
        reactor,  # type: ignore[arg-type]
        max_connections,
        PATIENCE,
        "h1",
        reactor.returned.extend,
        clock=lambda: NOW[0],
    )


@pytest.fixture
def reactor() -> FakeReactor:
    return FakeReactor()


@pytest.fixture
def roster(reactor: FakeReactor) -> Roster:
    made = make_roster(reactor)
    made.load(SHARD, {}, {})
    return made


def bots(*made: Bot) -> dict[str, Bot]:
    return {one.key: one for one in made}


def test_a_shard_is_brought_in_line(roster: Roster, reactor: FakeReactor) -> None:
    roster.load(SHARD, bots(bot("T1"), bot("T2"), bot("T3")), {"T3": status("token_revoked")})
    assert reactor.connects() == ["T1", "T2"]
    roster.load(SHARD, bots(bot("T2"), bot("T4")), {})
    assert set(reactor.connections) == {"T2", "T4"}
    assert reactor.connects() == ["T4"]
    roster.load(SHARD, bots(bot("T2"), bot("T4")), {})
    assert reactor.take() == [], "twice is once"


def test_a_shard_that_is_let_go_says_nothing_of_its_bots(roster: Roster, reactor: FakeReactor) -> None:
    roster.load(SHARD, bots(bot("T1")), {})
    roster.load(SHARD + 1, bots(bot("T2")), {})
    reactor.take()
    roster.unload(SHARD)
    assert set(reactor.connections) == {"T2"}
    assert [one for _, one in reactor.take()] == [rtm.Close(1)]


@pytest.mark.parametrize("loaded", [False, True], ids=["not yet loaded", "let go"])
def test_a_bot_of_a_shard_that_is_not_here_is_not_connected(
    roster: Roster, reactor: FakeReactor, loaded: bool
) -> None:
    if loaded:
        roster.load(5, bots(bot("T1")), {})
        roster.unload(5)
    reactor.take()
    roster.apply(5, "T1", bot("T1"), None)
    assert reactor.connections == {}
    assert reactor.take() == []
    roster.load(5, bots(bot("T1")), {})
    assert reactor.connects() == ["T1"]


def test_one_bot_is_brought_in_line(roster: Roster, reactor: FakeReactor) -> None:
    roster.apply(SHARD, "T1", bot(), None)
    assert reactor.connects() == ["T1"]
    roster.apply(SHARD, "T1", bot(generation=2, fingerprint="f2", sealed_token="plain:xoxb-2"), None)
    assert reactor.connects() == ["T1"]
    assert reactor.connections["T1"].bot.sealed_token == "plain:xoxb-2"
    roster.apply(SHARD, "T1", None, None)
    assert reactor.connections == {}
    roster.apply(SHARD, "T1", None, None)


def test_a_new_name_leaves_the_connection_alone(roster: Roster, reactor: FakeReactor) -> None:
    roster.apply(SHARD, "T1", bot(), None)
    reactor.take()
    roster.apply(SHARD, "T1", bot(bot_name="newbot", bot_user_id="U9"), None)
    assert reactor.take() == []
    assert reactor.connections["T1"].origin.bot_name == "newbot"


def test_stop_stays_stopped_until_start(roster: Roster, reactor: FakeReactor) -> None:
    roster.load(SHARD, bots(bot()), {})
    reactor.take()
    roster.load(SHARD, bots(STOPPED), {})
    assert [one for _, one in reactor.take(rtm.Report)] == [rtm.Report("stopped")]
    roster.load(SHARD, bots(STOPPED), {"T1": status("stopped")})
    assert reactor.take() == []
    roster.load(SHARD, bots(bot(generation=2)), {"T1": status("stopped")})
    assert reactor.connects() == ["T1"]


def test_a_stopped_bot_that_is_new_here_is_said_to_be_stopped(roster: Roster, reactor: FakeReactor) -> None:
    roster.load(SHARD, bots(STOPPED), {"T1": status("connected")})
    assert [one for _, one in reactor.take()] == [rtm.Report("stopped")]


class TestFullHolder:
    @pytest.fixture
    def roster(self, reactor: FakeReactor) -> Roster:
        made = make_roster(reactor, max_connections=2)
        made.load(SHARD, bots(*(bot(f"T{n}") for n in range(1, 5))), {})
        return made

    def test_bots_beyond_the_bound_say_so(self, roster: Roster, reactor: FakeReactor) -> None:
        reports = [(key, one) for key, one in reactor.said if isinstance(one, rtm.Report)]
        assert [key for key, one in reports if one.error == "holder full: 2 connections"] == ["T3", "T4"]
        assert reactor.connects() == ["T1", "T2"]

    def test_they_come_in_when_there_is_room(self, roster: Roster, reactor: FakeReactor) -> None:
        reactor.take()
        roster.apply(SHARD, "T1", None, None)
        assert reactor.connects() == ["T3"]
        roster.apply(SHARD, "T4", None, None)
        assert reactor.connects() == []
        roster.apply(SHARD, "T2", None, None)
        assert reactor.connects() == []

    def test_a_bot_that_is_stopped_or_dead_leaves_its_room(
        self, roster: Roster, reactor: FakeReactor
    ) -> None:
        reactor.take()
        roster.apply(SHARD, "T1", bot("T1", desired="stopped"), None)
        assert reactor.connects() == ["T3"]
        session = reactor.connections["T2"].session
        session.failed(session.link, SlackError("account_inactive"), 1000.0)
        roster.sizes()
        assert reactor.connects() == ["T4"]

    def test_a_restart_does_not_bring_them_in(self, roster: Roster, reactor: FakeReactor) -> None:
        reactor.take()
        roster.apply(SHARD, "T3", bot("T3", generation=2), None)
        assert reactor.connects() == []

    def test_looking_again_says_nothing_again(self, roster: Roster, reactor: FakeReactor) -> None:
        reactor.take()
        roster.load(SHARD, bots(*(bot(f"T{n}") for n in range(1, 5))), {})
        assert reactor.take() == []


def message(key: str, text: str = "hi") -> Command:
    return Command(op="message", key=key, channel="C1", text=text)


def test_commands_reach_the_session(roster: Roster, reactor: FakeReactor) -> None:
    roster.apply(SHARD, "T1", bot(), None)
    session = reactor.connections["T1"].session
    assert roster.command(SHARD, message("T1"))
    assert session.unsent == 1
    assert not roster.command(SHARD, message("T2")), "there is no such bot"


def test_a_message_of_a_shard_that_went_goes_back(roster: Roster, reactor: FakeReactor) -> None:
    roster.apply(SHARD, "T1", bot(), None)
    roster.command(SHARD, message("T1", "first"))
    roster.unload(SHARD)
    assert roster.command(SHARD, message("T1", "second"))
    assert [one.text for one in reactor.returned] == ["first", "second"]
    assert not roster.command(SHARD, Command(op="typing", key="T1", channel="C1")), "it would come too late"


def test_messages_that_wait_are_taken_at_the_end(roster: Roster, reactor: FakeReactor) -> None:
    roster.load(SHARD, bots(bot("T1"), bot("T2")), {})
    for key in ("T1", "T2"):
        roster.command(SHARD, message(key))
    assert [one.key for one in roster.take_unsent()] == ["T1", "T2"]
    assert roster.take_unsent() == []


def connect(reactor: FakeReactor, key: str) -> None:
    session = reactor.connections[key].session
    session.opened(session.link, 1000.0)
    session.received(session.link, Frame(type="hello"), b"", 1000.0)


class TestReady:
    def test_when_all_bots_are_connected(self, roster: Roster, reactor: FakeReactor) -> None:
        assert roster.ready([SHARD, 9]) == {SHARD}, "an empty shard that is here"
        roster.load(SHARD, bots(bot("T1"), bot("T2")), {})
        connect(reactor, "T1")
        assert roster.ready([SHARD]) == set()
        connect(reactor, "T2")
        assert roster.ready([SHARD]) == {SHARD}
        assert roster.sizes() == {SHARD: 2}

    def test_a_stopped_or_dead_bot_keeps_nobody_waiting(self, roster: Roster, reactor: FakeReactor) -> None:
        roster.load(SHARD, bots(STOPPED, bot("T2")), {"T2": status("token_revoked")})
        assert roster.ready([SHARD]) == {SHARD}

    def test_one_that_can_not_connect_holds_up_one_that_leaves_for_a_time_only(
        self, roster: Roster, reactor: FakeReactor
    ) -> None:
        roster.load(SHARD, bots(bot()), {})
        session = reactor.connections["T1"].session
        session.failed(session.link, SlackError("unreachable"), 1000.0)
        assert roster.ready([SHARD], [SHARD]) == set()
        NOW[0] += PATIENCE + 1
        assert roster.ready([SHARD]) == set(), "who has it stays"
        assert roster.ready([SHARD], [SHARD]) == {SHARD}

    def test_one_that_waits_for_its_turn_is_waited_for(self, roster: Roster, reactor: FakeReactor) -> None:
        roster.load(SHARD, bots(bot()), {})
        NOW[0] += PATIENCE + 1
        assert roster.ready([SHARD], [SHARD]) == set()

    def test_one_for_which_there_is_no_room_is_not_ready(self, reactor: FakeReactor) -> None:
        roster = make_roster(reactor, max_connections=1)
        roster.load(SHARD, bots(bot("T1")), {})
        roster.load(SHARD + 1, bots(bot("T2")), {})
        connect(reactor, "T1")
        assert roster.ready([SHARD, SHARD + 1]) == {SHARD}
        assert roster.left_out == 1
        roster.unload(SHARD)
        assert reactor.connects()[-1] == "T2"
        assert roster.left_out == 0


def test_statuses_are_said_again_of_some_shards(roster: Roster, reactor: FakeReactor) -> None:
    roster.load(SHARD, bots(bot("T1")), {})
    roster.load(SHARD + 1, bots(bot("T2")), {})
    reactor.take()
    roster.report_again([SHARD])
    assert [key for key, _ in reactor.take()] == ["T1"]


def test_slacks_wish_to_be_spared_holds_for_the_next_holder_too(roster: Roster, reactor: FakeReactor) -> None:
    limited = msgspec.structs.replace(status("rate_limited"), retry_at=NOW[0] + 30.0)
    roster.load(SHARD, bots(bot("T1"), bot("T2")), {"T1": limited})
    assert reactor.connects() == ["T2"]
    assert reactor.connections["T1"].session.deadline == pytest.approx(1030.0, abs=1.5)
