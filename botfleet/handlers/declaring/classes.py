"""Classes of handlers: declared methods, and in the style of slack-bot-manager methods `on_*`.

class Greeter(Commands):
    def on_team_join(self, data):
        self.message(data.user, "Welcome!")

    @command("hello")
    def hello(self):
        self.reply("Hello!")
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ...errors import ConfigurationError, UsageError
from ...model import State, Subscription
from ...secrets import Token
from ...store.base import Store
from ..client import Client
from ..event import Event
from ..handler import Handler, Traits
from ..matching.conditions import Condition
from ..matching.match import Match
from ..matching.matchers import Matcher
from ..parameters import check_plain

_PREFIX = "on_"
#: What the names of all groups of listeners begin with, in the store.
LISTENERS = "listeners:"


class Commands:
    """Base of a class of handlers.

    Each method that is declared with `@command` or its kin is a handler named `module.Class.method`. It takes
    what it needs of `event`, `client` and `match`, and finds them in `self` as well.

    Each method `on_TYPE(self, data)` is run for events of that type, as a Celery task of its own named
    `module.Class.on_TYPE`; `data` is the `Event` and may be left out. `on_hello` runs when a bot was
    connected, `on_bot_disabled` when its token died. As with the gem, what the bot itself and other bots
    say is not handled, and of messages only those without a subtype. A class whose name begins with `_` is
    a base for others and handles nothing by itself.

    There is a new instance for each event, so attributes last no longer than that.
    """

    def __init__(self, client: Client, event: Event) -> None:
        #: The bot's client, with everything that handlers can do.
        self.connection = client
        self.event = event
        #: What a declared method found in the event.
        self.match = Match()

    def permitted(self) -> bool:
        """Whether this event's user may run any handler of this class; to be overridden. Refused silently."""
        return True

    @property
    def client(self) -> Client:
        """The bot's client: another name of `connection`."""
        return self.connection

    @property
    def id(self) -> str:
        """The bot's key: its team id, or `NAMESPACE-TEAM`."""
        return self.connection.id

    @property
    def token(self) -> Token:
        """The bot's token."""
        return self.connection.token

    @property
    def status(self) -> State:
        """What the bot's connection is doing."""
        return self.connection.status

    @property
    def storage(self) -> Store:
        """The fleet's store."""
        return self.connection.storage

    def message(self, channel: str, text: str, **options: Any) -> None:
        """Says something; see `Client.message`."""
        self.connection.message(channel, text, **options)

    def reply(self, text: str, **options: Any) -> None:
        """Answers the event; see `Client.reply`."""
        self.connection.reply(text, **options)

    def respond(self, text: str = "", **options: Any) -> None:
        """Answers a slash command or a click where it was made; see `Client.respond`."""
        self.connection.respond(text, **options)

    def typing(self, channel: str | None = None) -> None:
        """Shows that the bot is typing; see `Client.typing`."""
        self.connection.typing(channel)

    def ping(self) -> None:
        """Pings over the bot's socket."""
        self.connection.ping()

    def on(self, event_type: str, listener: Callable[..., object] | str) -> None:
        """Also runs a method of this class for events of a type: of this bot only, in the whole fleet.

        Args:
            event_type: Slack's, e.g. `reaction_added`.
            listener: a method of this object (`self.count`), or its name.

        Raises:
            UsageError: the listener is something else; it must be found by other processes too.
        """
        subscription = self._subscription(event_type, listener)
        group = self._group(subscription)
        # Every write makes all holders read the subscriptions anew.
        if self.storage.subscriptions().get(group) != (subscription,):
            self.storage.put_subscriptions(group, [subscription])

    def off(self, event_type: str, listener: Callable[..., object] | str) -> None:
        """Ends what `on` began; the `on_*` methods themselves stay. Nothing happens where there is none.

        Raises:
            UsageError: the listener is no method of this object.
        """
        group = self._group(self._subscription(event_type, listener))
        if self.storage.subscriptions().get(group):
            self.storage.put_subscriptions(group, [])

    def _subscription(self, event_type: str, listener: Callable[..., object] | str) -> Subscription:
        if not isinstance(event_type, str) or not event_type:
            raise UsageError(f"the event type is {event_type!r}; takes one of Slack's, as 'reaction_added'")
        method = listener if isinstance(listener, str) else self._name_of(listener)
        _check_listener(type(self), method)
        task = f"{_name(type(self))}.listener"
        return Subscription(task=task, types=(event_type,), bot=self.id, kwargs={"method": method})

    def _name_of(self, listener: object) -> str:
        if not inspect.ismethod(listener) or listener.__self__ is not self:
            raise UsageError(
                f"the listener of {type(self).__name__} is {type(listener).__name__}; takes a method of this "
                "object, as self.count, or its name, since it may run in another process"
            )
        return str(listener.__name__)

    def _group(self, subscription: Subscription) -> str:
        # A group for each listener makes on and off single writes.
        method = f"{_name(type(self))}.{subscription.kwargs['method']}"
        return f"{listeners_group(self.id)}{subscription.types[0]}:{method}"


