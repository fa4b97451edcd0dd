"""The directory, with a Slack of canned answers and a store in memory."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from botfleet.errors import SlackError, StoreUnavailable, TokenNotConnected, UsageError
from botfleet.handlers import Client, Directory, Event, HandlerContext
from botfleet.handlers.builtin.upkeep import HANDLERS, refresh
from botfleet.handlers.directory import CHANGES, ROTA, forget
from botfleet.handlers.directory.kinds import USERS
from botfleet.handlers.directory.lister import Lister
from botfleet.handlers.directory.shelf import Shelf
from botfleet.handlers.recent import Recent
from botfleet.store.memory import MemoryStore
from botfleet.store.values import CachedRow

from .answering import Answer, CannedSlack, answer
from .bots import NOW, context_with_bot, envelope


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Team:
    """A team whose directory is looked at by one process or two, and whose time is ours."""

    def __init__(self, slack: CannedSlack) -> None:
        self.slack = slack
        self.clock = Clock()
        made = context_with_bot(slack.settings)
        store = MemoryStore(4, clock=self.clock)
        bot = made.store.bot("T1")
        store.change_bot("T1", lambda _: bot)
        self.store = store
        self.context = dataclasses.replace(made, store=store, clock=self.clock)

    @property
    def directory(self) -> Directory:
        """As the handler of the next event in this process has it."""
        return Client(self.context, "T1").directory

    @property
    def elsewhere(self) -> Directory:
        """As another process has it."""
        return Client(self.other_process, "T1").directory

    @property
    def other_process(self) -> HandlerContext:
        return dataclasses.replace(self.context, recent=Recent())

    def hear(self, type: str, at: float | None = None, **payload: Any) -> None:
        """Lets the system's handlers hear of something, in a process of their own."""
        event = Event(
            {
                **envelope(type=type),
                "payload": {"type": type, **payload},
                "received_at": self.clock.now if at is None else at,
            }
        )
        client = Client(self.other_process, "T1", "", event)
        taken = [one for one in HANDLERS if type in one.subscription.types]
        assert len(taken) == 1
        taken[0](event, client)

    def calls(self, method: str) -> int:
        return len(self.slack.asked(method))


@pytest.fixture
def team(slack: CannedSlack) -> Team:
    give_channels(slack, channel("C1", "general"), channel("C2", "random"))
    give_users(slack, user("U1", "alice", "Al"), user("U2", "bob"))
    slack.give("conversations.info", answer(ok=True, channel=channel("C1", "general")))
    slack.give("users.info", answer(ok=True, user=user("U1", "alice", "Al", tz="Europe/Berlin")))
    slack.give("auth.test", answer(ok=True, team_id="T1", team="Acme", url="https://acme.slack.com/"))
    return Team(slack)


def channel(id: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"id": id, "name": name, "is_channel": True, "is_private": False, **fields}


def user(id: str, name: str, display_name: str = "", **fields: Any) -> dict[str, Any]:
    return {"id": id, "name": name, "profile": {"display_name": display_name, "real_name": "R"}, **fields}


def page(field: str, objects: list[dict[str, Any]], cursor: str = "") -> Answer:
    return answer(ok=True, **{field: objects}, response_metadata={"next_cursor": cursor})


def give_channels(slack: CannedSlack, *channels: dict[str, Any]) -> None:
    slack.give("conversations.list", page("channels", list(channels)))


def give_users(slack: CannedSlack, *users: dict[str, Any]) -> None:
    slack.give("users.list", page("members", list(users)))


def refused(error: str, **fields: Any) -> Answer:
    return answer(ok=False, error=error, **fields)


@pytest.mark.parametrize(
    "module",
    [
        "botfleet.handlers.directory.entries",
        "botfleet.handlers.directory.shelf",
        "botfleet.slack.markup",
    ],
)
def test_examples_in_docstrings(module: str) -> None:
    tried = doctest.testmod(importlib.import_module(module))
    assert tried.attempted > 0
    assert tried.failed == 0


