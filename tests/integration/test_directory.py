"""A directory over a real store and the sandbox: what Slack says has changed is seen by whoever asks next."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery

from botfleet.errors import UsageError
from botfleet.fleet import Fleet
from botfleet.handlers import Client, Event, HandlerContext, Loaded, on
from botfleet.handlers.builtin.upkeep import HANDLERS, refresh
from botfleet.handlers.recent import Recent
from botfleet.handlers.running.binding import bind
from botfleet.model import bot_key
from botfleet.publishing.router import Router
from botfleet.sandbox import SandboxControl
from botfleet.settings import Settings
from botfleet.slack.envelope import Identifier, Origin, wrap
from botfleet.slack.frames import decode
from botfleet.store.redis import RedisStore

from .sandbox_fixtures import Socket, Workspace, connected, control, sandbox, team

__all__ = ["control", "sandbox", "team"]  # fixtures

#: What the author's handler saw, one entry for each event.
seen: list[Any] = []
look: Callable[[Event, Client], Any]


@on("channel_rename", "user_change", "message")
def looks(event: Event, client: Client) -> None:
    seen.append(look(event, client))


class Work:
    """Takes what a bot's socket says through subscriptions and tasks, as holder and handlers do."""

    def __init__(self, team: Workspace, control: SandboxControl, store: RedisStore, socket: Socket) -> None:
        settings = Settings(slack_api_url=team.api_url)
        self.team, self.control, self.socket = team, control, socket
        self.fleet = Fleet(settings, store)
        assert self.fleet.add_token(team.token).ok
        self.context = HandlerContext(
            store=store, seal=self.fleet.seal, settings=settings, api=self.fleet.api
        )
        self.app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
        # The author's handler first, as its task may well run first.
        self.router = Router(bind(self.app, Loaded((), (looks, *HANDLERS)), self.context))
        self.app.finalize()

    def elsewhere(self) -> Client:
        """A client of another process."""
        return Client(dataclasses.replace(self.context, recent=Recent()), self.team.id)

    def hear(self, kind: str, look_: Callable[[Event, Client], Any]) -> Any:
        """Runs the tasks of the next event of a type; gives what the author's handler saw in it."""
        global look
        look = look_
        event = self.socket.read_until(kind)
        raw = json.dumps(event).encode()
        frame, bot = decode(raw), self.context.store.bot(self.team.id)
        assert frame is not None
        assert bot is not None
        origin = Origin.of(bot)
        envelope = json.loads(wrap(Identifier().identify(origin, frame), origin, frame, raw, 1.0))
        envelope["received_at"] = self.context.clock()
        seen.clear()
        for wanted in self.router.match(origin, frame):
            self.app.tasks[wanted.task].apply(args=[envelope]).get()
        return seen[0] if seen else None


@pytest.fixture
def work(team: Workspace, control: SandboxControl, redis_store: RedisStore) -> Iterator[Work]:
    with connected(team) as socket:
        yield Work(team, control, redis_store, socket)


def calls(work: Work, method: str) -> int:
    return len(work.control.calls(team=work.team.id, method=method))


def test_a_renamed_channel_has_its_new_name_at_once(work: Work) -> None:
    general = work.team.general
    assert work.elsewhere().directory.resolve("#general") == general
    work.control.rename_channel("general", "lobby", team=work.team.id)
    in_handler = work.hear("channel_rename", lambda event, client: client.directory.resolve("#lobby"))
    assert in_handler == general
    directory = work.elsewhere().directory
    assert directory.resolve("#lobby") == directory.channel("lobby").id == general
    with pytest.raises(UsageError, match="#general"):
        directory.resolve("#general")
    assert calls(work, "conversations.list") == 1


