"""Settings are read once, checked, and say what is wrong."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from botfleet.errors import ConfigurationError
from botfleet.settings import Settings, running_fleet


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment that says only where the state is: nowhere yet."""
    return {"BOTFLEET_STATE_DIR": str(tmp_path / "state"), "PATH": "/bin", "HOME": "/root"}


def test_the_defaults(environ: dict[str, str]) -> None:
    settings = Settings.load({}, environ)
    assert settings.broker_url == settings.store_url == "redis://127.0.0.1:6379/0"
    assert settings.slack_api_url == "https://slack.com/api/"
    assert (settings.tokens_key, settings.teams_key) == ("tokens:statuses", "tokens:teams")
    assert (settings.check_interval, settings.shards, settings.replicas) == (5.0, 256, 1)
    assert settings.key_prefix == settings.namespace == ""


def test_the_process_environment_is_read_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTFLEET_SHARDS", "7")
    assert Settings.load().shards == 7


def test_the_command_line_wins_over_the_environment_over_the_file(environ: dict[str, str]) -> None:
    config = {"botfleet_shards": 2, "botfleet_replicas": 2, "botfleet_check_interval": 2}
    environ |= {"BOTFLEET_SHARDS": "3", "BOTFLEET_REPLICAS": "3"}
    settings = Settings.load(config, environ, shards=4, replicas=None)
    assert (settings.shards, settings.replicas, settings.check_interval) == (4, 3, 2.0)


def test_other_names_in_the_file_and_the_environment_are_left_alone(environ: dict[str, str]) -> None:
    config = {"task_acks_late": True, "broker_url": "amqp://elsewhere", "shards": 9}
    environ |= {"CELERY_BROKER_URL": "amqp://elsewhere", "BOTFLEET_ROLE": "holder", "SLACK_OTHER": "x"}
    assert Settings.load(config, environ) == Settings.load({}, {**environ})
    assert Settings.load(config, environ).shards == 256


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("BOTFLEET_SHARD", "perhaps BOTFLEET_SHARDS"),
        ("BOTFLEET_TOKEN", "BOTFLEET_TOKENS_KEY"),
        ("BOTFLEET_XYZZY", "BOTFLEET_BROKER_URL, "),
    ],
)
def test_an_unknown_name_in_the_environment(environ: dict[str, str], name: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match="is no setting of botfleet") as caught:
        Settings.load({}, {**environ, name: "xoxb-test-1"})
    assert caught.value.name == name
    assert named in str(caught.value)
    assert "xoxb" not in str(caught.value)


def test_an_unknown_name_in_the_file(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"BOTFLEET_SHARD: .*celeryconfig\.py"):
        Settings.load({"botfleet_shard": 1}, environ)


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("BOTFLEET_SHARDS", "0", "1 to 1048576"),
        ("BOTFLEET_SHARDS", "many", "whole number"),
        ("BOTFLEET_SHARDS", "1.5", "whole number"),
        ("BOTFLEET_REPLICAS", "11", "1 to 10"),
        ("BOTFLEET_CHECK_INTERVAL", "0.1", "0.5 to 3600"),
        ("BOTFLEET_CHECK_INTERVAL", "nan", "seconds"),
        ("BOTFLEET_CHECK_INTERVAL", "inf", "seconds"),
        ("BOTFLEET_CHECK_INTERVAL", "", "seconds"),
        ("BOTFLEET_LOG_LEVEL", "LOUD", "WARNING"),
        ("BOTFLEET_NAMESPACE", "a b", "letters"),
        ("BOTFLEET_NAMESPACE", "a--b", "letters"),
    ],
)
def test_a_bad_value_is_told_with_what_it_takes(
    environ: dict[str, str], name: str, value: str, takes: str
) -> None:
    with pytest.raises(ConfigurationError, match=takes) as caught:
        Settings.load({}, {**environ, name: value})
    assert (caught.value.name, caught.value.got) == (name, value)
    assert caught.value.fatal


