"""The testing kit in-process: what a bot's author asks of the fixture `fleet`."""

from __future__ import annotations

import time
from typing import Any

import pytest

from botfleet import BatchFailed, Client, Commands, Event, Match, Timer, before, command, every, match, on
from botfleet.errors import SlackError, UsageError
from botfleet.sandbox import SandboxError
from botfleet.testing import Call, Fleet, Reaction

pytestmark = pytest.mark.botfleet(handlers=[])


@command("ping")
def ping(event: Event, client: Client) -> None:
    client.reply("pong")


@command("echo")
def echo(event: Event, client: Client, match: Match) -> None:
    client.reply(f"{event.user} {match.expression}")


# What people do


@pytest.mark.parametrize("text", ["@bot ping", "@bot: PING", "bot ping", "Bot, ping"])
def test_the_bot_is_spoken_to(fleet: Fleet, text: str) -> None:
    fleet.load(ping)
    fleet.say("#general", text)
    assert fleet.replies == ["pong"]


def test_it_may_have_nothing_to_say(fleet: Fleet) -> None:
    fleet.load(ping)
    fleet.say("#general", "@bot ping")
    fleet.say("#general", "ping")
    assert fleet.replies == []


def test_direct_messages(fleet: Fleet) -> None:
    fleet.load(ping)
    fleet.dm("ping", "bob")
    assert [(one.text, one.channel, one.user) for one in fleet.messages] == [("pong", "@bob", "bot")]
    fleet.say("@carol", "ping")
    assert fleet.messages[0].channel == "@carol"


def test_names_become_references_and_references_names(fleet: Fleet) -> None:
    @command("who")
    def who(event: Event, client: Client) -> None:
        heard.append(event.text)
        client.reply(f"<@{event.user}> is in <#{event.channel}|general>, not <@U9>")

    heard: list[str] = []
    fleet.load(who)
    said = fleet.say("#general", "@bot who is @alice in #random?", user="bob")
    alice, bot, random = fleet.id("@alice"), fleet.id("@bot"), fleet.id("#random")
    assert heard == [f"<@{bot}> who is <@{alice}> in <#{random}|random>?"]
    assert fleet.replies == ["@bob is in #general, not <@U9>"]
    assert (said.text, said.raw, said.user) == ("@bot who is @alice in #random?", heard[0], "bob")


def test_threads(fleet: Fleet) -> None:
    fleet.load(ping)
    first = fleet.say("#general", "who is there?")
    second = fleet.say(first, "@bot ping", thread=first)
    assert (second.channel, second.thread) == ("#general", first.ts)
    assert [(one.text, one.thread) for one in fleet.messages] == [("pong", first.ts)]


def test_reactions_edits_ends_and_joining_are_heard(fleet: Fleet) -> None:
    @on("reaction_added", "reaction_removed", "member_joined_channel", "team_join")
    def told(event: Event) -> None:
        heard.append((event.type, event.user))

    @on("message", subtypes=["message_changed", "message_deleted"])
    def changed(event: Event) -> None:
        heard.append((event.subtype, event.text))

    heard: list[tuple[Any, ...]] = []
    fleet.load(told, changed)
    said = fleet.say("#general", "one")
    fleet.react(said, "eyes", "bob")
    fleet.unreact(said, "eyes", "bob")
    fleet.edit(said, "two @carol")
    fleet.delete(said)
    fleet.join("#random", "@carol")
    fleet.join_team("dave")
    fleet.join_team("dave")
    bob, carol, dave = (fleet.id(name) for name in ("@bob", "@carol", "@dave"))
    assert heard == [
        ("reaction_added", bob),
        ("reaction_removed", bob),
        ("message_changed", f"two <@{carol}>"),
        ("message_deleted", ""),
        ("member_joined_channel", carol),
        ("team_join", dave),
        ("team_join", dave),
    ]


def test_any_event(fleet: Fleet) -> None:
    @on("pin_added")
    def pinned(event: Event) -> None:
        heard.append(event.payload)

    heard: list[dict[str, Any]] = []
    fleet.load(pinned)
    fleet.send({"type": "pin_added", "user": "@alice", "item": {"channel": "#general"}, "pins": ["@bob", 2]})
    assert heard == [
        {
            "type": "pin_added",
            "user": fleet.id("@alice"),
            "item": {"channel": fleet.id("#general")},
            "pins": [fleet.id("@bob"), 2],
        }
    ]


