"""botfleet's settings: one frozen dataclass, read and checked once.

Each field is set by `botfleet_NAME` in `celeryconfig.py` or `BOTFLEET_NAME` in the environment; the
environment wins, the command line wins over both. Slack's own names (`SLACK_CLIENT_ID` …) are read as they
stand. An unknown `BOTFLEET_*` name or a bad value is a `ConfigurationError` that says what it takes.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .apps import SCOPES, SlackApp, dump_apps, parse_apps
from .errors import ConfigurationError
from .slack.address import MAX_NAME, folded

PREFIX = "BOTFLEET_"
_DEFAULT_BROKER = "redis://127.0.0.1:6379/0"
_REDIS_SCHEMES = ("redis", "rediss", "redis+socket", "unix")
_BROKER_SCHEMES = (*_REDIS_SCHEMES, "amqp", "amqps", "pyamqp", "memory")
_STORE_SCHEMES = (*_REDIS_SCHEMES, "memory")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: The answers that every bot has: see `handlers/builtin/answers.py`.
BUILTINS = ("help", "hi", "about", "unknown")
#: Names in the environment that are no settings of this class: see `cli.py` and `roles.py`.
_OTHER_NAMES = frozenset({"BOTFLEET_ROLE"})

Parser = Callable[[str, object], Any]
#: The reverse, for the environment.
Dumper = Callable[[Any], str]


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(name, "takes text", value)
    return value


def _number(low: float, high: float, unit: str) -> Parser:
    def parse(name: str, value: object) -> float:
        try:
            number = float(str(value))
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise ConfigurationError(name, f"takes {unit} from {low:g} to {high:g}", value)
        return number

    return parse


def _integer(low: int, high: int, unit: str) -> Parser:
    def parse(name: str, value: object) -> int:
        try:
            number = int(str(value))
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ConfigurationError(name, f"takes a whole number of {unit} from {low} to {high}", value)
        return number

    return parse


def _port(name: str, value: object) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if not 0 <= number <= 65_535:
        raise ConfigurationError(name, "takes a port, from 0 to 65535", value)
    return number


def _flag(name: str, value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False}
    words["off"] = False
    try:
        return words[str(value).lower()]
    except KeyError:
        raise ConfigurationError(name, "takes true or false", value) from None


def _list(name: str, value: object) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ConfigurationError(name, "takes texts, comma-separated or as a list", value)
    return tuple(item.strip() for item in items if item.strip())


def _names(name: str, value: object) -> tuple[str, ...]:
    items = _list(name, value)
    if not all(folded(item) and len(item) <= MAX_NAME for item in items):
        raise ConfigurationError(name, f"takes names of up to {MAX_NAME} characters", value)
    return items


def _some_of(*words: str) -> Parser:
    def parse(name: str, value: object) -> tuple[str, ...]:
        items = _list(name, value)
        if not set(items) <= set(words):
            raise ConfigurationError(name, f"takes some of {', '.join(words)}, or nothing", value)
        return items

    return parse


def _secrets(name: str, value: object) -> tuple[str, ...]:
    try:
        return _list(name, value)
    except ConfigurationError:
        raise ConfigurationError(name, "takes Fernet keys, comma-separated or as a list") from None


def _url(*schemes: str) -> Parser:
    def parse(name: str, value: object) -> str:
        scheme = urlsplit(value).scheme if isinstance(value, str) else ""
        if scheme not in schemes:
            takes = ", ".join(f"{scheme}://" for scheme in schemes)
            # Never the value: a URL may carry a password.
            raise ConfigurationError(name, f"takes a URL that begins with one of {takes}")
        return str(value)

    return parse


def _base_url(name: str, value: object) -> str:
    text = _text(name, value).rstrip("/")
    parts = urlsplit(text)
    if text and not (
        parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
    ):
        raise ConfigurationError(name, "takes a URL such as https://bots.example.com", value)
    return text


def _choice(*words: str) -> Parser:
    def parse(name: str, value: object) -> str:
        word = str(value).upper()
        if word not in words:
            raise ConfigurationError(name, f"takes one of {', '.join(words)}", value)
        return word

    return parse


def _logins(name: str, value: object) -> str:
    text = _secret(name, value)
    if text and not all(all(login.partition(":")[::2]) for login in text.split(",")):
        raise ConfigurationError(name, "takes user:password, or several of them with commas in between")
    return text


def _secret(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(name, "takes text")
    return value


def _namespace(name: str, value: object) -> str:
    text = _text(name, value)
    if text and not all(part.isalnum() for part in text.replace("_", "-").split("-")):
        raise ConfigurationError(name, "takes letters, digits, - and _", value)
    return text


def _option(default: Any, parse: Parser, secret: bool = False, dump: Dumper | None = None) -> Any:
    return field(default=default, repr=not secret, metadata={"parse": parse, "dump": dump or _dump})


def _dump(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. Seconds are floats.

    Attributes:
        broker_url: where Celery's messages wait: Redis (also `redis+socket://PATH`) or AMQP.
        store_url: the registry of bots; the broker where that is Redis.
        slack_api_url: ends with a slash.
        secret_keys: Fernet keys that seal tokens, newest first.
        check_interval: seconds between two reconciliations.
        tokens_key, teams_key: base names of the store's maps of statuses and of bots.
        key_prefix: put before every name in Redis: queues and keys.
        shards: how many slices the bots are cut into; the same in every process of a fleet, for ever.
        replicas: how many holders keep each shard.
        namespace: the namespace of bots that are added without one.
        log_level: of botfleet's processes.
        state_dir: where `up` keeps the embedded server's data, pid files and its key file.
        handlers: modules or packages that handler workers load.
        aliases: other names that people address the bots by.
        builtins: which built-in answers the bots give.
        ping_interval: seconds without a frame after which a socket is pinged; twice that, it is dead.
        connect_workers: threads that connect sockets.
        connect_timeout: seconds for each step of connecting.
        connect_rate: connections a second that all holders together open; 0 means no limit.
        retry_base, retry_cap: bounds of the backoff, seconds.
        max_connections: sockets in one holder.
        send_rate: messages a second that the whole fleet posts in one channel by the Web API; 0: no limit.
        send_buffer: what a bot's connection keeps to send while it is not connected, in messages.
        unfurl: whether links in messages show what is behind them.
        shadow: whether handlers run and nothing is sent.
        shadow_channels: channels (ids or `#names`) and users that are sent to nevertheless.
        publish_buffer: bytes of events that a holder keeps while the broker is away.
        dedupe_ttl: seconds for which an event's mark is kept.
        dedupe_marks: marks kept at the most; beyond that the oldest go sooner.
        lease_ttl: seconds after which a holder that says nothing has lost its shards, a worker its lanes.
        handover_timeout: seconds that a holder which ends gives the others to take its shards over.
        check_tokens: bots whose token is checked with auth.test per reconciliation.
        flower_basic_auth: `user:password` for Flower; empty means none.
        flower_max_tasks: tasks that Flower keeps in memory.
        web_host, web_port: where the web role listens.
        web_url: what the web role is reached by from outside; ends without a slash. Empty: its own address.
        web_proxies: addresses of proxies whose word on a request's sender counts; `*` takes anybody's.
        health_host, health_port: where a worker answers whether it is well; port 0: nowhere.
        slack_client_id, slack_client_secret, slack_signing_secret, slack_app_token: of the Slack app.
        slack_scopes: what an installation of it asks for.
        slack_classic: whether it is a classic app.
        apps: the Slack apps of other namespaces.
    """

    broker_url: str = _option("", _url(*_BROKER_SCHEMES), secret=True)
    store_url: str = _option("", _url(*_STORE_SCHEMES), secret=True)
    slack_api_url: str = _option("https://slack.com/api/", _url("https", "http"))
    secret_keys: tuple[str, ...] = _option((), _secrets, secret=True)
    check_interval: float = _option(5.0, _number(0.5, 3600, "seconds"))
    tokens_key: str = _option("tokens:statuses", _text)
    teams_key: str = _option("tokens:teams", _text)
    key_prefix: str = _option("", _text)
    shards: int = _option(256, _integer(1, 1_048_576, "shards"))
    replicas: int = _option(1, _integer(1, 10, "holders"))
    namespace: str = _option("", _namespace)
    log_level: str = _option("INFO", _choice(*_LOG_LEVELS))
    state_dir: str = _option(".botfleet", _text)
    handlers: tuple[str, ...] = _option(("tasks",), _list)
    aliases: tuple[str, ...] = _option((), _names)
    builtins: tuple[str, ...] = _option(BUILTINS, _some_of(*BUILTINS))
    ping_interval: float = _option(10.0, _number(0.1, 600, "seconds"))
    connect_workers: int = _option(16, _integer(1, 512, "threads"))
    connect_timeout: float = _option(15.0, _number(0.5, 120, "seconds"))
    connect_rate: float = _option(50.0, _number(0, 100_000, "connections a second"))
    retry_base: float = _option(1.0, _number(0.01, 60, "seconds"))
    retry_cap: float = _option(60.0, _number(0.1, 3600, "seconds"))
    max_connections: int = _option(10_000, _integer(1, 1_000_000, "sockets"))
    send_rate: float = _option(1.0, _number(0, 1000, "messages a second"))
    send_buffer: int = _option(100, _integer(1, 100_000, "messages"))
    unfurl: bool = _option(False, _flag)
    shadow: bool = _option(False, _flag)
    shadow_channels: tuple[str, ...] = _option((), _list)
    publish_buffer: int = _option(256 * 2**20, _integer(2**10, 2**40, "bytes"))
    dedupe_ttl: float = _option(600.0, _number(1, 86_400, "seconds"))
    dedupe_marks: int = _option(3_000_000, _integer(1000, 1_000_000_000, "marks"))
    lease_ttl: float = _option(10.0, _number(1, 600, "seconds"))
    handover_timeout: float = _option(60.0, _number(0, 3600, "seconds"))
    check_tokens: int = _option(5, _integer(0, 10_000, "bots"))
    flower_basic_auth: str = _option("", _logins, secret=True)
    flower_max_tasks: int = _option(10_000, _integer(100, 1_000_000, "tasks"))
    web_host: str = _option("127.0.0.1", _text)
    web_port: int = _option(8080, _port)
    web_url: str = _option("", _base_url)
    web_proxies: tuple[str, ...] = _option((), _list)
    health_host: str = _option("127.0.0.1", _text)
    health_port: int = _option(0, _port)
    slack_client_id: str = _option("", _text)
    slack_client_secret: str = _option("", _secret, secret=True)
    slack_signing_secret: str = _option("", _secret, secret=True)
    slack_app_token: str = _option("", _secret, secret=True)
    slack_scopes: tuple[str, ...] = _option(SCOPES, _list)
    slack_classic: bool = _option(False, _flag)
    apps: tuple[SlackApp, ...] = _option((), parse_apps, secret=True, dump=dump_apps)

    @classmethod
    def load(
        cls,
        config: Mapping[str, object] | None = None,
        environ: Mapping[str, str] | None = None,
        **overrides: object,
    ) -> Settings:
        """Reads the settings.

        Args:
            config: names and values of `celeryconfig.py`; others than `botfleet_*` are passed over.
            environ: the environment; `os.environ` where not given.
            overrides: what the command line says, by field name; None means not said.

        Raises:
            ConfigurationError: an unknown name or a bad value.
        """
        environ = os.environ if environ is None else environ
        parsers = {spec.name: spec.metadata["parse"] for spec in fields(cls)}
        found = {
            **_from_config(config or {}, parsers),
            **_from_environment(environ, parsers),
            **{_variable(name): value for name, value in overrides.items() if value is not None},
        }
        values = {_field(name): parsers[_field(name)](name, value) for name, value in found.items()}
        return cls(**_derive(values))

    @property
    def state_path(self) -> Path:
        """`state_dir`, absolute."""
        return Path(self.state_dir).expanduser().resolve()

    @property
    def slack_apps(self) -> dict[str, SlackApp]:
        """All Slack apps by namespace; the one of SLACK_CLIENT_ID and its like under this fleet's."""
        own = SlackApp(
            namespace=self.namespace,
            client_id=self.slack_client_id,
            client_secret=self.slack_client_secret,
            signing_secret=self.slack_signing_secret,
            scopes=self.slack_scopes,
            classic=self.slack_classic,
        )
        return {app.namespace: app for app in (own, *self.apps)}

    @property
    def installable_apps(self) -> list[SlackApp]:
        """Those that people can install by the web role."""
        return [app for app in self.slack_apps.values() if app.installable]

    def environment(self) -> dict[str, str]:
        """Returns these settings as environment variables, for child processes."""
        return {
            _variable(spec.name): spec.metadata["dump"](getattr(self, spec.name))
            for spec in fields(self)
            if getattr(self, spec.name) != spec.default
        }