# By id


def test_a_user_is_asked_for_once(team: Team) -> None:
    for directory in (team.directory, team.directory, team.elsewhere):
        found = directory.user("U1")
        assert (found.id, found.name, found.display_name, found.tz) == ("U1", "alice", "Al", "Europe/Berlin")
        assert (found.known, found.label) == (True, "Al")
    assert team.calls("users.info") == 1


def test_a_busy_process_does_not_ask_the_store(team: Team) -> None:
    assert team.directory.user("U1").name == "alice"
    assert team.directory.resolve("#general") == "C1"
    team.store.down = True
    assert team.directory.user("U1").name == "alice"
    assert team.directory.resolve("#general") == "C1"
    team.clock.now += Recent.LIFE
    with pytest.raises(StoreUnavailable):
        team.directory.user("U1")


def test_a_channel_a_bot_and_the_team(team: Team) -> None:
    im = {"id": "D1", "is_im": True, "user": "U1"}
    team.slack.give("conversations.info", answer(ok=True, channel=im))
    found = team.directory.channel("D1")
    assert (found.is_im, found.is_private, found.user, found.name) == (True, True, "U1", "")
    bot = {"id": "B1", "name": "jira", "app_id": "A1", "user_id": "U9"}
    team.slack.give("bots.info", answer(ok=True, bot=bot))
    assert (team.directory.bot("B1").name, team.elsewhere.bot("B1").user) == ("jira", "U9")
    assert team.calls("bots.info") == 1
    assert (team.directory.team.name, team.elsewhere.team.domain) == ("Acme", "acme")
    assert team.calls("auth.test") == 1


def test_an_unknown_id_passes_through_and_is_asked_for_again_after_a_while(team: Team) -> None:
    team.slack.give("users.info", refused("user_not_found"))
    for directory in (team.directory, team.elsewhere):
        found = directory.user("U9")
        assert (found.id, found.known, found.label, found.names) == ("U9", False, "U9", ())
    assert team.calls("users.info") == 1
    team.slack.give("users.info", answer(ok=True, user=user("U9", "nina")))
    team.clock.now += 61
    assert team.directory.user("U9").name == "nina"


def test_a_refusal_is_not_asked_for_with_each_event(team: Team) -> None:
    team.slack.give("users.info", refused("missing_scope", needed="users:read"))
    for _ in range(3):
        with pytest.raises(SlackError, match="missing_scope"):
            team.directory.user("U1")
    assert team.calls("users.info") == 1
    team.slack.give("users.info", answer(ok=True, user=user("U1", "alice")))
    team.clock.now += 61
    assert team.directory.user("U1").name == "alice"


def test_a_rate_limit_is_waited_out_without_a_call(team: Team) -> None:
    team.slack.give("users.info", Answer(b'{"ok":false,"error":"ratelimited"}', 429, {"Retry-After": "300"}))
    for _ in range(2):
        with pytest.raises(SlackError) as caught:
            team.directory.user("U1")
        assert caught.value.retry_after == 300
        team.clock.now += 299
    assert team.calls("users.info") == 1


def test_an_old_entry_is_asked_for_anew_and_serves_while_slack_is_away(team: Team) -> None:
    assert team.directory.user("U1").name == "alice"
    for _ in range(4):
        team.clock.now += 80_000  # Somebody asks, so that it stays.
        team.slack.give("users.info", refused("fatal_error"))
        assert team.directory.user("U1").name == "alice"
    team.slack.give("users.info", answer(ok=True, user=user("U1", "alicia")))
    team.clock.now += 6
    assert team.directory.user("U1").name == "alicia"


def test_an_unreadable_row_is_asked_for_anew(team: Team) -> None:
    team.store.put_cached("users:T1", {"U1": CachedRow(b"{")}, 100)
    assert team.directory.user("U1").name == "alice"