def listeners_group(key: str) -> str:
    """What the names of a bot's groups of listeners begin with, in the store.

    >>> listeners_group("T1")
    'listeners:T1:'
    """
    return f"{LISTENERS}{key}:"


def handlers_of(commands: type[Commands]) -> list[Handler[..., None]]:
    """The handlers that a class stands for.

    One for each declared method and each `on_*` method, in order of definition, and one for added listeners.

    Raises:
        ConfigurationError: a method can't be a handler.
    """
    found = [_handler_of(commands, name) for name in _methods(commands)]
    return [*(handler for handler in found if handler is not None), _listener_handler(commands)]


def _handler_of(commands: type[Commands], name: str) -> Handler[..., None] | None:
    declared = inspect.getattr_static(commands, name)
    if isinstance(declared, Handler):
        return _declared_handler(commands, name, declared)
    if not name.startswith(_PREFIX):
        return None
    _check_handler(commands, name)
    return _method_handler(commands, name)


def _declared_handler(
    commands: type[Commands], name: str, declared: Handler[..., object]
) -> Handler[..., None]:
    task = f"{_name(commands)}.{name}"
    if not declared.traits.is_method:
        raise ConfigurationError(task, "takes no self; a declared method takes it first")

    def run(event: Event, client: Client, match: Match | None) -> None:
        instance = commands(client, event)
        instance.match = match or Match()
        offered = {"event": event, "client": client, "match": match}
        declared.function(instance, **{name: offered[name] for name in declared.wants})

    traits = dataclasses.replace(
        declared.traits, permitted=(*declared.traits.permitted, *_permission(commands))
    )
    run.__doc__ = declared.__doc__
    subscription = msgspec.structs.replace(declared.subscription, task=task)
    return _handler(run, subscription, matcher=declared.matcher, options=declared.options, traits=traits)


def _method_handler(commands: type[Commands], name: str) -> Handler[..., None]:
    def run(event: Event, client: Client) -> None:
        _call(commands(client, event), name)

    subscription = Subscription(task=f"{_name(commands)}.{name}", types=(name.removeprefix(_PREFIX),))
    return _handler(run, subscription, traits=Traits(permitted=_permission(commands)))


def _permission(commands: type[Commands]) -> tuple[Condition, ...]:
    """The class's own `permitted`, where it has one."""

    def permitted(event: Event, client: Client, match: Match | None) -> bool:
        instance = commands(client, event)
        instance.match = match or Match()
        return instance.permitted()

    return () if commands.permitted is Commands.permitted else (Condition(permitted),)


def _listener_handler(commands: type[Commands]) -> Handler[..., None]:
    def run(event: Event, client: Client, method: str) -> None:
        _check_listener(commands, method)
        _call(commands(client, event), method)

    subscription = Subscription(task=f"{_name(commands)}.listener", types=())
    return _handler(
        run, subscription, wants=("event", "client", "method"), traits=Traits(permitted=_permission(commands))
    )


def _handler(
    run: Callable[..., None],
    subscription: Subscription,
    *,
    matcher: Matcher | None = None,
    options: Mapping[str, Any] | None = None,
    wants: Iterable[str] | None = None,
    traits: Traits,
) -> Handler[..., None]:
    run.__name__ = run.__qualname__ = subscription.task.rpartition(".")[2]
    wants = inspect.signature(run).parameters if wants is None else wants
    return Handler(run, subscription.task, subscription, options or {}, matcher, wants, traits)


def _call(instance: Commands, name: str) -> None:
    method = getattr(instance, name)
    if inspect.signature(method).parameters:
        method(instance.event)
    else:
        method()


def _methods(commands: type[Commands]) -> list[str]:
    """The names of a class's own methods in order of definition, those of its bases first."""
    classes = [cls for cls in reversed(commands.__mro__) if cls not in (object, Commands)]
    found = {name: None for cls in classes for name, value in vars(cls).items() if callable(value)}
    return [name for name in found if callable(getattr(commands, name))]


def _check_listener(commands: type[Commands], name: str) -> None:
    if name.startswith("_") or name not in _methods(commands):
        raise UsageError(
            f"{_name(commands)} has no method {name!r} that could listen; takes one of "
            f"{', '.join(name for name in _methods(commands) if not name.startswith('_')) or 'none'}"
        )


def _check_handler(commands: type[Commands], name: str) -> None:
    """A method takes the event, or nothing."""
    title = f"{_name(commands)}.{name}"
    function = inspect.getattr_static(commands, name)
    check_plain(function, title)
    parameters = list(inspect.signature(getattr(commands, name)).parameters.values())[1:]
    needed = [parameter for parameter in parameters if parameter.default is parameter.empty]
    if name == _PREFIX or len(needed) > 1 or any(each.kind is each.KEYWORD_ONLY for each in needed):
        raise ConfigurationError(title, "is no handler; takes on_TYPE(self, data) or on_TYPE(self)")


def _name(commands: type[Commands]) -> str:
    return f"{commands.__module__}.{commands.__qualname__}"