def test_names_are_known_and_followed(fleet: Fleet) -> None:
    @command("tell")
    def tell(event: Event, client: Client, match: Match) -> None:
        place, _, text = event.plain_text.partition("tell ")[2].partition(" ")
        client.message(place, text)

    fleet.load(tell)
    fleet.say("#general", "@bot tell #random that @bob is here")
    assert [(one.text, one.channel) for one in fleet.messages] == [("that @bob is here", "#random")]
    fleet.add_channel("#dev")
    fleet.say("#general", "@bot tell #dev hello")
    assert [(one.text, one.channel) for one in fleet.messages] == [("hello", "#dev")]


def test_teams_are_apart(fleet: Fleet) -> None:
    fleet.load(echo)
    beta = fleet.team("beta")
    assert beta is fleet.team("beta")
    assert beta.team_id != fleet.team_id
    beta.say("#general", "@bot echo b")
    fleet.say("#general", "@bot echo a")
    assert fleet.replies == [f"{fleet.id('@alice')} a"]
    assert beta.replies == [f"{beta.id('@alice')} b"]


def test_what_is_unknown_is_named(fleet: Fleet) -> None:
    fleet.load(ping)
    with pytest.raises(SandboxError, match=r"channel '#nowhere' is unknown in T.*general, random"):
        fleet.say("#nowhere", "hi")
    with pytest.raises(SandboxError, match="user 'zoe' is unknown"):
        fleet.say("#general", "hi", user="zoe")
    with pytest.raises(UsageError, match=r"'#nowhere' is unknown; takes one of #general, "):
        fleet.id("#nowhere")
    with pytest.raises(UsageError, match="3 is no handler"):
        fleet.load(3)


# What the bot does


def test_plain_text_goes_over_the_socket_and_the_rest_by_the_web_api(fleet: Fleet) -> None:
    @command("cheer")
    def cheer(event: Event, client: Client) -> None:
        client.web.reactions_add(channel=event.channel, timestamp=event.ts, name="tada")
        client.reply("hooray", icon_emoji=":tada:")
        client.reply("plain")

    fleet.load(cheer)
    said = fleet.say("#general", "@bot cheer")
    assert fleet.replies == ["hooray", "plain"]
    assert fleet.reactions == [Reaction("tada", "#general", said.ts)]
    assert [call.method for call in fleet.calls] == ["reactions.add", "chat.postMessage"]
    posted = fleet.calls[1]
    assert posted.error is None
    assert (posted.arguments["text"], posted.arguments["channel"]) == ("hooray", said.channel_id)
    assert fleet.messages[0].extras == {"icons": {"emoji": ":tada:"}}
    assert "xoxb" not in repr(fleet.calls)


def test_all_that_a_client_does(fleet: Fleet) -> None:
    @command("do")
    def do(event: Event, client: Client) -> None:
        sent = client.reply("one", wait=True)
        assert sent is not None
        client.update(sent, "two")
        client.react("eyes", sent)
        client.delete(sent)
        client.ephemeral(event.user, "psst")
        client.dm(event.user, "three")
        client.upload(content="a,b", filename="table.csv", comment="four")
        client.typing()
        seen.append(sent.ts)

    seen: list[str] = []
    fleet.load(do)
    fleet.say("#general", "@bot do", user="bob")
    said = [(one.text, one.channel, one.edited, one.ephemeral) for one in fleet.messages]
    assert said == [
        ("one", "#general", False, False),
        ("two", "#general", True, False),
        ("psst", "#general", False, True),
        ("three", "@bob", False, False),
        ("four", "#general", False, False),
    ]
    assert [one.ts for one in fleet.reactions] == seen == [fleet.messages[0].ts]
    assert [one.error for one in fleet.calls] == [None] * len(fleet.calls)


def test_all_bots_are_spoken_for(fleet: Fleet) -> None:
    @command("all")
    def all_(event: Event, client: Client) -> None:
        client.broadcast("hear")

    fleet.load(all_)
    teams = [fleet, *(fleet.team(f"team {number}") for number in range(5))]
    for team in teams:
        team.say("#random", "hi")
    fleet.dm("all")
    assert [team.replies for team in teams] == [["hear"]] * 6


@pytest.mark.botfleet(send_rate=1)
def test_who_wants_to_see_the_pace_can(fleet: Fleet) -> None:
    @command("post")
    def post(event: Event, client: Client) -> None:
        for number in range(6):
            client.reply(str(number), icon_emoji=":1234:")

    fleet.load(post)
    before = fleet.clock()
    fleet.say("#general", "@bot post")
    assert len(fleet.replies) == 6
    assert fleet.clock() - before == pytest.approx(2)


@pytest.mark.botfleet(shadow=True)
def test_shadow_mode_says_nothing(fleet: Fleet) -> None:
    fleet.load(ping)
    fleet.say("#general", "@bot ping")
    assert fleet.replies == []


