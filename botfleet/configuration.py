"""Finds the deployment's `celeryconfig.py` and turns botfleet's settings into Celery's."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .errors import ConfigurationError
from .model import SAMPLE_EVERY
from .settings import Settings
from .timers.ticker import TICK

#: Longest time that a handler and its retries may take before the broker gives its message to another
#: worker, seconds. The shortest of all the clients of one Redis counts for all of them.
VISIBILITY_TIMEOUT = 3600
_RESULTS_KEPT = 3600
#: Seconds between two rounds that list directories anew.
_REFRESH_EVERY = 60.0


def deployment() -> dict[str, Any]:
    """Reads `celeryconfig.py` (or the module that CELERY_CONFIG_MODULE names); `{}` where there is none.

    Raises:
        ConfigurationError: it is there but can't be imported.
    """
    named = os.environ.get("CELERY_CONFIG_MODULE")
    name = named or "celeryconfig"
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        if importlib.util.find_spec(name) is None and not named:
            return {}
        module = importlib.import_module(name)
    except Exception as exc:
        raise ConfigurationError(
            named or "celeryconfig.py", f"can't be imported: {type(exc).__name__}: {exc}"
        ) from exc
    return {key: value for key, value in vars(module).items() if not key.startswith("_") and key.islower()}


def load_settings(config: dict[str, Any] | None = None, **overrides: object) -> Settings:
    """Reads the settings from the deployment's configuration, the environment and the command line.

    Celery's own ways to name the broker count too: `broker_url` in the configuration, `-b` and
    CELERY_BROKER_URL.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    config = dict(deployment() if config is None else config)
    if "broker_url" in config:
        config.setdefault("botfleet_broker_url", config["broker_url"])
    broker = os.environ.get("CELERY_BROKER_URL") or None
    return Settings.load(config, None, **{"broker_url": broker, **overrides})


def names_broker(config: dict[str, Any]) -> bool:
    """Whether the deployment says where the broker is."""
    names = ("CELERY_BROKER_URL", "BOTFLEET_BROKER_URL")
    return any(os.environ.get(name) for name in names) or bool(
        config.get("broker_url") or config.get("botfleet_broker_url")
    )


def celery_defaults(settings: Settings) -> dict[str, Any]:
    """Celery's settings as botfleet needs them; `celeryconfig.py` wins over each."""
    on_redis = _is_redis(settings.broker_url)
    return {
        "broker_url": _for_celery(settings.broker_url),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_transport_options": _redis_options(settings) if on_redis else {"confirm_publish": True},
        "result_backend": _for_celery(settings.broker_url if on_redis else settings.store_url),
        "result_backend_transport_options": {"global_keyprefix": settings.key_prefix},
        "result_expires": _RESULTS_KEPT,
        "redis_socket_timeout": 10.0,
        "redis_socket_connect_timeout": 5.0,
        # redis-py refuses it for a unix socket.
        "redis_socket_keepalive": not _is_local(settings.broker_url),
        "redis_backend_health_check_interval": 5,
        "task_default_queue": "botfleet.control",
        "task_default_queue_type": "classic" if on_redis else "quorum",
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_consumer": "botfleet.redacted_worker:RedactedConsumer",
        # They cost a task a tenth of its time; Flower asks for them while it runs.
        "worker_send_task_events": False,
        # Celery would make a line of the log of each piece that a handler prints.
        "worker_redirect_stdouts": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": True,
        "worker_enable_remote_control": True,
        "beat_schedule": beat_schedule(settings),
        "beat_schedule_filename": str(settings.state_path / "beat-schedule"),
        "beat_max_loop_interval": min(settings.check_interval, 5.0),
        "enable_utc": True,
    }


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """The periodic tasks. Each is safe to run twice, and gone before its next one is due."""
    return {
        "reconcile": _sent("reconcile", settings.check_interval),
        "refresh_directory": _sent("refresh_directory", _REFRESH_EVERY),
        "sample": _sent("sample", SAMPLE_EVERY),
        "sweep_lanes": _sent("sweep_lanes", settings.check_interval),
        # One for all timers, however many there are.
        "tick": _sent("tick", TICK),
    }


def _sent(name: str, seconds: float) -> dict[str, Any]:
    """One of botfleet's tasks, every so many seconds."""
    return {
        "task": f"botfleet.{name}",
        "schedule": seconds,
        "options": {"expires": seconds * 0.9, "queue": "botfleet.control"},
    }


def flower_options(settings: Settings) -> dict[str, str]:
    """Flower's options, as its environment variables without their prefix.

    Without a password Flower is for this machine only: whoever reaches it can stop workers.
    """
    options = {"MAX_TASKS": str(settings.flower_max_tasks)}
    if settings.flower_basic_auth:
        return {**options, "BASIC_AUTH": settings.flower_basic_auth}
    return {**options, "ADDRESS": "127.0.0.1"}


def _redis_options(settings: Settings) -> dict[str, Any]:
    return {
        "global_keyprefix": settings.key_prefix,
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        # One list a queue, not four: nothing here has priorities.
        "priority_steps": [0],
        "socket_timeout": 10.0,
        "socket_connect_timeout": 5.0,
        "socket_keepalive": not _is_local(settings.broker_url),
        "health_check_interval": 5,
    }


def _for_celery(url: str) -> str:
    """Celery's form of a unix socket's URL.

    >>> _for_celery("unix:///run/valkey.sock?db=2")
    'redis+socket:///run/valkey.sock?virtual_host=2'
    """
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    query = urlencode(
        [("virtual_host" if name == "db" else name, value) for name, value in parse_qsl(parts.query)]
    )
    return f"redis+socket://{parts.netloc}{parts.path}" + (f"?{query}" if query else "")


def _is_redis(url: str) -> bool:
    return urlsplit(url).scheme in ("redis", "rediss", "redis+socket", "unix")


def _is_local(url: str) -> bool:
    return urlsplit(url).scheme in ("redis+socket", "unix")