# By name


def test_names_cost_one_listing_for_all(team: Team) -> None:
    assert team.directory.resolve("#general") == "C1"
    assert team.elsewhere.resolve("#random") == "C2"
    assert team.elsewhere.channel("random").name == "random"
    assert team.calls("conversations.list") == 1
    assert team.directory.resolve("@alice") == "U1"
    assert team.elsewhere.resolve("@bob") == "U2"
    assert team.calls("users.list") == 1


@pytest.mark.parametrize("target", ["@alice", "@ALICE", "@al", "@Al", "<@U1>", "<@U1|alice>", "U1", "alice"])
def test_ways_to_name_a_user(team: Team, target: str) -> None:
    assert team.directory.user(target).id == "U1"


@pytest.mark.parametrize("target", ["C9", "U9", "D9", "anything", "<#C9|x>", "<@U9>", ""])
def test_what_is_no_name_passes_through(team: Team, target: str) -> None:
    assert team.directory.resolve(target) == {"<#C9|x>": "C9", "<@U9>": "U9"}.get(target, target)
    assert team.slack.calls == []


@pytest.mark.parametrize("target", ["#nowhere", "@nobody", "#", "@ \t"])
def test_an_unknown_name_is_an_error_that_names_it(team: Team, target: str) -> None:
    for directory in (team.directory, team.elsewhere):
        with pytest.raises(UsageError) as caught:
            directory.resolve(target)
        assert target.strip() in str(caught.value)
    assert len(team.slack.calls) == (1 if target[1:].strip() else 0)


def test_an_unknown_name_is_looked_for_again_after_a_while(team: Team) -> None:
    with pytest.raises(UsageError):
        team.directory.resolve("#plans")
    give_channels(team.slack, channel("C3", "plans"))
    team.clock.now += 61
    assert team.directory.resolve("#plans") == "C3"
    with pytest.raises(UsageError):  # A complete listing has none of that name any more.
        team.elsewhere.resolve("#general")


@pytest.mark.parametrize("junk", [None, 7, "", "#", "@alice!\0"])
def test_junk_is_no_channel_and_no_bot(team: Team, junk: Any) -> None:
    for look in (team.directory.channel, team.directory.bot):
        with pytest.raises(UsageError):
            look(junk)
    with pytest.raises(UsageError):
        team.directory.resolve(None)  # type: ignore[arg-type]


def test_a_handle_wins_over_others_display_names(team: Team) -> None:
    give_users(team.slack, user("U1", "alice", "bob"), user("U2", "bob", "Sam"), user("U3", "cy", "Sam"))
    assert team.directory.resolve("@bob") == "U2"
    with pytest.raises(UsageError, match="U2, U3"):
        team.directory.resolve("@sam")


def test_closed_accounts_and_archived_channels_have_no_name(team: Team) -> None:
    give_users(team.slack, user("U1", "alice", deleted=True), user("U2", "bob", "alice"))
    assert team.directory.resolve("@alice") == "U2"
    give_channels(team.slack, channel("C1", "general", is_archived=True))
    with pytest.raises(UsageError):
        team.directory.resolve("#general")


def test_all_pages_are_listed(team: Team) -> None:
    pages = [
        page("channels", [channel("C1", "general")], "next:1"),
        page("channels", [channel("C2", "random")], "next:2"),
        page("channels", [channel("C3", "plans")]),
    ]
    team.slack.give("conversations.list", *pages)
    assert team.directory.resolve("#plans") == "C3"
    assert "next%3A2" in str(team.slack.calls[-1].fields) or "next:2" in str(team.slack.calls[-1].fields)
    assert team.elsewhere.resolve("#general") == "C1"
    assert team.calls("conversations.list") == 3


def test_a_bot_that_may_see_public_channels_only(team: Team) -> None:
    public = page("channels", [channel("C1", "general")])
    team.slack.give("conversations.list", refused("missing_scope", needed="groups:read"), public)
    assert team.directory.resolve("#general") == "C1"