@pytest.mark.parametrize("value", [1, None, object(), ["a", 1], {"a": 1}])
@pytest.mark.parametrize("name", ["tokens_key", "handlers", "broker_url", "secret_keys", "shards"])
def test_a_value_of_the_wrong_type_in_the_file(environ: dict[str, str], name: str, value: object) -> None:
    if (name, value) == ("shards", 1):
        return
    with pytest.raises(ConfigurationError, match=f"BOTFLEET_{name.upper()}"):
        Settings.load({f"botfleet_{name}": value}, environ)


@pytest.mark.parametrize("name", ["BOTFLEET_BROKER_URL", "BOTFLEET_STORE_URL", "BOTFLEET_SLACK_API_URL"])
def test_a_bad_url_is_never_shown(environ: dict[str, str], name: str) -> None:
    with pytest.raises(ConfigurationError, match="://") as caught:
        Settings.load({}, {**environ, name: "ftp://user:hunter2@host"})
    assert "hunter2" not in str(caught.value)


def test_lists_are_taken_with_commas_and_as_lists(environ: dict[str, str]) -> None:
    assert Settings.load({}, {**environ, "BOTFLEET_HANDLERS": "tasks, other ,"}).handlers == (
        "tasks",
        "other",
    )
    assert Settings.load({"botfleet_handlers": ["tasks", "other"]}, environ).handlers == ("tasks", "other")


def test_slacks_own_names(environ: dict[str, str]) -> None:
    environ |= {"SLACK_CLIENT_ID": "1.2", "SLACK_SIGNING_SECRET": "s", "SLACK_APP_TOKEN": "xapp-test-1"}
    settings = Settings.load({}, environ)
    assert (settings.slack_client_id, settings.slack_signing_secret) == ("1.2", "s")
    assert settings.slack_app_token == "xapp-test-1"


def test_secrets_are_not_in_the_repr(environ: dict[str, str]) -> None:
    secrets = {
        "BOTFLEET_BROKER_URL": "redis://:hunter2@h",
        "BOTFLEET_STORE_URL": "redis://:hunter2@h",
        "BOTFLEET_SECRET_KEYS": "hunter2",
        "BOTFLEET_FLOWER_BASIC_AUTH": "me:hunter2",
        "SLACK_CLIENT_SECRET": "hunter2",
        "SLACK_SIGNING_SECRET": "hunter2",
        "SLACK_APP_TOKEN": "hunter2",
    }
    assert "hunter2" not in repr(Settings.load({}, environ | secrets))


def test_settings_are_frozen(environ: dict[str, str]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings.load({}, environ).shards = 3  # type: ignore[misc]


# What follows from other settings


def test_the_store_is_the_broker_where_that_is_redis(environ: dict[str, str]) -> None:
    environ["BOTFLEET_BROKER_URL"] = "redis+socket:///run/valkey.sock"
    assert Settings.load({}, environ).store_url == "redis+socket:///run/valkey.sock"
    environ["BOTFLEET_STORE_URL"] = "redis://other/1"
    assert Settings.load({}, environ).store_url == "redis://other/1"


def test_a_store_is_needed_where_the_broker_is_not_redis(environ: dict[str, str]) -> None:
    environ["BOTFLEET_BROKER_URL"] = "amqp://user:hunter2@host"
    with pytest.raises(ConfigurationError, match="BOTFLEET_STORE_URL") as caught:
        Settings.load({}, environ)
    assert "hunter2" not in str(caught.value)
    assert Settings.load({}, environ, store_url="redis://h").store_url == "redis://h"


def test_slacks_url_ends_with_a_slash(environ: dict[str, str]) -> None:
    environ["BOTFLEET_SLACK_API_URL"] = "http://127.0.0.1:1234/api"
    assert Settings.load({}, environ).slack_api_url == "http://127.0.0.1:1234/api/"


def test_the_key_file_of_the_state_folder_is_used(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "secret.key").write_text("new\nold\n")
    assert Settings.load({}, environ).secret_keys == ("new", "old")
    assert Settings.load({}, {**environ, "BOTFLEET_SECRET_KEYS": "mine"}).secret_keys == ("mine",)


def write_running(folder: Path, content: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "running.json").write_text(content if isinstance(content, str) else json.dumps(content))


def test_a_running_fleet_of_the_state_folder_is_found(environ: dict[str, str], tmp_path: Path) -> None:
    said = {
        "broker_url": "redis+socket:///v.sock",
        "slack_api_url": "http://127.0.0.1:9/api/",
        "pid": os.getpid(),
    }
    write_running(tmp_path / "state", said)
    settings = Settings.load({}, environ)
    assert (settings.broker_url, settings.slack_api_url) == (said["broker_url"], said["slack_api_url"])
    environ["BOTFLEET_BROKER_URL"] = "redis://mine"
    assert Settings.load({}, environ).broker_url == "redis://mine"
    assert Settings.load({}, environ).slack_api_url == "https://slack.com/api/"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "3", {}, {"pid": "x"}, {"pid": None}, {"pid": 2**22 + 1}]
)
def test_a_fleet_that_does_not_run_is_not_found(tmp_path: Path, content: object) -> None:
    write_running(tmp_path, content)
    assert running_fleet(tmp_path) == {}


