from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery, Task
from celery.exceptions import Ignore

from botfleet.errors import (
    ConnectionRateLimited,
    PerhapsDone,
    StoreUnavailable,
    TokenNotConnected,
    TurnTooFar,
)
from botfleet.handlers import Client, Commands, Event, Handler, Loaded, command, on
from botfleet.handlers.declaring.classes import handlers_of
from botfleet.handlers.running.binding import bind
from botfleet.handlers.running.counters import late_counter
from botfleet.handlers.running.scrubbing import HandlerFailed, Scrubber
from botfleet.store.memory import MemoryStore

from .bots import NOW, TOKEN, context_with_bot, envelope, sent

SECRET = "<@U0> ping my secret"


class Fleet:
    """An app with one handler."""

    def __init__(self, *handlers: Handler[..., object]) -> None:
        self.app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.context = context_with_bot()
        self.handlers = handlers
        self.wanted = bind(self.app, Loaded(("test",), handlers), self.context)
        self.app.finalize()

    def run(self, event: dict[str, Any] | None = None, **kwargs: Any) -> Any:
        """Runs the first handler as Celery does, retries at once included."""
        return self.task.apply(args=[event or envelope()], kwargs=kwargs, task_id="Ev1/test")

    @property
    def task(self) -> Any:
        return self.app.tasks[self.handlers[0].name]


def test_a_handler_is_a_task_of_its_own_name() -> None:
    @on("message", queue="slow", max_retries=1, rate_limit="10/m")
    def hello(event: Event) -> None:
        """Says hello."""

    fleet = Fleet(hello)
    assert fleet.wanted == [hello.subscription]
    assert fleet.task.name == f"{__name__}.hello"
    assert fleet.task.__doc__ == "Says hello."
    assert (fleet.task.max_retries, fleet.task.rate_limit) == (1, "10/m")
    assert (fleet.task.acks_late, fleet.task.ignore_result) == (True, True)


def test_two_apps_share_nothing() -> None:
    @on("message")
    def hello(event: Event) -> None: ...

    assert f"{__name__}.hello" not in Celery("other", set_as_current=False).tasks
    assert Fleet(hello).task is not Fleet(hello).task


def test_a_handler_gets_what_it_takes_and_returns_nothing() -> None:
    seen: list[object] = []

    @command("ping")
    def ping(match: Any, client: Client, event: Event) -> str:
        seen.extend([event.id, client.id, match.expression])
        client.reply("pong")
        return event.text

    fleet = Fleet(ping)
    assert fleet.run(envelope(SECRET)).get() is None
    assert seen == ["Ev1", "T1", "my secret"]
    assert [command.text for command in sent(fleet.context)] == ["pong"]


def test_a_text_that_only_begins_alike_is_passed_over() -> None:
    @command("sign up")
    def sign_up() -> None:
        raise AssertionError

    assert Fleet(sign_up).run(envelope("<@U0> sign in")).successful()


@pytest.mark.parametrize(("age", "runs"), [(29.0, 1), (31.0, 0)])
def test_an_event_that_is_too_old_is_dropped_and_counted(
    age: float, runs: int, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    @command("ping")
    def ping(event: Event) -> None:
        seen.append(event.id)

    fleet = Fleet(ping)
    with caplog.at_level(logging.INFO):
        fleet.run({**envelope(SECRET), "received_at": NOW - age})
    assert len(seen) == runs
    assert fleet.context.store.advance(late_counter(ping.name), 0) == 1 - runs
    assert ("Ev1 is too old" in caplog.text) is not bool(runs)
    assert "secret" not in caplog.text


def test_an_old_event_is_dropped_although_the_store_cannot_count_it() -> None:
    @command("ping")
    def ping() -> None:
        raise AssertionError

    fleet = Fleet(ping)
    assert isinstance(fleet.context.store, MemoryStore)
    fleet.context.store.down = True
    assert fleet.run({**envelope(SECRET), "received_at": 0.0}).successful()


def test_classes_of_commands_run_as_tasks() -> None:
    class Greeter(Commands):
        def on_message(self, data: Event) -> None:
            self.message("C1", "hi")

        def heard(self) -> None:
            self.message("C1", "heard")

    on_message, listener = handlers_of(Greeter)
    fleet = Fleet(listener, on_message)
    assert fleet.wanted == [on_message.subscription]
    fleet.run(method="heard")
    fleet.app.tasks[on_message.name].apply(args=[envelope()])
    assert [command.text for command in sent(fleet.context)] == ["heard", "hi"]


# Failing


def failing(exception: Callable[[], Exception], **options: Any) -> tuple[Fleet, list[str]]:
    """A fleet whose handler notes each try and fails."""
    tries: list[str] = []

    @command("ping", **options)
    def fails(event: Event, client: Client) -> None:
        tries.append(event.id)
        assert client.token.reveal() == TOKEN
        raise exception()

    return Fleet(fails), tries


@pytest.mark.parametrize(
    ("options", "tries"),
    [
        ({}, 4),
        ({"max_retries": 1}, 2),
        ({"autoretry_for": ()}, 1),
        ({"autoretry_for": (KeyError,)}, 1),
        ({"autoretry_for": (ValueError,), "max_retries": 2}, 3),
        ({"dont_autoretry_for": (ValueError,)}, 1),
    ],
)
def test_a_failing_handler_is_tried_again_by_its_policy(options: dict[str, Any], tries: int) -> None:
    fleet, tried = failing(lambda: ValueError("broken"), **options)
    assert fleet.run().failed()
    assert tried == ["Ev1"] * tries


def test_what_another_try_cannot_mend_is_not_tried_again() -> None:
    fleet, tried = failing(lambda: TokenNotConnected("team_not_found"))
    assert fleet.run().failed()
    assert len(tried) == 1


def test_an_unreachable_store_is_worth_another_try() -> None:
    fleet, tried = failing(lambda: StoreUnavailable("away"))
    assert fleet.run().failed()
    assert len(tried) == 4


def test_a_handler_may_say_celerys_words() -> None:
    fleet, tried = failing(lambda: Ignore())
    fleet.run()
    assert len(tried) == 1


def test_a_failure_is_logged_once_with_its_events_id(caplog: pytest.LogCaptureFixture) -> None:
    fleet, _ = failing(lambda: ValueError("broken"))
    with caplog.at_level(logging.WARNING):
        fleet.run()
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "WARNING", "WARNING", "ERROR"]
    assert all("Ev1" in record.getMessage() for record in caplog.records)
    assert "try 1 of 4" in caplog.records[0].getMessage()
    assert [bool(record.exc_info) for record in caplog.records] == [False, False, False, True]


