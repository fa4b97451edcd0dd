"""From a deployment's settings to Celery's, beat's and Flower's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kombu
import pytest

from botfleet import configuration
from botfleet.celery import FleetApp
from botfleet.configuration import (
    beat_schedule,
    celery_defaults,
    flower_options,
    load_settings,
    names_broker,
)
from botfleet.errors import ConfigurationError
from botfleet.settings import Settings

from .deployments import Deployment, deployment

__all__ = ["deployment"]  # fixtures

REDIS = "redis://cache:6379/1"
SOCKET = "redis+socket:///run/valkey.sock"
AMQP = "amqp://guest@rabbit//"


def settings(**chosen: Any) -> Settings:
    chosen.setdefault("broker_url", REDIS)
    return Settings(**{"store_url": chosen["broker_url"], **chosen})


def app() -> FleetApp:
    """The app as a process in this folder has it."""
    made = FleetApp("test", set_as_current=False)
    made.add_defaults(made.celery_settings)
    return made


# celeryconfig.py


@pytest.mark.usefixtures("deployment")
def test_no_celeryconfig_is_no_error() -> None:
    assert configuration.deployment() == {}
    assert load_settings() == Settings.load({}, {})


def test_what_a_celeryconfig_says(deployment: Deployment) -> None:
    deployment.write(
        "celeryconfig.py", "import os", "_own = 1", "OTHER = 2", "botfleet_shards = 7", "task_time_limit = 9"
    )
    found = configuration.deployment()
    assert (found["botfleet_shards"], found["task_time_limit"]) == (7, 9)
    assert not {"_own", "OTHER"} & found.keys()
    assert load_settings().shards == 7


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["this is no Python"], "SyntaxError"),
        (
            ["import no_such_module_anywhere"],
            "ModuleNotFoundError: No module named 'no_such_module_anywhere'",
        ),
        (["1 / 0"], "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_celeryconfig(deployment: Deployment, lines: list[str], said: str) -> None:
    deployment.write("celeryconfig.py", *lines)
    for read in (configuration.deployment, load_settings, lambda: app().settings):
        with pytest.raises(ConfigurationError, match=r"^celeryconfig\.py: can't be imported: ") as caught:
            read()
        assert said in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


def test_another_module_may_be_named(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.write("celeryconfig.py", "botfleet_shards = 7")
    deployment.write("elsewhere/config.py", "botfleet_shards = 8")
    monkeypatch.setenv("CELERY_CONFIG_MODULE", "elsewhere.config")
    assert load_settings().shards == 8


@pytest.mark.parametrize("name", ["elsewhere", "elsewhere.config"])
@pytest.mark.usefixtures("deployment")
def test_a_named_module_that_is_missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("CELERY_CONFIG_MODULE", name)
    with pytest.raises(ConfigurationError, match=f"^{name}: can't be imported: "):
        load_settings()


def test_a_wrong_setting_in_a_celeryconfig(deployment: Deployment) -> None:
    deployment.write("celeryconfig.py", "botfleet_shards = 0")
    with pytest.raises(ConfigurationError, match="BOTFLEET_SHARDS is 0"):
        app().celery_settings()


# Where the broker is


@pytest.mark.parametrize(
    ("config", "environ", "broker"),
    [
        ([], {}, "redis://127.0.0.1:6379/0"),
        (["broker_url"], {}, "redis://broker_url/0"),
        (["botfleet_broker_url"], {}, "redis://botfleet_broker_url/0"),
        (["broker_url", "botfleet_broker_url"], {}, "redis://botfleet_broker_url/0"),
        (["broker_url"], ["BOTFLEET_BROKER_URL"], "redis://BOTFLEET_BROKER_URL/0"),
        (["botfleet_broker_url"], ["BOTFLEET_BROKER_URL"], "redis://BOTFLEET_BROKER_URL/0"),
        (["broker_url"], ["CELERY_BROKER_URL"], "redis://CELERY_BROKER_URL/0"),
        # `celery -b` sets it, and the command line wins.
        ([], ["BOTFLEET_BROKER_URL", "CELERY_BROKER_URL"], "redis://CELERY_BROKER_URL/0"),
    ],
)
def test_who_names_the_broker(
    deployment: Deployment,
    monkeypatch: pytest.MonkeyPatch,
    config: list[str],
    environ: list[str],
    broker: str,
) -> None:
    deployment.write("celeryconfig.py", *(f"{name} = 'redis://{name}/0'" for name in config))
    for name in environ:
        monkeypatch.setenv(name, f"redis://{name}/0")
    found = load_settings()
    assert found.broker_url == found.store_url == broker
    assert app().conf.broker_url == app().conf.result_backend == broker
    assert names_broker(configuration.deployment()) == bool(config or environ)


@pytest.mark.usefixtures("deployment")
def test_an_empty_celery_broker_url_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "")
    assert load_settings().broker_url == "redis://127.0.0.1:6379/0"


@pytest.mark.usefixtures("deployment")
def test_what_the_command_line_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", REDIS)
    assert load_settings({"broker_url": AMQP}, broker_url=SOCKET, shards=None).broker_url == SOCKET


def test_a_configuration_is_not_changed_by_reading_it() -> None:
    config = {"broker_url": REDIS}
    load_settings(config)
    assert config == {"broker_url": REDIS}


# Celery's settings


def test_on_redis() -> None:
    made = celery_defaults(settings(key_prefix="acme:"))
    assert made["broker_url"] == made["result_backend"] == REDIS
    assert made["task_default_queue_type"] == "classic"
    options = made["broker_transport_options"]
    assert options["global_keyprefix"] == "acme:"
    assert made["result_backend_transport_options"]["global_keyprefix"] == "acme:"
    assert options["priority_steps"] == [0]
    assert (options["socket_keepalive"], made["redis_socket_keepalive"]) == (True, True)
    assert options["visibility_timeout"] == 3600


def test_there_is_no_key_prefix_by_default() -> None:
    """An app that knows nothing but the broker's URL can send the control tasks."""
    made = celery_defaults(settings())
    assert made["broker_transport_options"]["global_keyprefix"] == ""
    assert made["task_default_queue"] == "botfleet.control"