def test_channels_that_come_and_go(work: Work) -> None:
    work.elsewhere().directory.resolve("#general")
    made = work.control.create_channel("plans", team=work.team.id)
    work.hear("channel_created", lambda event, client: None)
    hidden = work.control.create_channel("hidden", private=True, team=work.team.id)
    work.hear("group_joined", lambda event, client: None)
    directory = work.elsewhere().directory
    assert (directory.resolve("#plans"), directory.resolve("#hidden")) == (made, hidden)
    work.control.archive_channel("plans", team=work.team.id)
    work.hear("channel_archive", lambda event, client: None)
    with pytest.raises(UsageError):
        work.elsewhere().directory.resolve("#plans")
    assert work.elsewhere().directory.channel(made).is_archived
    assert calls(work, "conversations.list") == 1


def test_a_users_new_name_is_seen(work: Work) -> None:
    assert work.elsewhere().directory.resolve("@alice") == work.team.alice
    work.control.change_user("alice", display_name="Alicia", team=work.team.id)
    label = work.hear("user_change", lambda event, client: client.directory.user(event.user or "").label)
    assert label == "Alicia"
    assert work.elsewhere().directory.resolve("@alicia") == work.team.alice
    work.control.join("dave", team=work.team.id)
    work.hear("team_join", lambda event, client: None)
    assert work.elsewhere().directory.user("@dave").name == "dave"
    assert calls(work, "users.list") == 1
    work.control.say("general", "hello @alice & @bob", team=work.team.id, user="bob")
    said = work.hear("message", lambda event, client: (event.plain_text, event.mentions[0]))
    assert said == ("hello @Alicia & @bob", work.team.alice)


def test_what_an_event_knows(work: Work) -> None:
    first = work.control.say("general", "hi", team=work.team.id)
    work.control.say("general", "<@U404> & <#C404>", team=work.team.id, thread_ts=first["ts"])
    work.socket.read_until("message")

    def everything(event: Event, client: Client) -> tuple[Any, ...]:
        user, channel = event.user_info, event.channel_info
        assert user is not None
        assert channel is not None
        return user.name, channel.name, event.team.id, event.permalink, event.ts, event.plain_text

    name, channel, team_id, permalink, ts, text = work.hear("message", everything)
    assert (name, channel, team_id) == ("alice", "general", work.team.id)
    shown = work.team.web().chat_getPermalink(channel=work.team.general, message_ts=ts)
    assert permalink == shown["permalink"]
    assert text == "@U404 & #C404"
    assert work.elsewhere().directory.bot(f"B{work.team.id[1:]}").user == work.team.bot


def test_unknown_names_and_ids(work: Work) -> None:
    directory = work.elsewhere().directory
    for target in ("#nowhere", "@nobody"):
        with pytest.raises(UsageError, match=target):
            directory.resolve(target)
        with pytest.raises(UsageError, match=target):
            work.elsewhere().message(target, "hello")
    assert directory.resolve("C404") == "C404"
    assert not directory.channel("C404").known
    assert not directory.user("U404").known
    assert not directory.bot("B404").known


def test_a_message_to_a_name(work: Work) -> None:
    work.elsewhere().message("@alice", "hello alice", unfurl_links=False)
    assert work.control.wait_for_message("hello alice", team=work.team.id)["channel"].startswith("D")
    work.elsewhere().message("#general", "hello all", unfurl_links=False)
    posted = work.control.wait_for_message("hello all", team=work.team.id)
    assert posted["channel"] == work.team.general


def test_nothing_is_left_of_a_team_that_is_removed(work: Work, redis_client: Any) -> None:
    directory = work.elsewhere().directory
    directory.resolve("#general")
    directory.resolve("@alice")
    assert directory.team.id == work.team.id
    keys = {f"botfleet:cache:{kind}:{bot_key(work.team.id)}" for kind in ("channels", "users", "team")}
    assert keys == set(redis_client.keys("botfleet:cache:*"))
    assert all(0 < redis_client.ttl(key) <= 86_400 for key in keys)
    assert work.fleet.remove_token(work.team.id).ok
    assert redis_client.keys("botfleet:cache:*") == redis_client.keys("botfleet:rota:*") == []
    assert refresh(work.context) == 0