def _variable(name: str) -> str:
    return name.upper() if name.startswith("slack_") and name != "slack_api_url" else PREFIX + name.upper()


def _field(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower()


def _from_config(config: Mapping[str, object], parsers: Mapping[str, Parser]) -> dict[str, object]:
    named = {name.upper(): value for name, value in config.items() if name.lower().startswith("botfleet_")}
    return _known(named, parsers, "celeryconfig.py")


def _from_environment(environ: Mapping[str, str], parsers: Mapping[str, Parser]) -> dict[str, object]:
    named: dict[str, object] = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    slack = {_variable(name): environ.get(_variable(name)) for name in parsers if name.startswith("slack_")}
    return {
        **_known(named, parsers, "the environment"),
        **{name: value for name, value in slack.items() if value is not None},
    }


def _known(named: Mapping[str, object], parsers: Mapping[str, Parser], where: str) -> dict[str, object]:
    for name in named:
        if name not in _OTHER_NAMES and _field(name) not in parsers:
            near = difflib.get_close_matches(_field(name), parsers, n=3)
            known = ", ".join(sorted(_variable(field) for field in parsers))
            hint = f"perhaps {' or '.join(map(_variable, near))}" if near else f"there are {known}"
            raise ConfigurationError(name, f"is no setting of botfleet (in {where}); {hint}")
    return {name: value for name, value in named.items() if name not in _OTHER_NAMES}


def _derive(values: dict[str, Any]) -> dict[str, Any]:
    """Fills in what follows from other settings: the running embedded server, the store, the key file."""
    state = Path(values.get("state_dir", ".botfleet")).expanduser().resolve()
    running = running_fleet(state)
    if not values.get("broker_url"):
        values["broker_url"] = running.get("broker_url", _DEFAULT_BROKER)
        if "slack_api_url" not in values and "slack_api_url" in running:
            values["slack_api_url"] = running["slack_api_url"]
    if not values.get("store_url"):
        if urlsplit(values["broker_url"]).scheme not in (*_REDIS_SCHEMES, "memory"):
            raise ConfigurationError(
                "BOTFLEET_STORE_URL", "is needed where the broker is not Redis; takes redis://HOST:PORT/DB"
            )
        values["store_url"] = values["broker_url"]
    if "slack_api_url" in values and not values["slack_api_url"].endswith("/"):
        values["slack_api_url"] += "/"
    key_file = state / "secret.key"
    if "secret_keys" not in values and key_file.is_file():
        values["secret_keys"] = tuple(key_file.read_text().split())
    return values


def running_fleet(state: Path) -> dict[str, str]:
    """What a running `botfleet up` wrote about itself: `broker_url`, `slack_api_url`, `pid` …; or nothing."""
    try:
        found = json.loads((state / "running.json").read_text())
        os.kill(int(found["pid"]), 0)
    except PermissionError:
        pass
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name: str(value) for name, value in found.items()}