@pytest.mark.parametrize(
    ("url", "celerys"),
    [
        (SOCKET, SOCKET),
        (f"{SOCKET}?virtual_host=2", f"{SOCKET}?virtual_host=2"),
        ("unix:///run/valkey.sock", SOCKET),
        ("unix:///run/valkey.sock?db=2", f"{SOCKET}?virtual_host=2"),
    ],
)
def test_on_a_unix_socket(url: str, celerys: str) -> None:
    made = celery_defaults(settings(broker_url=url))
    assert made["broker_url"] == made["result_backend"] == celerys
    # redis-py refuses it there.
    assert (made["broker_transport_options"]["socket_keepalive"], made["redis_socket_keepalive"]) == (
        False,
        False,
    )
    assert made["task_default_queue_type"] == "classic"
    assert kombu.Connection(made["broker_url"]).transport_cls == "redis"
    on_amqp = celery_defaults(settings(broker_url=AMQP, store_url=url))
    assert on_amqp["result_backend"] == celerys


def test_on_amqp() -> None:
    made = celery_defaults(settings(broker_url=AMQP, store_url=REDIS))
    assert (made["broker_url"], made["result_backend"]) == (AMQP, REDIS)
    assert made["broker_transport_options"] == {"confirm_publish": True}
    assert made["task_default_queue_type"] == "quorum"


@pytest.mark.parametrize("url", [REDIS, "rediss://cache/0", SOCKET, AMQP, "amqps://rabbit//"])
def test_on_every_broker(url: str) -> None:
    made = celery_defaults(settings(broker_url=url, store_url=REDIS))
    assert made["task_acks_late"]
    assert made["task_reject_on_worker_lost"]
    assert made["worker_prefetch_multiplier"] == 1
    assert not made["worker_cancel_long_running_tasks_on_connection_loss"]
    assert made["broker_connection_max_retries"] is None


def test_the_deployments_settings_win(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.write(
        "celeryconfig.py",
        f"broker_url = {REDIS!r}",
        "botfleet_key_prefix = 'acme:'",
        "worker_prefetch_multiplier = 8",
        "result_backend = 'redis://results/2'",
        "broker_transport_options = {'visibility_timeout': 60}",
    )
    made = app()
    assert made.conf.broker_url == REDIS
    assert made.conf.worker_prefetch_multiplier == 8
    assert made.conf.result_backend == "redis://results/2"
    assert made.conf.broker_transport_options == {"visibility_timeout": 60}
    assert made.conf.task_acks_late is True
    assert "botfleet_key_prefix" not in made.celery_settings()
    # But for the broker, of which the environment decides.
    monkeypatch.setenv("BOTFLEET_BROKER_URL", SOCKET)
    assert app().conf.broker_url == SOCKET


# Beat and Flower


@pytest.mark.parametrize("interval", [0.5, 5.0, 3600.0])
def test_each_periodic_task_is_gone_before_the_next_is_due(interval: float) -> None:
    made = settings(check_interval=interval)
    for entry in beat_schedule(made).values():
        assert 0 < entry["options"]["expires"] < entry["schedule"]
        assert entry["options"]["queue"] == "botfleet.control"
    assert beat_schedule(made)["reconcile"]["schedule"] == interval
    assert beat_schedule(made)["reconcile"]["task"] == "botfleet.reconcile"
    assert beat_schedule(made)["sweep_lanes"]["task"] == "botfleet.sweep_lanes"
    assert beat_schedule(made)["reconcile"]["schedule"] == interval
    assert celery_defaults(made)["beat_schedule"] == beat_schedule(made)
    assert celery_defaults(made)["beat_max_loop_interval"] <= interval


def test_beat_keeps_its_schedule_with_the_state(tmp_path: Path) -> None:
    made = celery_defaults(settings(state_dir=str(tmp_path / "state")))
    assert made["beat_schedule_filename"] == str(tmp_path / "state" / "beat-schedule")


def test_flower_without_a_password_is_for_this_machine_only() -> None:
    assert flower_options(settings()) == {"MAX_TASKS": "10000", "ADDRESS": "127.0.0.1"}


def test_flower_with_a_password() -> None:
    made = flower_options(settings(flower_basic_auth="me:secret", flower_max_tasks=500))
    assert made == {"MAX_TASKS": "500", "BASIC_AUTH": "me:secret"}
