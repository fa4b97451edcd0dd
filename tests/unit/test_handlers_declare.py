from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from botfleet.errors import ConfigurationError
from botfleet.handlers import (
    Client,
    Event,
    Handler,
    Match,
    attachment,
    command,
    contains,
    every,
    match,
    on,
    operator,
    prefix,
    reaction,
    scan,
)
from botfleet.handlers.matching.heard import Heard
from botfleet.handlers.matching.match import Phrases
from botfleet.handlers.matching.matchers import CommandMatcher

from .bots import context_with_bot, envelope


def test_a_handler_can_be_called_like_its_function() -> None:
    @on("team_join")
    def welcome(event: Event, client: Client) -> str:
        """Greets."""
        return f"{event} {client}"

    assert welcome(event="e", client="c") == "e c"  # type: ignore[arg-type]
    assert isinstance(welcome, Handler)
    assert welcome.__doc__ == "Greets."
    assert welcome.name == f"{__name__}.welcome"


def test_on_becomes_a_subscription() -> None:
    @on(
        "message",
        "app_mention",
        subtypes=["file_share"],
        scope=("private", "dm"),
        mentioned=True,
        own=True,
        bots=True,
        queue="slow",
        max_age=60,
        max_retries=1,
    )
    def handler() -> None: ...

    wanted = handler.subscription
    assert wanted.task == handler.name
    assert wanted.types == ("message", "app_mention")
    assert (wanted.subtypes, wanted.scopes) == (("file_share",), ("private", "dm"))
    assert (wanted.addressed, wanted.own, wanted.bots) == (True, True, True)
    assert (wanted.queue, wanted.max_age) == ("slow", 60.0)
    assert handler.options == {"max_retries": 1}


def test_on_wants_little_by_default() -> None:
    @on("*")
    def handler() -> None: ...

    wanted = handler.subscription
    assert wanted.types == ("*",)
    assert (wanted.subtypes, wanted.scopes, wanted.queue, wanted.max_age) == (None, (), "", None)
    assert (wanted.addressed, wanted.own, wanted.bots, wanted.words) == (False, False, False, ())


def test_a_command_becomes_a_subscription_with_its_first_words() -> None:
    @command("Sign  Up", "sign in", "Join")
    def handler(match: Match) -> None: ...

    wanted = handler.subscription
    assert wanted.types == ("message",)
    assert wanted.words == ("sign", "join")
    assert (wanted.addressed, wanted.max_age) == (True, 30.0)


