"""`botfleet keys`: keys for the web role come and go; only who makes one ever sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from botfleet import cli_keys
from botfleet.access_keys import find_key
from botfleet.cli import fleet
from botfleet.store.memory import MemoryStore

Run = Callable[..., Result]


@pytest.fixture
def run(memory_store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(cli_keys, "open_fleet", lambda: SimpleNamespace(store=memory_store))
    return lambda *words: CliRunner().invoke(fleet, ["keys", *words])


def test_a_key_is_printed_once_and_opens_what_its_rights_say(run: Run, memory_store: MemoryStore) -> None:
    key = run("add", "deploy bot").stdout.strip()
    admins = run("add", "me@example.com", "--admin").stdout.strip()
    found, admin = find_key(memory_store, key), find_key(memory_store, admins)
    assert found is not None
    assert admin is not None
    assert (found.name, found.rights, admin.rights) == ("deploy bot", "read", "admin")
    assert key not in str(memory_store.access_keys())
    assert key.split("_")[2] not in found.digest
    shown = run("list").output
    assert "deploy bot" in shown
    assert found.id in shown
    assert key.split("_")[2] not in shown


def test_lists_and_new_keys_are_json_too(run: Run) -> None:
    made = json.loads(run("add", "a", "--admin", "--json").output)
    assert (made["name"], made["rights"], made["key"][:4]) == ("a", "admin", "bfk_")
    (shown,) = json.loads(run("list", "--json").output)
    assert set(shown) == {"id", "name", "rights", "created_at"}
    assert shown["id"] == made["key"].split("_")[1]


def test_a_key_goes_by_its_name_or_its_id(run: Run, memory_store: MemoryStore) -> None:
    first, second = run("add", "a").stdout.strip(), run("add", "b").stdout.strip()
    assert run("remove", "a").exit_code == 0
    assert find_key(memory_store, first) is None
    assert run("remove", second.split("_")[1]).exit_code == 0
    assert memory_store.access_keys() == []
    assert "no keys" in run("list").output
    gone = run("remove", "a")
    assert (gone.exit_code, "no key of this name" in gone.output) == (1, True)


def test_a_name_stands_for_one_key(run: Run) -> None:
    assert run("add", "a").exit_code == 0
    again = run("add", "a", "--admin")
    assert (again.exit_code, "already" in again.output) == (1, True)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[31m", "x" * 65, "-", "a ", "bfk_é", "a\n"])
def test_a_name_can_stand_in_a_log(run: Run, memory_store: MemoryStore, name: str) -> None:
    refused = run("add", "--", name)
    assert refused.exit_code == 1
    assert "takes up to 64 letters" in refused.output
    assert memory_store.access_keys() == []


@pytest.mark.parametrize("name", ["a", "CI", "deploy bot", "me@example.com", "x" * 64, "a.b-c_d+1"])
def test_names_that_people_give(run: Run, name: str) -> None:
    assert run("add", name).exit_code == 0


def test_a_key_that_seals_is_another_thing(run: Run) -> None:
    assert Fernet(run("new").output.strip())
    assert "BOTFLEET_SECRET_KEYS" in run("new", "--help").output
    assert "seals tokens" in run("--help").output