def test_settings_pass_to_child_processes_through_the_environment(environ: dict[str, str]) -> None:
    environ |= {
        "BOTFLEET_BROKER_URL": "redis://:p@h",
        "BOTFLEET_SHARDS": "8",
        "BOTFLEET_SECRET_KEYS": "a,b",
        "BOTFLEET_CHECK_INTERVAL": "0.5",
        "SLACK_APP_TOKEN": "xapp-test-1",
        "BOTFLEET_SLACK_API_URL": "http://127.0.0.1:1/api/",
    }
    settings = Settings.load({}, environ)
    passed = settings.environment()
    assert Settings.load({}, passed) == settings
    assert passed["SLACK_APP_TOKEN"] == "xapp-test-1"
    assert passed["BOTFLEET_SECRET_KEYS"] == "a,b"
    assert "BOTFLEET_REPLICAS" not in passed


def test_every_setting_is_documented() -> None:
    for field in dataclasses.fields(Settings):
        assert field.name in (Settings.__doc__ or ""), field.name


def test_the_state_folder_is_absolute(environ: dict[str, str]) -> None:
    assert Settings.load({}, environ, state_dir="relative").state_path == Path.cwd() / "relative"
    assert Settings.load({}, environ, state_dir="~/x").state_path == Path.home() / "x"


@pytest.mark.parametrize("value", ["me:hunter2", "me:hunter2,you:hunter3", ""])
def test_logins_for_flower(environ: dict[str, str], value: str) -> None:
    assert Settings.load({}, {**environ, "BOTFLEET_FLOWER_BASIC_AUTH": value}).flower_basic_auth == value


@pytest.mark.parametrize("value", ["hunter2", "me:hunter2,rest", "me:", ":hunter2", "me:hunter2,"])
def test_a_bad_login_is_refused_and_not_shown(environ: dict[str, str], value: str) -> None:
    with pytest.raises(ConfigurationError, match="takes user:password") as caught:
        Settings.load({}, {**environ, "BOTFLEET_FLOWER_BASIC_AUTH": value})
    assert "hunter2" not in str(caught.value)


def test_names_and_answers_of_the_bots(environ: dict[str, str]) -> None:
    given = {**environ, "BOTFLEET_ALIASES": ":robot_face:, Bötchen", "BOTFLEET_BUILTINS": "hi"}
    settings = Settings.load({}, given)
    assert (settings.aliases, settings.builtins) == ((":robot_face:", "Bötchen"), ("hi",))
    assert Settings.load({"botfleet_builtins": ()}, environ).builtins == ()
    for name, value, says in (
        ("BOTFLEET_ALIASES", "x" * 81, "up to 80 characters"),
        ("BOTFLEET_BUILTINS", "help,bye", "takes some of help, hi, about, unknown"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            Settings.load({}, {**environ, name: value})