def chained() -> Exception:
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as exc:
            raise ValueError(f"no {exc}", [SECRET], {"token": TOKEN}) from exc
    except ValueError as exc:
        exc.add_note(f"it was {SECRET}")
        return exc


class Stubborn(Exception):
    def __str__(self) -> str:
        return SECRET


@pytest.mark.parametrize(
    "exception",
    [
        lambda: ValueError(f"can't do {SECRET!r} with {TOKEN}"),
        lambda: ValueError("no such pet: my secret"),
        lambda: ExceptionGroup("several", [ValueError(SECRET), ValueError(TOKEN)]),
        lambda: UnicodeDecodeError("ascii", SECRET.encode(), 0, 1, SECRET),
        Stubborn,
        chained,
    ],
)
def test_a_failure_shows_neither_text_nor_token(
    exception: Callable[[], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    fleet, tries = failing(exception)
    with caplog.at_level(logging.DEBUG):
        result = fleet.run(envelope(SECRET))
    assert len(tries) == 4
    assert "secret" not in caplog.text
    assert TOKEN not in caplog.text
    assert "secret" not in f"{result.result!r} {result.traceback}"


def test_an_exception_keeps_its_type_and_the_rest_of_its_text() -> None:
    exc = ValueError("can't open the my secret drawer", 7)
    assert Scrubber({"my secret": "<text>"}).clean(exc) is exc
    assert exc.args == ("can't open the <text> drawer", 7)


def test_what_cannot_be_cleaned_is_replaced() -> None:
    replaced = Scrubber({SECRET: "<text>"}).clean(Stubborn())
    assert isinstance(replaced, HandlerFailed)
    assert "Stubborn" in str(replaced)


def test_short_texts_garble_nothing() -> None:
    exc = ValueError("this is it")
    Scrubber({"is": "<text>"}).clean(exc)
    assert str(exc) == "this is it"


def test_a_retry_says_nothing_twice() -> None:
    @on("message", retry_backoff=False, default_retry_delay=0)
    def stumble(event: Event, client: Client) -> None:
        client.reply("one")
        if len(tries) < 2:
            tries.append(event.id)
            raise ValueError("not yet")
        client.reply("two")

    tries: list[str] = []
    fleet = Fleet(stumble)
    assert fleet.run().successful()
    assert [command.text for command in sent(fleet.context)] == ["one", "two"]
    assert len(tries) == 2


def test_handlers_of_one_event_don_t_silence_each_other() -> None:
    @on("message")
    def one(client: Client) -> None:
        client.reply("hi")

    @on("message")
    def two(client: Client) -> None:
        client.reply("hi")

    fleet = Fleet(one, two)
    for handler in (one, two):
        fleet.app.tasks[handler.name].apply(args=[envelope()])
    assert len(sent(fleet.context)) == 2


@pytest.mark.parametrize(("asked", "waited"), [(300.0, 300.0), (0.5, 7.0), (None, 7.0)])
def test_a_retry_waits_as_long_as_slack_asks(
    asked: float | None, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    @on("message", retry_backoff=False, default_retry_delay=7)
    def limited() -> None:
        raise ConnectionRateLimited("ratelimited", retry_after=asked)

    fleet = Fleet(limited)
    again: list[float] = []
    retry = Task.retry

    def noted(task: Any, *args: Any, **options: Any) -> Any:
        again.append(args[5] if len(args) > 5 else options["countdown"])
        return retry(task, *args, **options)

    monkeypatch.setattr(Task, "retry", noted)
    assert fleet.run().failed()
    assert again == [waited] * (limited.options.get("max_retries", 3) + 1)


@pytest.mark.parametrize("ordered", [None, "channel"])
def test_waiting_for_a_turn_uses_up_no_try(ordered: str | None) -> None:
    tries: list[int] = []

    @on("message", ordered=ordered, max_retries=1, retry_backoff=False, default_retry_delay=0)
    def waits() -> None:
        tries.append(1)
        if len(tries) < 5:
            raise TurnTooFar("ratelimited", retry_after=0.0)

    assert Fleet(waits).run().successful()
    assert len(tries) == 5


def test_what_may_have_been_done_is_not_tried_again() -> None:
    @on("message", retry_backoff=False, default_retry_delay=0)
    def doubtful() -> None:
        tries.append(1)
        raise PerhapsDone("timeout")

    tries: list[int] = []
    assert Fleet(doubtful).run().failed()
    assert len(tries) == 1
