"""A whole holder against a real sandbox: what a bot's owner sees, whatever Slack, broker and store do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from botfleet.errors import PublishError
from botfleet.model import Bot, Command, Subscription
from botfleet.publishing.outgoing import Bundle, Outgoing
from botfleet.publishing.sinks import MemorySink
from botfleet.sandbox import SandboxControl, SandboxProcess
from botfleet.slack.envelope import Origin
from botfleet.slack.frames import Frame
from botfleet.watching import follow

from ..waiting import eventually
from .holders import MakeWorld, World, make_world, payload, stays, threads, world
from .rabbit import free_ports
from .sandbox_fixtures import Workspace, control, sandbox, team, workspace

__all__ = ["control", "make_world", "sandbox", "team", "world"]


def probe() -> tuple[Origin, Frame]:
    """A message, as the router sees it."""
    bot = Bot(team_id="T1", sealed_token="plain:x", fingerprint="x")
    return Origin.of(bot), Frame(type="message", channel="C1", ts="1.0", text="x")


def flood(control: SandboxControl, team: Workspace, count: int, rate: float | None = None) -> int:
    return control.flood(count, teams=[team.id], text="{n}", rate=rate)


def numbers(count: int) -> list[str]:
    return [str(n) for n in range(1, count + 1)]


class TestEvents:
    def test_a_token_becomes_a_connection_and_what_is_said_an_event(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        started = time.monotonic()
        key = world.connect(team.token)
        assert time.monotonic() - started < 2.0
        assert control.connections(team.id) == 1
        said = control.say("general", "hello", team=team.id)
        (event,) = eventually(lambda: world.events(key))
        envelope = json.loads(event.envelope)
        assert envelope["id"] == event.id == f"{team.id}:{team.general}:message:{said['ts']}"
        assert (envelope["type"], envelope["team_id"]) == ("message", team.id)
        assert (envelope["bot_user_id"], envelope["transport"]) == (team.bot, "rtm")
        assert abs(envelope["received_at"] - time.time()) < 5.0
        assert payload(event)["text"] == "hello"
        assert event.queue == "events.message.public"

    def test_those_who_watch_see_it_under_the_same_id(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        stream = (shown for shown in follow(world.store, teams=[key], types=["message"]) if shown)
        assert next(stream).holder == "h1"
        control.say("general", "hello", team=team.id)
        (sighting,) = next(stream).sightings
        (event,) = eventually(lambda: world.events(key))
        assert (sighting.id, sighting.handlers, sighting.envelope) == (event.id, 1, "")

    def test_each_event_is_published_once_and_in_order(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        flood(control, team, 3000)
        eventually(lambda: len(world.events(key)) >= 3000, 20.0)
        assert world.texts(key) == numbers(3000)

    def test_hello_is_an_event(self, world: World, team: Workspace) -> None:
        key = world.connect(team.token)
        (event,) = eventually(lambda: world.events(key, "hello"))
        assert event.queue == "events.other"

    def test_what_nobody_wants_is_not_published(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        joins = Subscription(task="tasks.joins", types=("team_join",))
        world.store.put_subscriptions("handler", [joins])
        key = world.connect(team.token)
        eventually(lambda: world.holders[0].info().subscriptions == world.store.subscriptions_version())
        before = list(world.sink.events)
        control.say("general", "nobody listens", team=team.id)
        control.join("newcomer", team=team.id)
        eventually(lambda: world.events(key, "team_join"))
        assert [payload(one)["type"] for one in world.sink.events[len(before) :]] == ["team_join"]

    def test_malformed_frames_are_counted_and_survived(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        odd = ['{"type":', "[1]", "17", "", '"hello"', "null", '{"type":17}', "\ud800", "{" * 5000]
        for frame in odd:
            control.frame(frame, team=team.id)
        harmless = ["{}", '{"type":"never_heard_of"}', '{"reply_to":99,"ok":false}', '{"type":"goodbye "}']
        for frame in harmless:
            control.frame(frame, team=team.id)
        control.say("general", "still here", team=team.id)
        eventually(lambda: world.texts(key) == ["still here"])
        assert world.holders[0].info().malformed == len(odd)
        assert (world.state(key), len(world.asked(key)), control.connections(team.id)) == ("connected", 1, 1)


class TestTokens:
    def test_a_revoked_one_is_told_once_and_tried_no_more(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        control.fault("revoke", team=team.id)
        world.wait_for(key, "token_revoked", "token_revoked")
        (event,) = eventually(lambda: world.events(key, "bot_disabled"))
        assert payload(event) == {"type": "bot_disabled", "error": "token_revoked"}
        assert len(world.asked(key)) == 2
        stays(lambda: len(world.asked(key)) == 2 and len(world.events(key, "bot_disabled")) == 1, 0.8)
        assert control.connections(team.id) == 0

    def test_it_stays_so_with_the_next_holder(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        control.fault("revoke", team=team.id, error="account_inactive")
        world.wait_for(key, "token_revoked", "account_inactive")
        world.holders[0].stop()
        assert world.state(key) == "token_revoked"
        holder = world.hold()
        eventually(lambda: not holder.info().standby)
        stays(lambda: len(world.asked(key)) == 2 and world.state(key) == "token_revoked")

    def test_a_new_token_brings_it_back(self, world: World, control: SandboxControl, team: Workspace) -> None:
        key = world.connect(team.token)
        control.fault("revoke", team=team.id)
        world.wait_for(key, "token_revoked")
        world.connect(control.install(team.id))
        control.fault("revoke", team=team.id, error="team_disabled")
        world.wait_for(key, "token_revoked", "team_disabled")
        errors = [payload(event)["error"] for event in world.events(key, "bot_disabled")]
        assert errors == ["token_revoked", "team_disabled"]

    def test_invalid_auth_is_confirmed_once(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        control.fault("revoke", team=team.id, error="invalid_auth")
        world.wait_for(key, "token_revoked", "invalid_auth")
        assert [call["error"] for call in world.asked(key)] == [None, "invalid_auth", "invalid_auth"]
        stays(lambda: len(world.asked(key)) == 3 and len(world.events(key, "bot_disabled")) == 1, 0.6)

    def test_an_invalid_auth_that_was_not_true_hurts_nothing(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        control.fault("fail", team=team.id, method="rtm.connect", error="invalid_auth", count=1)
        key = world.connect(team.token)
        assert len(world.asked(key)) == 2
        assert world.events(key, "bot_disabled") == []

    def test_what_only_its_owner_can_mend_is_said_and_left(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        control.fault("fail", team=team.id, method="rtm.connect", error="not_allowed_token_type", count=99)
        key = world.add(team.token)
        status = world.wait_for(key, "disconnected", "not_allowed_token_type")
        assert status.retry_at == 0.0
        stays(lambda: len(world.asked(key)) == 1)
        control.fault("clear", team=team.id)
        world.fleet.restart(key)
        world.wait_for(key, "connected")

    def test_a_replaced_one_loses_no_event_and_ends_with_one_socket(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        load = flood(control, team, 4000, rate=4000)
        other = control.install(team.id)
        world.connect(other)
        control.wait_for_flood(load)
        eventually(lambda: len(world.events(key)) >= 4000, 20.0)
        assert sorted(world.texts(key), key=int) == numbers(4000)
        tokens = {token["bot_token"]: token["connections"] for token in control.team(team.id)["tokens"]}
        assert tokens == {team.token: 0, other: 1}
        assert len(world.asked(key)) == 2

    def test_a_replaced_one_that_is_dead_does_not_take_the_new_one_along(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        other = control.install(team.id, revoke_old=True)
        world.connect(other)
        assert control.connections(team.id) == 1
        control.say("general", "hi", team=team.id)
        eventually(lambda: world.texts(key) == ["hi"])

    def test_the_same_again_changes_nothing(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        world.add(team.token)
        stays(lambda: len(world.asked(key)) == 1 and control.connections(team.id) == 1)


class TestWishes:
    def test_a_removed_one_stays_closed(self, world: World, control: SandboxControl, team: Workspace) -> None:
        key = world.connect(team.token)
        assert world.fleet.remove_token(key).ok
        control.wait_for_connections(0, team=team.id)
        stays(lambda: control.connections(team.id) == 0 and len(world.asked(key)) == 1, 0.7)
        assert world.status(key) is None
        assert world.holders[0].info().bots == 0

    def test_one_that_is_removed_while_it_connects_stays_closed(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        control.fault("slow", team=team.id, seconds=0.4)
        world.add_unasked(team.id, team.token)
        world.fleet.nudge(team.id)
        world.wait_for(team.id, "connecting")
        world.fleet.remove_token(team.id)
        eventually(lambda: world.asked(team.id))
        stays(lambda: len(world.asked(team.id)) == 1, 1.0)
        assert control.connections(team.id) == 0

    def test_one_that_is_added_anew_is_connected_anew(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        world.fleet.remove_token(key)
        world.connect(team.token)
        control.wait_for_connections(1, team=team.id)
        stays(lambda: control.connections(team.id) == 1 and len(world.asked(key)) <= 2)

    def test_a_stopped_one_stays_stopped_also_with_the_next_holder(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        world.fleet.stop(key)
        world.wait_for(key, "stopped")
        control.wait_for_connections(0, team=team.id)
        world.holders[0].stop()
        holder = world.hold()
        eventually(lambda: not holder.info().standby)
        stays(lambda: len(world.asked(key)) == 1 and world.state(key) == "stopped", 1.0)
        world.fleet.start(key)
        world.wait_for(key, "connected")
        assert control.connections(team.id) == 1

    def test_a_restart_opens_the_new_socket_before_the_old_one_is_closed(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        for generation in (2, 3):
            load = flood(control, team, 1000, rate=5000)
            world.fleet.restart(key)
            status = world.wait_for(key, "connected")
            assert status.generation == generation
            control.wait_for_flood(load)
        eventually(lambda: len(world.events(key)) >= 2000, 20.0)
        assert sorted(map(int, world.texts(key))) == sorted([*range(1, 1001), *range(1, 1001)])
        control.wait_for_connections(1, team=team.id)
        assert len(world.asked(key)) == 3

    def test_wishes_one_after_the_other_end_with_the_last(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        for _ in range(5):
            world.fleet.stop(key)
            world.fleet.start(key)
            world.fleet.restart(key)
        world.wait_for(key, "connected")
        control.wait_for_connections(1, team=team.id)
        stays(lambda: control.connections(team.id) == 1)


class TestFaults:
    @pytest.mark.parametrize("fault", ["drop", "reset", "close"])
    def test_a_lost_connection_is_made_anew_exactly_once(
        self, world: World, control: SandboxControl, team: Workspace, fault: str
    ) -> None:
        key = world.connect(team.token)
        if fault == "close":
            control.fault("close", team=team.id, code=1001)
        else:
            control.fault("drop", team=team.id, reset=fault == "reset")
        # The status alone may still be that of the first connection.
        eventually(lambda: len(world.asked(key)) == 2 and control.connections(team.id) == 1)
        world.wait_for(key, "connected")
        stays(lambda: len(world.asked(key)) == 2 and control.connections(team.id) == 1)
        control.say("general", "back", team=team.id)
        eventually(lambda: world.texts(key) == ["back"])

    def test_silence_is_noticed_within_twice_the_ping_interval(
        self, make_world: MakeWorld, control: SandboxControl, team: Workspace
    ) -> None:
        world = make_world(ping_interval=0.3)
        world.hold()
        key = world.connect(team.token)
        control.fault("silent", team=team.id)
        silent_since = time.time()
        calls = eventually(lambda: found if len(found := world.asked(key)) > 1 else None) or []
        # Up to two intervals, the first retry's jitter, and what two busy processors take.
        assert calls[1]["time"] - silent_since < 2 * 0.3 + 0.05 + 0.35
        assert calls[1]["time"] - silent_since > 0.2, "a ping was waited for"
        world.wait_for(key, "connected")
        stays(lambda: len(world.asked(key)) == 2, 0.6)

    def test_a_quiet_connection_is_kept_by_pings(
        self, make_world: MakeWorld, control: SandboxControl, team: Workspace
    ) -> None:
        world = make_world(ping_interval=0.3)
        world.hold()
        key = world.connect(team.token)
        eventually(lambda: [one["type"] for one in control.frames(team=team.id)].count("ping") >= 4)
        assert len(world.asked(key)) == 1

    def test_a_goodbye_in_a_flood_loses_and_doubles_nothing(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        load = flood(control, team, 6000, rate=6000)
        eventually(lambda: len(world.sink.events) > 500)
        control.fault("goodbye", team=team.id)
        eventually(lambda: len(world.asked(key)) == 2)
        control.wait_for_flood(load)
        eventually(lambda: len(world.events(key)) >= 6000, 20.0)
        assert sorted(world.texts(key), key=int) == numbers(6000)
        control.wait_for_connections(1, team=team.id)
        assert len(world.asked(key)) == 2
        assert len(world.events(key, "goodbye")) == 1

    def test_after_a_restart_of_slack_all_are_back(self, make_world: MakeWorld, tmp_path: Path) -> None:
        port = free_ports(1)[0]
        arguments = ["--port", str(port), "--state", str(tmp_path / "state.json"), "--teams", "20"]
        with SandboxProcess(arguments) as first:
            world = World(first.control, first.api_url)
            world.hold()
            for one in first.teams:
                world.add(one["bot_token"])
            first.control.wait_for_connections(20)
        try:
            keys = [one["team_id"] for one in first.teams]
            eventually(lambda: all(world.state(key) in ("connecting", "disconnected") for key in keys))
            with SandboxProcess(arguments) as second:
                second.control.wait_for_connections(20)
                for key in keys:
                    world.wait_for(key, "connected")
                    second.control.say("general", "back", team=key)
                eventually(lambda: all(world.texts(key) == ["back"] for key in keys))
                stays(lambda: second.control.connections() == 20)
                world.close()
        finally:
            world.close()
        assert world.deaths == []

    def test_retry_after_is_honoured(self, world: World, control: SandboxControl, team: Workspace) -> None:
        control.fault("ratelimit", team=team.id, method="rtm.connect", count=1, retry_after=1)
        key = world.add(team.token)
        status = world.wait_for(key, "rate_limited", "ratelimited")
        assert status.retry_at == pytest.approx(status.since + 1.0, abs=0.1)
        world.wait_for(key, "connected")
        first, second = world.asked(key)
        assert 1.0 <= second["time"] - first["time"] < 2.0

    def test_a_migration_is_waited_for(self, world: World, control: SandboxControl, team: Workspace) -> None:
        key = world.connect(team.token)
        control.fault("migrate", team=team.id, count=1, announce=True)
        status = world.wait_for(key, "disconnected", "migration_in_progress")
        assert 4.0 < status.retry_at - time.time() < 5.5
        world.wait_for(key, "connected", timeout=12.0)
        assert [call["error"] for call in world.asked(key)] == [None, "migration_in_progress", None]
        assert len(world.events(key, "team_migration_started")) == 1

    @pytest.mark.parametrize(
        ("fault", "fields"),
        [
            ("fail", {"method": "rtm.connect", "status": 502, "count": 2}),
            ("fail", {"method": "rtm.connect", "error": "internal_error", "count": 2}),
            ("fail", {"method": "rtm.connect", "error": "never_heard_of", "count": 2}),
            ("refuse", {"seconds": 0.9}),
            ("silent", {"seconds": 0.9, "new": True}),
        ],
    )
    def test_what_passes_is_tried_again(
        self,
        make_world: MakeWorld,
        control: SandboxControl,
        team: Workspace,
        fault: str,
        fields: dict[str, Any],
    ) -> None:
        world = make_world(connect_timeout=0.5)
        world.hold()
        control.fault(fault, team=team.id, **fields)
        world.add_unasked(team.id, team.token)
        world.wait_for(team.id, "connected")
        assert len(world.asked(team.id)) >= 2
        stays(lambda: control.connections(team.id) == 1, 0.3)


class TestSending:
    def sent(self, control: SandboxControl, team: Workspace) -> list[str]:
        frames = [one for one in control.frames(team=team.id) if one["type"] == "message"]
        return [json.loads(one["frame"])["text"] for one in frames]

    def test_messages_wait_for_the_connection_in_order_and_up_to_a_bound(
        self, make_world: MakeWorld, control: SandboxControl, team: Workspace
    ) -> None:
        world = make_world(send_buffer=6)
        world.hold()
        control.fault("ratelimit", team=team.id, method="rtm.connect", count=1, retry_after=1)
        world.add_unasked(team.id, team.token)
        world.wait_for(team.id, "rate_limited")
        world.send(team.id, *(f"m{n}" for n in range(10)), channel=team.general)
        world.wait_for(team.id, "connected")
        eventually(lambda: len(self.sent(control, team)) >= 6)
        world.send(team.id, "later", channel=team.general)
        eventually(lambda: self.sent(control, team)[-1:] == ["later"])
        assert self.sent(control, team) == [*(f"m{n}" for n in range(6)), "later"]

    def test_a_message_while_a_restart_is_under_way_arrives_once(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        control.fault("slow", team=team.id, seconds=0.3)
        world.fleet.restart(key)
        world.send(key, "one", "two", channel=team.general)
        eventually(lambda: len(world.asked(key)) == 2)
        eventually(lambda: len(self.sent(control, team)) >= 2)
        world.wait_for(key, "connected")
        stays(lambda: self.sent(control, team) == ["one", "two"], 0.3)

    def test_what_is_for_nobody_hurts_nothing(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        world.send("T-unknown", "hi", channel="C1")
        world.store.send([Command(op="sync", key="T-unknown")])
        world.send(key, "x" * 20_000, "fits", channel=team.general)
        eventually(lambda: self.sent(control, team) == ["fits"])
        assert control.connections(team.id) == 1


class TestBrokerAway:
    def test_sockets_stay_and_events_wait_and_go_out_in_order(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        world.sink.failing = True
        flood(control, team, 2000)
        eventually(lambda: world.holders[0].info().unsent >= 2000, 10.0)
        assert world.texts(key) == []
        assert (control.connections(team.id), len(world.asked(key))) == (1, 1)
        world.sink.failing = False
        eventually(lambda: len(world.events(key)) >= 2000, 10.0)
        control.say("general", "2001", team=team.id)
        eventually(lambda: len(world.events(key)) >= 2001)
        assert world.texts(key) == numbers(2001)
        info = world.holders[0].info()
        assert (info.dropped, info.unsent) == (0, 0)

    def test_what_comes_past_the_bound_is_dropped_and_counted(
        self, make_world: MakeWorld, control: SandboxControl, team: Workspace
    ) -> None:
        world = make_world(publish_buffer=100_000)
        holder = world.hold()
        key = world.connect(team.token)
        world.sink.failing = True
        flood(control, team, 2000)
        eventually(lambda: holder.publisher.counters.events >= 2001, 10.0)
        info = holder.info()
        assert info.dropped > 1000
        assert info.unsent > 50
        world.sink.failing = False
        eventually(lambda: holder.info().unsent == 0)
        texts = world.texts(key)
        assert texts == numbers(len(texts)), "the first ones, in order"


class TestStoreAway:
    def test_sockets_stay_events_flow_and_statuses_are_written_later(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        other = workspace_of(world, control)
        world.connect(other.token)
        world.store.down = True
        control.fault("revoke", team=other.id)
        control.say("general", "hi", team=team.id)
        eventually(lambda: world.texts(key) == ["hi"])
        eventually(lambda: world.events(other.id, "bot_disabled"))
        # Longer than the lease.
        stays(lambda: control.connections(team.id) == 1, world.settings.lease_ttl * 1.3)
        world.store.down = False
        world.wait_for(other.id, "token_revoked")
        eventually(lambda: [one.name for one in world.store.holders()] == ["h1"])
        assert len(world.asked(key)) == 1
        assert world.state(key) == "connected"

    def test_a_store_that_forgot_the_handlers_is_waited_for(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        eventually(lambda: world.holders[0].info().subscriptions == 1)
        world.store.forget_subscriptions()
        time.sleep(2 * world.settings.check_interval)
        control.say("general", "hi", team=team.id)
        eventually(lambda: world.texts(key) == ["hi"])
        # They speak again, and want something else by now.
        world.store.put_subscriptions("handler", [Subscription(task="tasks.none", types=("reaction_added",))])
        eventually(lambda: world.holders[0].publisher.router.match(*probe()) == [])

    def test_a_holder_starts_without_a_store_and_waits_for_it(
        self, make_world: MakeWorld, control: SandboxControl, team: Workspace
    ) -> None:
        world = make_world()
        world.add(team.token)
        world.store.down = True
        world.hold()
        stays(lambda: control.connections(team.id) == 0, 0.3)
        world.store.down = False
        world.wait_for(team.id, "connected")


def workspace_of(world: World, control: SandboxControl) -> Workspace:
    """Another team."""

    class Process:
        def __init__(self) -> None:
            self.control, self.api_url = control, world.settings.slack_api_url

    return workspace(Process())  # type: ignore[arg-type]  # by its shape


class TestStarting:
    def test_three_hundred_bots_connect_and_hear(self, make_world: MakeWorld) -> None:
        with SandboxProcess(["--teams", "300"]) as own:
            world = World(own.control, own.api_url)
            try:
                for one in own.teams:
                    world.add_unasked(one["team_id"], one["bot_token"])
                world.hold()
                own.control.wait_for_connections(300, timeout=30.0)
                eventually(lambda: [world.state(one["team_id"]) for one in own.teams] == ["connected"] * 300)
                own.control.flood(600, text="{n}")
                eventually(lambda: world.kinds().count("message") >= 600)
                assert world.kinds().count("hello") == 300
                assert len({event.id for event in world.sink.events}) == 900
                info = world.holders[0].info()
                assert (info.bots, info.connected) == (300, 300)
                started = time.monotonic()
                world.holders[0].stop()
                assert time.monotonic() - started < 5.0
                own.control.wait_for_connections(0)
                assert {world.state(one["team_id"]) for one in own.teams} == {"disconnected"}
                assert sum(own.control.counts()["calls"].values()) == 300
            finally:
                world.close()
            assert world.deaths == []

    def test_more_bots_than_may_be_connected_say_so(
        self, make_world: MakeWorld, control: SandboxControl
    ) -> None:
        world = make_world(max_connections=3)
        world.hold()
        teams = control.add_teams(5)
        for one in teams:
            world.add_unasked(one["team_id"], one["bot_token"])
        full = "holder full: 3 connections"

        def states() -> list[tuple[str, str]]:
            found = [world.status(one["team_id"]) for one in teams]
            return sorted((one.state, one.error) for one in found if one)

        eventually(lambda: states() == [("connected", "")] * 3 + [("disconnected", full)] * 2)


class TestStopping:
    def test_it_closes_sockets_pushes_what_is_left_and_leaves_no_thread(
        self, world: World, control: SandboxControl, team: Workspace
    ) -> None:
        key = world.connect(team.token)
        flood(control, team, 2000)
        eventually(lambda: world.holders[0].publisher.counters.events >= 2001, 10.0)
        started = time.monotonic()
        world.holders[0].stop()
        assert time.monotonic() - started < 5.0
        assert world.texts(key) == numbers(2000)
        control.wait_for_connections(0, team=team.id)
        eventually(lambda: threads() == [])
        status = world.status(key)
        assert status is not None
        assert (status.state, status.error) == ("disconnected", "holder stopped")
        assert world.store.holders() == []
        assert world.store.members() == []

    def test_in_the_midst_of_a_cold_start_it_connects_nothing_more(
        self, make_world: MakeWorld, control: SandboxControl
    ) -> None:
        world = make_world(connect_workers=4)
        teams = control.add_teams(100)
        for one in teams:
            world.add_unasked(one["team_id"], one["bot_token"])
            control.fault("slow", team=one["team_id"], seconds=0.5)
        before = control.connections()
        holder = world.hold()
        eventually(lambda: sum(bool(world.asked(one["team_id"])) for one in teams) > 0)
        holder.stop()
        eventually(lambda: threads() == [], 3.0)
        assert sum(len(world.asked(one["team_id"])) for one in teams) <= 24
        control.wait_for_connections(before)
        stays(lambda: control.connections() == before, 0.7)

    @pytest.mark.parametrize("away", ["store", "broker", "slack"])
    def test_it_stops_whatever_is_away(
        self, make_world: MakeWorld, control: SandboxControl, team: Workspace, away: str
    ) -> None:
        world = make_world(connect_timeout=1.0)
        holder = world.hold()
        key = world.connect(team.token)
        if away == "store":
            world.store.down = True
        elif away == "broker":
            world.sink.failing = True
            control.say("general", "lost", team=team.id)
            eventually(lambda: holder.publisher.unsent)
        else:
            control.fault("slow", team=team.id, seconds=2.0)
            control.fault("drop", team=team.id)
            world.wait_for(key, "connecting")
        started = time.monotonic()
        holder.stop()
        assert time.monotonic() - started < 5.0
        eventually(lambda: threads() == [])
        control.wait_for_connections(0, team=team.id)
        assert holder.info().dropped == (away == "broker")
        world.store.down = False

    def test_stopping_twice_is_harmless(self, world: World) -> None:
        world.holders[0].stop()
        world.holders[0].stop()


class TestDeath:
    def test_a_thread_that_dies_is_told(
        self, sandbox: SandboxProcess, control: SandboxControl, team: Workspace
    ) -> None:
        class Broken(MemorySink):
            def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
                raise ZeroDivisionError

        world = World(control, sandbox.api_url)
        holder = world.hold(sink=Broken())
        world.add(team.token)
        eventually(lambda: world.deaths)
        assert [(name, type(exc)) for name, exc in world.deaths] == [
            ("botfleet-publisher", ZeroDivisionError)
        ]
        started = time.monotonic()
        holder.stop()
        assert time.monotonic() - started < 5.0
        eventually(lambda: threads() == [])

    def test_so_is_the_reactor(
        self, sandbox: SandboxProcess, control: SandboxControl, team: Workspace
    ) -> None:
        world = World(control, sandbox.api_url)
        holder = world.hold()
        world.connect(team.token)

        def fail() -> None:
            raise ZeroDivisionError

        holder.reactor.call(fail)
        eventually(lambda: world.deaths)
        assert world.deaths[0][0] == "botfleet-reactor"
        started = time.monotonic()
        holder.stop()
        assert time.monotonic() - started < 5.0
        control.wait_for_connections(0, team=team.id)
        eventually(lambda: threads() == [])

    def test_a_broker_that_hangs_holds_nobody_up(
        self, sandbox: SandboxProcess, control: SandboxControl, team: Workspace
    ) -> None:
        """Sockets are read, pings answered, and statuses written."""
        gate = threading.Event()

        class Hanging(MemorySink):
            def push(self, batch: Sequence[Outgoing | Bundle]) -> int:
                if not gate.wait(20.0):
                    raise PublishError("nobody opened the gate")
                return super().push(batch)

        world = World(control, sandbox.api_url, ping_interval=0.5)
        world.sink = Hanging()
        holder = world.hold()
        try:
            key = world.connect(team.token)
            flood(control, team, 1000)
            eventually(lambda: holder.publisher.counters.events >= 1001)
            stays(lambda: len(world.asked(key)) == 1 and control.connections(team.id) == 1, 1.2)
            gate.set()
            eventually(lambda: len(world.events(key)) >= 1000)
            assert world.texts(key) == numbers(1000)
        finally:
            gate.set()
            world.close()
        assert world.deaths == []