def test_edits_and_notes_for_one_person(fleet: Fleet) -> None:
    @command("work")
    def work(event: Event, client: Client) -> None:
        ts = client.web.chat_postMessage(channel=str(event.channel), text="working …")["ts"]
        client.web.chat_update(channel=str(event.channel), ts=ts, text="done")
        client.web.chat_postEphemeral(channel=str(event.channel), user=str(event.user), text="psst")

    fleet.load(work)
    fleet.say("#general", "@bot work")
    assert fleet.replies == ["working …", "psst"]
    working, done, psst = fleet.messages
    assert (done.text, done.ts, done.edited, working.edited) == ("done", working.ts, True, False)
    assert (psst.ephemeral, done.ephemeral) == (True, False)


def test_a_message_of_the_bots_can_be_answered(fleet: Fleet) -> None:
    @on("reaction_added")
    def thank(event: Event, client: Client) -> None:
        client.message(event.channel, f"thanks for {event.get('reaction')}")

    fleet.load(ping, thank)
    fleet.dm("ping")
    fleet.react(fleet.messages[0], "heart")
    assert fleet.replies == ["thanks for heart"]


def test_what_the_bot_says_by_the_web_api_is_heard(fleet: Fleet) -> None:
    @on("message", own=True)
    def count(event: Event, client: Client) -> None:
        if event.text.isdigit() and int(event.text) < 3:
            client.reply(str(int(event.text) + 1), icon_emoji=":1234:")

    fleet.load(count)
    fleet.say("#general", "0")
    assert fleet.replies == ["1", "2", "3"]


def test_a_bot_that_answers_itself_is_told(fleet: Fleet) -> None:
    @on("message", own=True)
    def again(event: Event, client: Client) -> None:
        client.reply("again", icon_emoji=":repeat:")

    fleet.load(again)
    with pytest.raises(UsageError, match="does the bot answer itself"):
        fleet.say("#general", "once")


# What is run


class Greeter(Commands):
    def on_hello(self) -> None:
        self.on("reaction_added", self.cheer)

    def on_team_join(self, data: Event) -> None:
        self.message(str(data.user), "Welcome!")

    def cheer(self, data: Event) -> None:
        self.message(str(data.channel), "Hooray!")


def test_classes_of_commands_and_their_listeners(fleet: Fleet) -> None:
    fleet.load(Greeter)
    fleet.join_team("dave")
    assert [(one.text, one.channel) for one in fleet.messages] == [("Welcome!", "@dave")]
    fleet.react(fleet.say("#general", "look"), "eyes")
    assert fleet.replies == ["Hooray!"]


def test_modules_by_themselves_and_by_name(fleet: Fleet) -> None:
    import tasks.hello

    fleet.load(tasks.hello)
    fleet.dm("ping")
    assert fleet.replies == ["pong"]
    fleet.load("tasks.welcome")
    fleet.dm("ping")
    assert fleet.replies != ["pong"]


@pytest.mark.botfleet(handlers=["tasks"], aliases=["robot"])
def test_a_mark_chooses_modules_and_settings(fleet: Fleet) -> None:
    fleet.say("#general", "robot ping")
    assert fleet.replies == ["pong"]


def test_the_first_of_the_chain_that_matches_is_run(fleet: Fleet) -> None:
    @match(r"p(?P<rest>\w+)")
    def any_p(event: Event, client: Client, match: Match) -> None:
        client.reply(f"p and {match['rest']}")

    fleet.load(ping, any_p)
    fleet.say("#general", "@bot ping")
    assert fleet.replies == ["pong"]
    fleet.say("#general", "@bot pang")
    assert fleet.replies == ["p and ang"]


def test_what_is_built_in_is_there(fleet: Fleet) -> None:
    fleet.load(ping)
    fleet.dm("help")
    assert "ping" in fleet.replies[0]
    fleet.dm("pink")
    assert len(fleet.replies) == 1


@pytest.mark.botfleet(builtins=[])
def test_what_is_built_in_can_be_left_out(fleet: Fleet) -> None:
    fleet.load(ping)
    fleet.dm("help")
    assert fleet.replies == []


def test_hooks_run_around_handlers(fleet: Fleet) -> None:
    @before
    def only_alice(event: Event) -> bool:
        return event.user == fleet.id("@alice")

    fleet.load(ping, only_alice)
    fleet.dm("ping", "alice")
    assert fleet.replies == ["pong"]
    fleet.dm("ping", "bob")
    assert fleet.replies == []