def test_a_failed_listing_is_known_to_all_for_a_while(team: Team) -> None:
    team.slack.give("conversations.list", refused("missing_scope"))
    for directory in (team.directory, team.elsewhere):
        with pytest.raises(SlackError, match="missing_scope"):
            directory.resolve("#general")
    assert team.calls("conversations.list") == 2  # Once for all channels, once for the public ones.
    give_channels(team.slack, channel("C1", "general"))
    team.clock.now += 61
    assert team.directory.resolve("#general") == "C1"


def test_a_listing_that_fails_in_the_middle_leaves_what_it_found(team: Team) -> None:
    first = page("members", [user("U1", "alice")], "next:1")
    team.slack.give("users.list", first, refused("fatal_error"))
    for directory in (team.directory, team.elsewhere):
        with pytest.raises(SlackError, match="fatal_error"):
            directory.resolve("@bob")
    assert team.elsewhere.resolve("@alice") == "U1"
    give_users(team.slack, user("U1", "alice"), user("U2", "bob"))
    team.clock.now += 61
    assert team.directory.resolve("@bob") == "U2"
    assert "next" not in str(team.slack.calls[-1].fields)


def test_a_listing_that_slack_slows_down_is_gone_on_with(team: Team) -> None:
    slow = Answer(b'{"ok":false,"error":"ratelimited"}', 429, {"Retry-After": "300"})
    team.slack.give("users.list", page("members", [user("U1", "alice")], "next:1"), slow)
    assert team.directory.resolve("@alice") == "U1"
    for directory in (team.directory, team.elsewhere):
        with pytest.raises(SlackError, match="ratelimited") as caught:
            directory.resolve("@bob")
        assert caught.value.retry_after == 300
    give_users(team.slack, user("U2", "bob"))
    team.clock.now += 301
    assert team.directory.resolve("@bob") == "U2"
    assert "next" in str(team.slack.calls[-1].fields)
    assert team.elsewhere.resolve("@alice") == "U1"
    with pytest.raises(UsageError):
        team.elsewhere.resolve("@nobody")
    assert team.calls("users.list") == 3


def test_a_listing_that_takes_too_long_is_gone_on_with(team: Team) -> None:
    team.slack.give("users.list", page("members", [user("U1", "alice")], "next:1"))
    web = Client(team.context, "T1").web
    seconds = iter(range(0, 1000, 50))
    shelf = Shelf(USERS, "T1", team.store, Recent(), team.clock)
    listing = Lister(shelf, team.store, lambda: web, team.clock, lambda: next(seconds)).run(100.0)
    assert listing is not None
    assert (listing.cursor, listing.listed, team.calls("users.list")) == ("next:1", 1, 1)
    with pytest.raises(SlackError, match="not_listed_yet") as caught:
        team.directory.resolve("@bob")
    assert caught.value.retry_after == 60


def test_an_endless_team_is_listed_up_to_a_bound(team: Team) -> None:
    pages = [[{"id": f"U{n}X{i}", "name": f"u{n}x{i}"} for i in range(20_000)] for n in range(4)]
    team.slack.give("users.list", *(page("members", one, f"next:{n}") for n, one in enumerate(pages)))
    assert team.directory.resolve("@u2x7") == "U2X7"
    with pytest.raises(UsageError):
        team.directory.resolve("@u3x7")
    assert team.calls("users.list") == 3


