from __future__ import annotations

from typing import Any

import pytest

from botfleet.errors import ConfigurationError, UsageError
from botfleet.handlers import Client, Commands, Event, Handler, HandlerContext
from botfleet.handlers.declaring.classes import handlers_of, listeners_group
from botfleet.model import Command, Subscription

from .bots import TOKEN, context_with_bot, envelope, sent

LISTENER = f"{__name__}.Counter.listener"


class Counter(Commands):
    """Answers, and counts reactions of those who ask for it."""

    def on_message(self, data: Event) -> None:
        self.message(data.channel or "", f"you said {data.text}")

    def on_hello(self) -> None:
        self.on("reaction_added", self.count)

    def count(self, data: Event) -> None:
        self.message("C9", f"counted {data.reaction}")

    def _secret(self) -> None: ...


def handler(name: str, commands: type[Commands] = Counter) -> Handler[..., None]:
    return next(each for each in handlers_of(commands) if each.name.endswith(f".{name}"))


def run(context: HandlerContext, name: str, event: dict[str, Any], **kwargs: Any) -> None:
    made = Event(event)
    handler(name)(event=made, client=Client(context, made.team_id, made.namespace, made), **kwargs)


@pytest.fixture
def context() -> HandlerContext:
    return context_with_bot()


@pytest.fixture
def counter(context: HandlerContext) -> Counter:
    event = Event(envelope())
    return Counter(Client(context, "T1", "", event), event)


def test_each_on_method_is_a_handler_of_its_own() -> None:
    found = {each.name: each.subscription for each in handlers_of(Counter)}
    assert list(found) == [f"{__name__}.Counter.{name}" for name in ("on_message", "on_hello", "listener")]
    assert found[f"{__name__}.Counter.on_message"] == Subscription(
        task=f"{__name__}.Counter.on_message", types=("message",)
    )
    assert found[LISTENER].types == ()


def test_a_method_gets_the_event(context: HandlerContext) -> None:
    run(context, "on_message", envelope("hi"))
    assert sent(context) == [Command(op="message", key="T1", channel="C1", text="you said hi")]


def test_what_a_method_finds_in_self(counter: Counter, context: HandlerContext) -> None:
    assert (counter.id, counter.token.reveal(), counter.status) == ("T1", TOKEN, "connected")
    assert counter.storage is context.store
    assert isinstance(counter.connection, Client)
    assert counter.event.id == "Ev1"
    counter.typing()
    counter.ping()
    assert [command.op for command in sent(context)] == ["typing", "ping"]


def test_an_added_listener_hears_this_bot_only(context: HandlerContext) -> None:
    run(context, "on_hello", envelope(type="hello"))
    ((group, subscriptions),) = context.store.subscriptions().items()
    assert group.startswith(listeners_group("T1"))
    (wanted,) = subscriptions
    assert (wanted.task, wanted.types, wanted.bot) == (LISTENER, ("reaction_added",), "T1")
    run(context, "listener", envelope(type="reaction_added", reaction="eyes"), **wanted.kwargs)
    assert [command.text for command in sent(context)] == ["counted eyes"]


def test_adding_a_listener_again_changes_nothing(counter: Counter, context: HandlerContext) -> None:
    counter.on("reaction_added", counter.count)
    version = context.store.subscriptions_version()
    counter.on("reaction_added", "count")
    assert context.store.subscriptions_version() == version


def test_off_takes_away_what_on_added_and_nothing_else(counter: Counter, context: HandlerContext) -> None:
    context.store.put_subscriptions("role", [handler("on_message").subscription])
    counter.on("reaction_added", counter.count)
    counter.on("reaction_removed", counter.count)
    counter.off("reaction_added", "count")
    counter.off("message", counter.on_message)
    counter.off("never", counter.count)
    left = [each.types for group in context.store.subscriptions().values() for each in group]
    assert sorted(left) == [("message",), ("reaction_removed",)]


@pytest.mark.parametrize(
    "listener", [lambda data: None, print, 7, None, "missing", "_secret", "message", "on", "id"]
)
def test_a_listener_must_be_found_by_other_processes(counter: Counter, listener: Any) -> None:
    with pytest.raises(UsageError, match="takes"):
        counter.on("message", listener)


def test_another_objects_method_is_no_listener(counter: Counter) -> None:
    other = Counter(counter.connection, counter.event)
    with pytest.raises(UsageError, match=r"self\.count"):
        counter.on("message", other.count)


def test_an_event_type_is_a_text(counter: Counter) -> None:
    with pytest.raises(UsageError, match="event type"):
        counter.on("", counter.count)


@pytest.mark.parametrize("method", ["_secret", "message", "__init__", "gone"])
def test_a_message_cannot_make_a_listener_of_anything_else(context: HandlerContext, method: str) -> None:
    with pytest.raises(UsageError, match="listen"):
        run(context, "listener", envelope(), method=method)


def test_methods_of_bases_count() -> None:
    class Quiet(Counter):
        on_hello = None  # type: ignore[assignment]

        def on_goodbye(self) -> None: ...

    names = [each.name.rpartition(".")[2] for each in handlers_of(Quiet)]
    assert names == ["on_message", "on_goodbye", "listener"]


def test_a_method_that_can_be_no_handler_is_named() -> None:
    class Bad(Commands):
        def on_message(self, data: Event, more: object) -> None: ...

    class Coroutine(Commands):
        async def on_message(self, data: Event) -> None: ...

    with pytest.raises(ConfigurationError, match=r"Bad\.on_message.*on_TYPE\(self, data\)"):
        handlers_of(Bad)
    with pytest.raises(ConfigurationError, match=r"Coroutine\.on_message.*async"):
        handlers_of(Coroutine)