def test_batches_have_all_that_waits(fleet: Fleet) -> None:
    @on("message", own=True, batch=2)
    def archive(events: list[Event]) -> None:
        batches.append([event.text for event in events])

    @command("count")
    def count(event: Event, client: Client) -> None:
        for number in (1, 2):
            client.reply(str(number), icon_emoji=":1234:")

    batches: list[list[str]] = []
    fleet.load(archive, count)
    fleet.dm("count")
    assert batches == [["count", "1"], ["2"]]


def test_ordered_handlers_have_one_event_after_another(fleet: Fleet) -> None:
    @on("message", own=True, ordered="channel", max_retries=1)
    def note(event: Event, client: Client) -> None:
        notes.append(event.text)
        if event.text == "0":
            client.reply("1", icon_emoji=":1234:")
            if notes.count("0") == 1:
                raise ConnectionError

    notes: list[str] = []
    fleet.load(note)
    fleet.say("#general", "0")
    assert notes == ["0", "0", "1"]


def test_what_is_not_done_of_a_batch_is_tried_again(fleet: Fleet) -> None:
    @on("message", batch=10)
    def archive(events: list[Event]) -> None:
        tries.append([event.text for event in events])
        if len(tries) == 1:
            raise BatchFailed(0)

    tries: list[list[str]] = []
    fleet.load(archive)
    fleet.say("#general", "one")
    assert tries == [["one"], ["one"]]


# What goes wrong