def test_parameters_are_taken_by_name_in_any_order() -> None:
    @command("a")
    def all_of_them(match: object, client: object, event: object, more: int = 1, **rest: object) -> None: ...

    @command("b")
    def none_of_them() -> None: ...

    assert set(all_of_them.wants) == {"event", "client", "match"}
    assert none_of_them.wants == ()


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: on(), "@on.*event type"),
        (lambda: on(""), "@on.*event type"),
        (lambda: on("  "), "@on.*event type"),
        (lambda: on(7), "@on.*event type"),  # type: ignore[arg-type]
        (lambda: on(lambda event: None), "@on.*without arguments"),  # type: ignore[arg-type]
        (lambda: command(lambda event: None), "@command.*without arguments"),  # type: ignore[arg-type]
        (lambda: command(), "@command"),
        (lambda: command("ping", ""), "@command"),
        (lambda: command("x" * 100), "@command"),
        (lambda: on("message", scope="secret"), "@on scope.*public, private, dm"),  # type: ignore[arg-type]
        (lambda: on("message", scope=()), "@on scope"),
        (lambda: on("message", subtypes=7), "@on subtypes"),  # type: ignore[arg-type]
        (lambda: on("message", own="yes"), "@on own.*True or False"),  # type: ignore[arg-type]
        (lambda: on("message", max_age=0), "@on max_age"),
        (lambda: on("message", max_age=float("nan")), "@on max_age"),
        (lambda: command("ping", max_age="30"), "@command max_age"),  # type: ignore[arg-type]
        (lambda: on("message", queue=" q"), "@on queue"),
        (lambda: on("message", where=7), "@on where.*callable"),  # type: ignore[arg-type]
        (lambda: on("message", where=lambda a, b: True), "@on where.*a, b"),
        (lambda: on("message", batch=10, where=lambda event: True), "@on where.*not for batches"),
        (lambda: command("ping", permitted="me"), "@command permitted.*callable"),  # type: ignore[arg-type]
        (lambda: command("ping", permitted=lambda event, team: True), "@command permitted.*takes team"),
        (lambda: command("ping", options="x"), "@command options.*types by name"),  # type: ignore[arg-type]
        (lambda: command("ping", options={"a": list}), "@command options"),  # type: ignore[dict-item]
        (lambda: command("ping", options={}), "@command options"),
        (lambda: command("ping", hidden=1), "@command hidden.*True or False"),  # type: ignore[arg-type]
        (lambda: command("ping", help=7), "@command help.*text"),  # type: ignore[arg-type]
        (lambda: command(re.compile("a"), ""), "@command.*texts only"),
        (lambda: command(re.compile(b"a")), "@command"),  # type: ignore[arg-type]
        (lambda: operator(), "@operator.*a sign"),
        (lambda: operator("=", ordered="day"), "@operator ordered"),  # type: ignore[arg-type]
        (lambda: operator("=" * 100), "@operator.*80 characters"),
        (lambda: operator(lambda event: None), "@operator.*without arguments"),  # type: ignore[arg-type]
        (lambda: match("("), "@match.*no regular expression"),
        (lambda: match(7), "@match.*takes a regular expression"),  # type: ignore[arg-type]
        (lambda: match(lambda event: None), "@match.*without arguments"),  # type: ignore[arg-type]
        (lambda: scan("[", max_age=3), "@scan.*no regular expression"),
        (lambda: attachment("x", fields=()), "@attachment fields"),
        (lambda: attachment("x", fields=7), "@attachment fields"),  # type: ignore[arg-type]
        (lambda: contains(), "@contains.*a word"),
        (lambda: contains("x", one_in=0), "@contains one_in.*whole number"),
        (lambda: contains("x", mentioned="yes"), "@contains mentioned"),  # type: ignore[arg-type]
        (lambda: prefix(" "), "@prefix.*texts only"),
        (lambda: reaction("eyes", removed=None), "@reaction removed"),  # type: ignore[arg-type]
    ],
)
def test_a_bad_declaration_names_itself(declare: Callable[[], object], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        declare()


@pytest.mark.parametrize(
    ("option", "value", "takes"),
    [
        ("autoretry_for", OSError, r"takes exceptions, as in \(OSError,\)"),
        ("autoretry_for", ("OSError",), "takes exceptions"),
        ("throws", 3, "takes exceptions"),
        ("max_retries", "3", "takes a whole number, or None for no end"),
        ("retry_backoff", "x", "takes seconds, True or False"),
        ("retry_kwargs", 3, "takes a dict"),
        ("time_limit", -1, "takes seconds"),
        ("rate_limit", "often", 'takes a rate, as "100/m"'),
        ("priority", "high", "takes a whole number"),
        ("acks_late", "yes", "takes True or False"),
    ],
)
def test_a_wrong_value_of_one_of_celerys_options_is_told_where_it_stands(
    option: str, value: Any, takes: str
) -> None:
    options = {option: value}
    for declare in (partial(on, "hello"), partial(command, "ping"), partial(every, minutes=1)):
        with pytest.raises(ConfigurationError, match=rf"@{declare.func.__name__} {option} .*: {takes}"):
            declare(**options)


def test_an_unknown_option_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"max_retry.*takes .*max_retries"):
        on("message", max_retry=3)(lambda event: None)  # type: ignore[call-arg]


def test_an_unknown_option_of_a_command_is_named_with_its_own() -> None:
    with pytest.raises(ConfigurationError, match=r"@command.*batch; takes .*max_retries.*permitted.*where"):
        command("ping", batch=10)(lambda event: None)  # type: ignore[call-arg]


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"greet.*'evt'.*event, client, match"):

        @on("message")
        def greet(evt: object) -> None: ...