class SlowWeb:
    """Slack's lists, of which those from the nth page on come when they may."""

    def __init__(self, team: Team, pages_at_once: int) -> None:
        self.web = Client(team.context, "T1").web
        self.left = pages_at_once
        self.asked, self.may_answer = threading.Event(), threading.Event()

    def users_list(self, **arguments: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            self.asked.set()
            assert self.may_answer.wait(5)
        return self.web.users_list(**arguments)


@contextmanager
def listing(team: Team, pages_at_once: int) -> Iterator[SlowWeb]:
    """Another process lists the users, and has come to a page that Slack is slow with."""
    web: Any = SlowWeb(team, pages_at_once)
    directory = Directory("T1", team.store, lambda: web, Recent(), team.clock)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(directory.resolve, "@bob")
        assert web.asked.wait(5)
        yield web
        web.may_answer.set()
        assert other.result(5) == "U2"


def test_one_process_lists_and_the_others_wait(team: Team) -> None:
    with listing(team, 0) as web, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(team.directory.resolve, "@alice")
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        web.may_answer.set()
        assert waiting.result(5) == "U1"
    assert team.calls("users.list") == 1


def test_waiting_is_over_as_soon_as_the_name_is_there(team: Team) -> None:
    pages = page("members", [user("U1", "alice")], "next:1"), page("members", [user("U2", "bob")])
    team.slack.give("users.list", *pages)
    with listing(team, 1):
        assert team.directory.resolve("@alice") == "U1"


def test_who_waits_in_vain_is_told_to_try_again(team: Team) -> None:
    web = Client(team.context, "T1").web
    hasty = Directory("T1", team.store, lambda: web, Recent(), team.clock, patience=0.0)
    with listing(team, 0), pytest.raises(SlackError, match="not_listed_yet") as caught:
        hasty.resolve("@alice")
    assert not caught.value.fatal


# Events


def test_a_renamed_channel_is_found_by_its_new_name(team: Team) -> None:
    assert team.directory.resolve("#general") == "C1"
    team.hear("channel_rename", channel={"id": "C1", "name": "lobby", "created": 1})
    assert team.directory.resolve("#lobby") == "C1"
    team.clock.now += Recent.LIFE
    with pytest.raises(UsageError):
        team.directory.resolve("#general")
    assert team.calls("conversations.list") == 1


def test_the_handler_of_the_event_itself_sees_the_change(team: Team) -> None:
    assert team.directory.resolve("#general") == "C1"
    payload = {"type": "channel_rename", "channel": {"id": "C1", "name": "lobby"}}
    event = Event({**envelope(type="channel_rename"), "payload": payload})
    directory = Client(team.context, "T1", "", event).directory
    assert (directory.resolve("#lobby"), directory.channel("C1").name) == ("C1", "lobby")
    with pytest.raises(UsageError):
        directory.resolve("#general")


def test_a_user_that_was_just_looked_up_has_the_new_name(team: Team) -> None:
    assert team.directory.user("@alice").label == team.directory.user("U1").label == "Al"
    payload = {"type": "user_change", "user": user("U1", "alice", "Alicia")}
    event = Event({**envelope(type="user_change"), "payload": payload})
    directory = Client(team.context, "T1", "", event).directory
    assert directory.user("@alice").label == directory.user("U1").label == "Alicia"


def test_channels_that_come_and_go(team: Team) -> None:
    team.directory.resolve("#general")
    team.hear("channel_created", channel={"id": "C3", "name": "plans", "creator": "U1"})
    assert team.directory.resolve("#plans") == "C3"
    team.hear("group_joined", channel=channel("G4", "cellar", is_group=True))
    assert team.directory.channel("cellar").is_private
    assert team.directory.channel("cellar").is_member
    team.hear("channel_archive", channel="C3", user="U1")
    team.hear("group_deleted", channel="G4")
    team.clock.now += Recent.LIFE
    for name in ("#plans", "#cellar"):
        with pytest.raises(UsageError):
            team.directory.resolve(name)
    team.hear("channel_unarchive", channel="C3", user="U1")
    assert team.directory.resolve("#plans") == "C3"
    team.hear("channel_id_changed", old_channel_id="C3", new_channel_id="C5")
    team.clock.now += Recent.LIFE
    with pytest.raises(UsageError):
        team.directory.resolve("#plans")
    assert team.calls("conversations.list") == 1


def test_users_that_come_and_change(team: Team) -> None:
    team.directory.resolve("@alice")
    team.hear("team_join", user=user("U3", "cy"))
    assert team.directory.resolve("@cy") == "U3"
    team.hear("user_change", user=user("U1", "alice", "Alicia"))
    assert team.directory.resolve("@alicia") == "U1"
    assert team.elsewhere.user("U1").label == "Alicia"
    assert team.calls("users.list") == 1


def test_a_changed_bot_and_a_changed_team(team: Team) -> None:
    team.slack.give("bots.info", answer(ok=True, bot={"id": "B1", "name": "jira"}))
    assert team.directory.bot("B1").name == "jira"
    team.hear("bot_changed", bot={"id": "B1", "name": "Jira 2"})
    assert team.elsewhere.bot("B1").name == "Jira 2"
    assert team.directory.team.name == "Acme"
    team.slack.give("auth.test", answer(ok=True, team_id="T1", team="Acme 2", url="https://acme2.slack.com/"))
    team.hear("team_rename", name="Acme 2")
    assert team.elsewhere.team.domain == "acme2"


@pytest.mark.parametrize("type", sorted(CHANGES))
def test_events_fill_nothing_for_a_team_that_nobody_asks_about(team: Team, type: str) -> None:
    objects = {"user": user("U1", "alice"), "bot": {"id": "B1", "name": "x"}}
    team.hear(type, channel=channel("C1", "general"), old_channel_id="C1", **objects)
    for kind in ("channels", "users", "bots", "team"):
        assert team.store.cached_ids(f"{kind}:T1") == set()
    assert team.slack.calls == []


@pytest.mark.parametrize("type", sorted(CHANGES))
@pytest.mark.parametrize("junk", [None, "", 7, {}, {"id": 7}, []])
def test_odd_events_do_no_harm(team: Team, type: str, junk: Any) -> None:
    assert team.directory.resolve("#general") == "C1"
    team.hear(type, channel=junk, user=junk, bot=junk, old_channel_id=junk)
    assert team.elsewhere.resolve("#general") == "C1"


def test_users_that_nobody_asked_for_are_not_added_by_their_changes(team: Team) -> None:
    team.directory.user("U1")
    team.hear("user_change", user=user("U2", "bob"))
    team.hear("team_join", user=user("U3", "cy"))
    assert team.store.cached_ids("users:T1") == {"U1"}


def test_an_unknown_id_that_joins_is_known(team: Team) -> None:
    team.slack.give("users.info", refused("user_not_found"))
    assert not team.directory.user("U3").known
    team.hear("team_join", user=user("U3", "cy"))
    assert team.elsewhere.user("U3").name == "cy"


def test_late_events_do_not_undo_later_ones(team: Team) -> None:
    team.directory.resolve("#general")
    team.clock.now += 10
    team.hear("channel_rename", channel={"id": "C1", "name": "third"})
    team.hear("channel_rename", at=team.clock.now - 5, channel={"id": "C1", "name": "second"})
    assert team.directory.resolve("#third") == "C1"
    team.hear("channel_rename", at=team.clock.now - 3600, channel={"id": "C2", "name": "ancient"})
    assert team.directory.resolve("#random") == "C2"


def test_a_listing_does_not_forget_what_an_event_brought_meanwhile(team: Team) -> None:
    team.directory.resolve("#general")
    team.clock.now += 61
    team.hear("channel_created", at=team.clock.now, channel={"id": "C7", "name": "newest"})
    assert team.directory.refresh()
    assert team.elsewhere.resolve("#newest") == "C7"


# Refreshing, ending


def test_directories_in_use_are_listed_anew_in_turn(team: Team) -> None:
    team.directory.resolve("#general")
    assert refresh(team.context) == 0
    give_channels(team.slack, channel("C1", "lobby"))
    team.clock.now += 6 * 3600 + 1
    assert refresh(team.context) == 1
    assert team.calls("conversations.list") == 2
    assert team.calls("users.list") == 0
    assert team.directory.resolve("#lobby") == "C1"
    assert team.calls("conversations.list") == 2
    assert refresh(team.context) == 0


def test_a_directory_that_nobody_asks_for_ends(team: Team) -> None:
    team.directory.resolve("#general")
    for _ in range(5):
        team.clock.now += 6 * 3600 + 1
        refresh(team.context)
    assert team.calls("conversations.list") == 1 + 3  # After a day, refreshing did not keep it alive.
    assert team.store.cached_ids("channels:T1") == set()
    assert team.store.take_turns(ROTA, 1, 0.0) == []


def test_one_directorys_failure_hinders_no_other(team: Team, caplog: pytest.LogCaptureFixture) -> None:
    team.directory.resolve("#general")
    team.store.set_turn(ROTA, "T0", 0.0)
    team.slack.give("conversations.list", refused("fatal_error"))
    team.clock.now += 6 * 3600 + 1
    with caplog.at_level(logging.WARNING):
        assert refresh(team.context) == 2
    assert "T1: its directory was not listed anew: fatal_error" in caplog.text
    give_channels(team.slack, channel("C1", "lobby"))
    team.clock.now += 6 * 3600 + 1
    assert refresh(team.context) == 1  # That of the unknown bot has no turn any more.
    assert team.directory.resolve("#lobby") == "C1"


def test_channels_that_cannot_be_listed_do_not_hinder_users(team: Team) -> None:
    team.directory.resolve("#general")
    team.directory.resolve("@alice")
    team.slack.give("conversations.list", refused("missing_scope"))
    give_users(team.slack, user("U1", "alicia"))
    team.clock.now += 6 * 3600 + 1
    assert refresh(team.context) == 1
    assert team.directory.resolve("@alicia") == "U1"
    assert team.calls("users.list") == 2
    assert team.directory.resolve("#general") == "C1"


def test_a_dead_tokens_directory_is_dropped(team: Team) -> None:
    team.directory.resolve("#general")
    team.slack.give("conversations.list", refused("account_inactive"))
    team.clock.now += 6 * 3600 + 1
    assert refresh(team.context) == 1
    assert team.store.cached_ids("channels:T1") == set()


def test_nothing_is_left_of_a_removed_bot(team: Team) -> None:
    team.directory.resolve("#general")
    team.directory.user("U1")
    team.directory.team  # noqa: B018
    team.store.change_bot("T1", lambda _: None)
    forget(team.store, "T1")
    for kind in ("channels", "users", "bots", "team"):
        assert team.store.cached_ids(f"{kind}:T1") == set()
    team.clock.now += 7 * 3600
    assert refresh(team.context) == 0
    with pytest.raises(TokenNotConnected):
        team.elsewhere.resolve("#general")


def test_two_bots_of_a_team_know_nothing_of_each_other(team: Team) -> None:
    team.directory.resolve("#general")
    other = Client(team.context, "T1", "beta")
    with pytest.raises(TokenNotConnected):
        other.directory.resolve("#general")


def test_names_are_not_shown(team: Team, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = [team.directory.user("@alice"), team.directory.channel("#general"), team.directory]
        team.clock.now += 7 * 3600
        refresh(team.context)
    assert repr(found) == "[<User U1>, <Channel C1>, <Directory T1>]"
    assert "alice" not in caplog.text
    assert "general" not in caplog.text


def test_the_process_cache_is_bounded() -> None:
    recent = Recent()
    for n in range(Recent.MOST + 10):
        recent.put("users:T1", f"U{n}", n, 0.0)
    assert recent.get("users:T1", "U9", 1.0) is None
    assert recent.get("users:T1", "U10", 1.0) == 10