class Mine(Exception):
    """An exception that can't be pickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("mine")


@on("message")
def fail(event: Event) -> None:
    raise Mine(1, 2)


def test_what_a_handler_raises_reaches_the_test_and_hinders_no_other(fleet: Fleet) -> None:
    fleet.load(fail, ping)
    with pytest.raises(Mine):
        fleet.dm("ping")
    assert fleet.replies == ["pong"]
    assert [type(exc) for exc in fleet.errors] == [Mine]
    fleet.raise_errors = False
    fleet.dm("ping")
    assert len(fleet.errors) == 2


def test_several_failures_come_together(fleet: Fleet) -> None:
    @on("message")
    def other(event: Event) -> None:
        raise ValueError

    fleet.load(fail, other)
    with pytest.raises(ExceptionGroup) as caught:
        fleet.say("#general", "x")
    assert {type(exc) for exc in caught.value.exceptions} == {Mine, ValueError}


def test_retries_take_the_fleets_time(fleet: Fleet) -> None:
    @on("message", retry_backoff=False, default_retry_delay=60, max_retries=2)
    def try_again(event: Event, client: Client) -> None:
        tries.append(event.text)
        if len(tries) < 3:
            raise ConnectionError
        client.reply("at last")

    tries: list[str] = []
    fleet.load(try_again)
    before, began = fleet.clock(), time.monotonic()
    fleet.say("#general", "x")
    assert (fleet.replies, len(tries)) == (["at last"], 3)
    assert fleet.clock() - before == pytest.approx(120)
    assert time.monotonic() - began < 5


def test_the_last_try_is_the_one_that_counts(fleet: Fleet) -> None:
    @on("message", max_retries=1)
    def try_twice(event: Event) -> None:
        tries.append(event.text)
        raise ConnectionError(str(len(tries)))

    tries: list[str] = []
    fleet.load(try_twice)
    with pytest.raises(ConnectionError, match="2"):
        fleet.say("#general", "x")


def test_slack_may_refuse(fleet: Fleet) -> None:
    @command("post")
    def post(event: Event, client: Client) -> None:
        client.reply("posted", icon_emoji=":x:")

    fleet.load(post)
    fleet.fail("chat.postMessage", "channel_not_found", times=4)
    with pytest.raises(SlackError) as caught:
        fleet.dm("post")
    assert caught.value.error == "channel_not_found"
    assert [call.error for call in fleet.calls] == ["channel_not_found"] * 4
    fleet.dm("post")
    assert fleet.replies == ["posted"]


def test_rate_limits_take_the_fleets_time(fleet: Fleet) -> None:
    @command("post")
    def post(event: Event, client: Client) -> None:
        client.reply("posted", icon_emoji=":x:")

    fleet.load(post)
    fleet.fail("chat.postMessage", "ratelimited", retry_after=7)
    before, began = fleet.clock(), time.monotonic()
    fleet.dm("post")
    assert fleet.replies == ["posted"]
    assert [call.error for call in fleet.calls] == ["ratelimited", None]
    assert fleet.clock() - before == pytest.approx(7)
    assert time.monotonic() - began < 5


def test_a_long_pause_is_waited_out_by_a_retry(fleet: Fleet) -> None:
    @command("post", max_age=None)
    def post(event: Event, client: Client) -> None:
        client.reply("posted", icon_emoji=":x:")

    fleet.load(post)
    fleet.fail("chat.postMessage", "ratelimited", retry_after=600)
    before = fleet.clock()
    fleet.dm("post")
    assert fleet.replies == ["posted"]
    assert 600 <= fleet.clock() - before < 660


def test_what_slack_refuses_on_the_socket_fails_the_test(fleet: Fleet) -> None:
    @command("lose")
    def lose(event: Event, client: Client) -> None:
        client.message("C0404", "gone")

    fleet.load(lose)
    with pytest.raises(SlackError, match="channel_not_found"):
        fleet.dm("lose")


# Time


def test_late_events_are_dropped(fleet: Fleet) -> None:
    fleet.load(ping)
    before = fleet.clock()
    fleet.dm("ping", late=29)
    assert fleet.replies == ["pong"]
    fleet.dm("ping", late=31)
    assert fleet.replies == []
    assert fleet.clock() - before == pytest.approx(60)


def test_the_clock_goes_one_way_and_shows_in_events(fleet: Fleet) -> None:
    @on("message")
    def note(event: Event) -> None:
        times.append(event.received_at)

    times: list[float] = []
    fleet.load(note)
    first = fleet.say("#general", "one")
    fleet.clock.advance(3600)
    second = fleet.say("#general", "two")
    assert times[1] - times[0] == pytest.approx(3600)
    assert float(second.ts) - float(first.ts) == pytest.approx(3600, abs=1)
    with pytest.raises(UsageError, match="can't go back"):
        fleet.clock.advance(-1)


def test_timers_run_as_time_passes(fleet: Fleet) -> None:
    @every(minutes=10)
    def remind(timer: Timer) -> None:
        times.append((fleet.clock() - before, timer.last_run is None))
        timer.memory["runs"] = timer.memory.get("runs", 0) + 1
        for client in timer.clients():
            client.message("#general", f"reminder {timer.memory['runs']}")

    times: list[tuple[float, bool]] = []
    fleet.load(remind)
    before = fleet.clock()
    fleet.clock.advance(599)
    assert fleet.replies == []
    fleet.clock.advance(1201)
    assert fleet.replies == ["reminder 1", "reminder 2", "reminder 3"]
    assert times == [
        (pytest.approx(600, abs=0.1), True),
        (pytest.approx(1200, abs=0.1), False),
        (pytest.approx(1800, abs=0.1), False),
    ]
    assert fleet.clock() - before == pytest.approx(1800, abs=0.1)


def test_missed_timers_run_once(fleet: Fleet) -> None:
    @every(seconds=1)
    def tick(timer: Timer) -> None:
        runs.append(timer.due_at)

    runs: list[float] = []
    fleet.load(tick)
    with pytest.raises(UsageError, match=r"use clock.skip"):
        fleet.clock.advance(86_400)
    runs.clear()
    fleet.clock.skip(86_400)
    fleet.clock.advance(1)
    assert len(runs) <= 2


def test_a_timer_is_run_when_asked_for(fleet: Fleet) -> None:
    @every("0 9 * * 1-5")
    def report(timer: Timer) -> None:
        runs.append(timer.last_run)
        for client in timer.clients():
            client.message("#general", "morning")

    runs: list[float | None] = []
    fleet.load(report)
    fleet.run_timer("report")
    before = fleet.clock()
    assert fleet.replies == ["morning"]
    fleet.run_timer("report")
    assert fleet.replies == ["morning"]
    assert runs == [None, before]
    with pytest.raises(UsageError, match=r"no timer 'nothing'; takes one of .*report"):
        fleet.run_timer("nothing")


def test_what_a_timer_raises_reaches_the_test(fleet: Fleet) -> None:
    @every(minutes=1, autoretry_for=())
    def fails(timer: Timer) -> None:
        raise Mine(1, 2)

    fleet.load(fails)
    with pytest.raises(Mine):
        fleet.clock.advance(60)


def test_handlers_are_told_of_their_bots(fleet: Fleet) -> None:
    @on("bot_created", "hello")
    def begin(event: Event, client: Client) -> None:
        heard.append(event.type)

    heard: list[str] = []
    fleet.load(begin)
    fleet.team("beta").dm("hi")
    assert sorted(heard) == ["bot_created", "hello"]


def test_the_values_are_plain(fleet: Fleet) -> None:
    fleet.load(ping)
    fleet.dm("ping")
    assert repr(fleet) == "<Fleet Acme Inc>"
    assert Call("a.b") == Call("a.b", None, {})