def test_what_listens_becomes_a_subscription() -> None:
    @contains("Tea", "TEA", "coffee", mentioned=True, queue="slow")
    def held() -> None: ...

    @prefix("Hey")
    def begun() -> None: ...

    @reaction(":Eyes:", removed=True)
    def reacted() -> None: ...

    assert (held.subscription.contains, held.subscription.mentioned) == (("tea", "coffee"), True)
    assert (held.subscription.queue, held.subscription.max_age) == ("slow", None)
    assert begun.subscription.prefixes == ("hey",)
    assert (reacted.subscription.types, reacted.subscription.reactions) == (("reaction_removed",), ("eyes",))


def test_what_answers_becomes_a_subscription() -> None:
    @operator("=", scope="dm", own=True, ordered="user")
    def sign() -> None: ...

    @match("x", max_age=None)
    def text() -> None: ...

    @attachment("x", bots=True)
    def attached() -> None: ...

    @command(re.compile("x"), "ping")
    def pattern() -> None: ...

    wanted = sign.subscription
    assert (wanted.prefixes, wanted.scopes, wanted.own, wanted.max_age) == (("=",), ("dm",), True, 30.0)
    assert wanted.ordered == "user"
    assert (text.subscription.max_age, text.subscription.addressed) == (None, False)
    assert (attached.subscription.attachments, attached.subscription.bots) == (True, True)
    assert (pattern.subscription.words, pattern.subscription.addressed) == ((), True)


def test_a_methods_name_has_its_class() -> None:
    class Pets:
        @command("feed")
        def feed(self, event: Event) -> None: ...

    assert Pets.feed.name == f"{__name__}.test_a_methods_name_has_its_class.<locals>.Pets.feed"
    assert Pets.feed.wants == ("event",)

    def sink(self: object, events: list[Event]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"<locals>\.sink.* no method"):
        on("message", batch=10)(sink)


def test_async_functions_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"greet: is async"):

        @on("message")
        async def greet(event: Event) -> None: ...


def test_generators_are_refused_since_nobody_would_run_them() -> None:
    with pytest.raises(ConfigurationError, match=r"greet: is a generator"):

        @on("message")
        def greet(event: Event) -> Iterator[int]:
            yield 1


def test_two_declarations_of_one_function_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="second declaration"):

        @on("message")
        @command("ping")
        def greet(event: Event) -> None: ...


def test_a_function_defined_twice_in_a_module_is_refused() -> None:
    source = '@on("a")\ndef greet(event): ...\n\n@on("b")\ndef greet(event): ...\n'
    with pytest.raises(ConfigurationError, match=r"mine\.greet.* twice, at lines 1 and 4"):
        exec(source, {"on": on, "__name__": "mine"})


MENTION = {"channel": "C1"}
DM = {"channel": "D1"}


@pytest.mark.parametrize(
    ("text", "where", "command_found", "expression"),
    [
        ("<@U0> ping", MENTION, "ping", ""),
        ("<@U0>: PING  a b\n c ", MENTION, "ping", "a b\n c"),
        ("<@U0|pingbot>, ping", MENTION, "ping", ""),
        ("pingbot ping", MENTION, "ping", ""),
        ("PingBot: ping", MENTION, "ping", ""),
        ("ping", DM, "ping", ""),
        ("<@U0> ping", DM, "ping", ""),
        ("pingbot: ping", DM, "ping", ""),
        ("<@U0> sign \n UP now", MENTION, "sign up", "now"),
        ("ping", MENTION, None, None),
        ("<@U9> ping", MENTION, None, None),
        ("<@U0> pinging", MENTION, None, None),
        ("<@U0> sign in", MENTION, None, None),
        ("<@U0>", MENTION, None, None),
        ("", DM, None, None),
        ("pingbots ping", MENTION, None, None),
    ],
)
def test_which_texts_are_a_command(
    text: str, where: dict[str, str], command_found: str | None, expression: str | None
) -> None:
    client = Client(context_with_bot(), "T1")
    found_match = CommandMatcher(["ping", "sign up"])(Heard(Event(envelope(text, **where)), client))
    found: Any = (found_match.command, found_match.expression) if found_match else (None, None)
    assert found == (command_found, expression)


def test_the_longest_command_wins_and_a_match_hides_the_text() -> None:
    found = Phrases(["sign", "sign up"]).find("sign up my secret")
    assert found is not None
    assert found.command == "sign up"
    assert "secret" not in repr(found)
