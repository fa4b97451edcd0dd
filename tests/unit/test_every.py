"""Timers as an author declares them, and what a timer is given when it runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, Task
from celery.exceptions import Ignore

from botfleet.errors import ConfigurationError, ConnectionRateLimited, HandlerFailed, UsageError
from botfleet.handlers import Timer, TimerHandler, every, load, on
from botfleet.handlers.running.locks import Lock
from botfleet.handlers.running.timers import TimerRun, bind_timers
from botfleet.model import Bot, Status
from botfleet.store import MemoryStore
from tests.waiting import eventually

from .bots import NOW, TOKEN, context_with_bot, sent
from .test_handlers_loader import Write, package, write

__all__ = ["package", "write"]  # fixtures

DUE = {"due_at": NOW - 1, "sent_at": NOW, "last_run": NOW - 61}


# Declaring


def test_a_period_adds_up() -> None:
    @every(hours=1, minutes=30, seconds=1.5)
    def report() -> None: ...

    assert report.schedule.seconds == 5401.5
    assert report.name == f"{__name__}.report"
    assert (report.wants, report.schedule.queue) == ((), "")


def test_a_cron_line_and_options() -> None:
    @every("0  9 * * 1-5", queue="slow", max_retries=1, time_limit=60)
    def report(timer: Timer) -> None: ...

    assert (report.schedule.cron, report.schedule.queue) == ("0 9 * * 1-5", "slow")
    assert report.options == {"max_retries": 1, "time_limit": 60}
    assert report.wants == ("timer",)


def test_it_can_be_called_like_the_function_that_it_is() -> None:
    @every(days=1)
    def report(timer: str, more: int = 1) -> str:
        """Reports."""
        return f"{timer} {more}"

    assert report("now") == "now 1"
    assert (report.__doc__, report.__name__) == ("Reports.", "report")


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (lambda: every(), "takes either a cron line or a time"),
        (lambda: every("* * * * *", seconds=1), "takes either a cron line or a time"),
        (lambda: every(seconds=0.5), "from 1 second to 366 days"),
        (lambda: every(days=400), "from 1 second to 366 days"),
        (lambda: every(minutes=-1), "takes minutes as a number"),
        (lambda: every(minutes=True), "takes minutes as a number"),
        (lambda: every(minutes="10"), "takes minutes as a number"),
        (lambda: every(hours=float("nan")), "takes hours as a number"),
        (lambda: every("every day"), "takes five fields"),
        (lambda: every("* * * * * *"), "takes five fields"),
        (lambda: every("0 25 * * *"), "hour"),
        (lambda: every(lambda: None), "takes when, as in @every"),
        (lambda: every(10), "takes when, as in @every"),
        (lambda: every(minutes=1, queue=" x"), "takes a queue's name"),
        (lambda: every(minutes=1, retries=3), "has no option retries; takes acks_late"),
    ],
)
def test_a_wrong_declaration_says_what_is_right(declare: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        declare()


def test_only_plain_functions_that_take_a_timer() -> None:
    async def later(timer: Timer) -> None: ...

    def event(event: object) -> None: ...

    def steps(timer: Timer) -> Iterator[int]:
        yield 1

    for function, problem in (
        (later, "is async"),
        (steps, "is a generator"),
        (event, "takes a parameter 'event'"),
        (17, "a function"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            every(minutes=1)(function)  # type: ignore[type-var]
    with pytest.raises(ConfigurationError, match="takes one declaration"):
        every(minutes=1)(on("message")(lambda event: None))  # type: ignore[type-var]


TIMER = "from botfleet import every\n@every(minutes=1)\ndef {name}(): ...\n"


def test_timers_are_loaded_beside_handlers(package: str, write: Write) -> None:
    write("__init__.py", "from botfleet import on\n@on('hello')\ndef hello(): ...\n")
    write("a.py", TIMER.format(name="tick") + "also = tick\n")
    write("b.py", f"from {package}.a import tick\n" + TIMER.format(name="tock"))
    loaded = load([package])
    assert [one.name for one in loaded.handlers] == [f"{package}.hello"]
    assert [one.name for one in loaded.timers] == [f"{package}.a.tick", f"{package}.b.tock"]


def test_two_of_one_name_are_told(package: str, write: Write) -> None:
    write("__init__.py", TIMER.format(name="tick") + TIMER.format(name="tick").partition("\n")[2])
    with pytest.raises(ConfigurationError, match="defined twice, at lines 2 and 4"):
        load([package])


# Running


class Fleet:
    """An app with one timer."""

    def __init__(self, timer: TimerHandler[..., object], **settings: Any) -> None:
        self.app = Celery("test", broker="memory://", backend="cache+memory://", set_as_current=False)
        self.app.conf.update(settings)
        self.context = context_with_bot()
        self.schedules = bind_timers(self.app, [timer], self.context)
        self.app.finalize()
        self.task = self.app.tasks[timer.name]

    @property
    def store(self) -> MemoryStore:
        store = self.context.store
        assert isinstance(store, MemoryStore)
        return store

    def run(self) -> Any:
        return self.task.apply(args=[DUE])


def test_a_timer_is_a_task_and_is_told_when() -> None:
    seen: list[Timer] = []

    @every(minutes=1, max_retries=7)
    def look(timer: Timer) -> int:
        """Looks."""
        seen.append(timer)
        return 17

    fleet = Fleet(look)
    result = fleet.run()
    (timer,) = seen
    assert (timer.name, timer.due_at, timer.last_run) == (f"{__name__}.look", NOW - 1, NOW - 61)
    assert result.result is None
    assert (fleet.task.max_retries, fleet.task.acks_late, fleet.task.__doc__) == (7, True, "Looks.")


def test_a_cron_line_is_meant_in_celerys_time_zone() -> None:
    @every("0 9 * * *")
    def look() -> None: ...

    assert Fleet(look).schedules[0].timezone == "UTC"
    assert Fleet(look, timezone="Europe/Berlin").schedules[0].timezone == "Europe/Berlin"
    with pytest.raises(ConfigurationError, match="no time zone 'Europe/Atlantis'"):
        Fleet(look, timezone="Europe/Atlantis")


def test_one_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    @every(minutes=1, retry_backoff=False, default_retry_delay=0)
    def look() -> None:
        tries.append(1)
        raise ValueError("not yet")

    with caplog.at_level(logging.WARNING):
        assert isinstance(Fleet(look).run().result, ValueError)
    assert len(tries) == 4
    assert "look failed, try 1 of 4: ValueError('not yet')" in caplog.text


def test_it_is_tried_again_no_sooner_than_slack_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    @every(minutes=1)
    def look() -> None:
        raise ConnectionRateLimited("ratelimited", retry_after=300.0)

    waits: list[float | None] = []
    retry = Task.retry

    def noted(task: Any, *args: Any, **options: Any) -> Any:
        waits.append(args[5] if len(args) > 5 else options["countdown"])
        return retry(task, *args, **options)

    monkeypatch.setattr(Task, "retry", noted)
    assert Fleet(look).run().failed()
    assert waits == [300.0] * 4


def test_an_author_may_talk_to_celery() -> None:
    @every(minutes=1)
    def look() -> None:
        raise Ignore

    assert isinstance(Fleet(look).run().result, Ignore)


def test_it_never_runs_beside_itself(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    @every(minutes=1)
    def look() -> None:
        runs.append(1)
        if len(runs) == 1:
            fleet.run()

    fleet = Fleet(look)
    with caplog.at_level(logging.WARNING):
        fleet.run()
    assert runs == [1]
    assert "still runs; this time is left out" in caplog.text
    fleet.run()
    assert runs == [1, 1]


@pytest.mark.parametrize(("age", "again"), [(1.0, True), (3600.0, False)])
def test_a_run_whose_worker_was_lost_waits_for_the_lock(age: float, again: bool) -> None:
    @every(minutes=1)
    def look() -> None:
        raise AssertionError

    def retry(countdown: float, throw: bool) -> Exception:
        waits.append(countdown)
        return Ignore()

    waits: list[float] = []
    context = context_with_bot()
    assert context.store.hold(f"timer:{look.name}", "the dead", 1e9)
    task = SimpleNamespace(request=SimpleNamespace(delivery_info={"redelivered": True}), retry=retry)
    with suppress(Ignore):
        TimerRun(look, context, task, {**DUE, "sent_at": NOW - age}).run()
    # A run that long ago is not lost: it takes its time.
    assert waits == ([30.0] if again else [])


def test_no_token_is_in_the_exception(caplog: pytest.LogCaptureFixture) -> None:
    @every(minutes=1, autoretry_for=())
    def look(timer: Timer) -> None:
        token = timer.client("T1").token.reveal()
        raise ValueError(f"bad: {token}")

    result = Fleet(look).run().result
    assert isinstance(result, ValueError | HandlerFailed)
    assert TOKEN not in f"{result!r}{caplog.text}"


# What it is given


def put(store: MemoryStore, team_id: str, state: str | None = "connected", **fields: Any) -> None:
    made = Bot(**{"team_id": team_id, "sealed_token": f"plain:{team_id}", "fingerprint": team_id, **fields})
    store.change_bot(made.key, lambda _: made)
    if state:
        store.put_statuses({made.key: Status(state=state, since=NOW, generation=1)})  # type: ignore[arg-type]


def test_clients_are_those_of_the_bots_that_run() -> None:
    context = context_with_bot()
    store = context.store
    assert isinstance(store, MemoryStore)
    put(store, "T2")
    put(store, "T2", namespace="beta")
    put(store, "T3", "disconnected")
    put(store, "T4", None)
    put(store, "T5", desired="stopped")
    put(store, "T6", "token_revoked")
    put(store, "T7", "token_revoked", generation=2)  # has a new token
    clients = list(Timer(context, "t", NOW).clients())
    assert sorted(one.id for one in clients) == ["T1", "T2", "T3", "T4", "T7", "beta-T2"]
    store.down = True
    assert clients[0].bot.team_id == clients[0].team_id  # known already


def test_a_client_by_team() -> None:
    client = Timer(context_with_bot(), "t", NOW).client("T1")
    assert (client.id, client.bot.bot_name) == ("T1", "pingbot")


def test_what_one_try_has_said_the_next_does_not_repeat() -> None:
    tries: list[int] = []

    @every(minutes=1, retry_backoff=False, default_retry_delay=0)
    def look(timer: Timer) -> None:
        for client in timer.clients():
            client.message("C1", "hello")
        timer.client("T1").message("C1", "hello")
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")

    fleet = Fleet(look)
    fleet.run()
    assert len(tries) == 3
    # Twice, as the function has it, and not six times.
    assert [one.text for one in sent(fleet.context)] == ["hello", "hello"]
    fleet.task.apply(args=[{**DUE, "due_at": NOW + 60}])
    assert len(sent(fleet.context)) == 2


def test_a_memory_is_a_mapping_that_lasts() -> None:
    context = context_with_bot()
    memory = Timer(context, "t", NOW).memory
    assert (dict(memory), memory.get("seen")) == ({}, None)
    memory["seen"] = [1, "zwei", {"drei": 3.5}]
    memory["other"] = None
    again = Timer(context, "t", NOW).memory
    assert dict(again) == {"seen": [1, "zwei", {"drei": 3.5}], "other": None}
    del again["other"]
    assert again.pop("nothing", 1) == 1
    assert (len(again), list(again)) == (1, ["seen"])
    assert dict(Timer(context, "t", NOW).memory) == {"seen": [1, "zwei", {"drei": 3.5}]}
    assert dict(Timer(context, "u", NOW).memory) == {}
    with pytest.raises(KeyError):
        del again["other"]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("x", object(), "takes what JSON has; 'x' is object"),
        ("x", {1, 2}, "takes what JSON has; 'x' is set"),
        ("x", "y" * 70_000, "up to 65536 bytes"),
        ("", 1, "texts for names"),
        (5, 1, "texts for names"),
    ],
)
def test_a_memory_is_small_and_plain(field: Any, value: object, problem: str) -> None:
    memory = Timer(context_with_bot(), "t", NOW).memory
    with pytest.raises(UsageError, match=problem):
        memory[field] = value
    assert len(memory) == 0


def test_a_memory_has_an_end() -> None:
    memory = Timer(context_with_bot(), "t", NOW).memory
    for number in range(1000):
        memory[str(number)] = number
    memory["7"] = "again"
    with pytest.raises(UsageError, match="1000 values"):
        memory["one more"] = 1


# Locks


def test_a_lock_is_renewed_while_it_is_held() -> None:
    store = MemoryStore(1)
    lock = Lock(store, "x", 0.6)
    assert lock.acquire()
    for _ in range(2):
        until = store._locks["x"][1]
        eventually(lambda until=until: store._locks["x"][1] != until)  # type: ignore[misc]
        assert not Lock(store, "x", 0.6).acquire()
    lock.release()
    again = Lock(store, "x", 0.6)
    assert again.acquire()
    again.release()
