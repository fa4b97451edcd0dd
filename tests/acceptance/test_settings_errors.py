"""What is set wrongly is said in one clear line, by every command that a user may start."""

from __future__ import annotations

import json
from typing import Any

import pytest

from botfleet.embedded import EmbeddedServer
from botfleet.secrets import Seal

from ..waiting import eventually
from .conftest import MakeFleet
from .fleet import ROOT, Folder

CELERY = ("celery", "-A", "botfleet")
COMMANDS = {
    "worker": (*CELERY, "worker"),
    "holder": (*CELERY, "worker", "--role", "holder"),
    "handler": (*CELERY, "worker", "--role", "handler"),
    "beat": (*CELERY, "beat"),
    "flower": (*CELERY, "flower"),
    "inspect": (*CELERY, "inspect", "active"),
    "fleet": (*CELERY, "fleet", "status"),
    "status": ("botfleet", "status"),
    "add": ("botfleet", "teams", "add", "xoxb-1"),
    "up": ("botfleet", "up"),
}
SOME = ("handler", "beat", "flower", "status")
HANDLER, STATUS = COMMANDS["handler"], COMMANDS["status"]


def refuse(folder: Folder, *command: str, code: int = 1, **settings: object) -> str:
    """Runs a command that ends at once; gives the one line that it says of its error."""
    done = folder.run(*command, timeout=20.0, **settings)
    assert done.returncode == code, done.stdout + done.stderr
    lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
    *usage, last = lines
    if code == 1:
        assert usage == []
    assert last.startswith("Error: ")
    assert len(last) < 1500
    return last


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_name(folder: Folder, command: str) -> None:
    said = refuse(folder, *COMMANDS[command], shard=8)
    assert "BOTFLEET_SHARD" in said
    assert "BOTFLEET_SHARDS" in said


@pytest.mark.parametrize("command", ["handler", "status"])
@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("check_interval", "soon", "seconds"),
        ("broker_url", "carrier-pigeon://loft:secret-feather@roof/", "redis://"),
        ("secret_keys", "short-and-secret-key", "Fernet"),
    ],
)
def test_a_bad_value(folder: Folder, command: tuple[str, ...], name: str, value: str, takes: str) -> None:
    said = refuse(folder, *COMMANDS[command], **{name: value})
    assert f"BOTFLEET_{name.upper()}" in said
    assert takes in said
    assert "secret-" not in said.replace("secret-keys", "")


@pytest.mark.parametrize("command", SOME)
def test_a_celeryconfig_that_cannot_be_read(folder: Folder, command: str) -> None:
    folder.write("celeryconfig.py", "botfleet_shards = = 8\n")
    said = refuse(folder, *COMMANDS[command])
    assert "celeryconfig.py" in said
    assert "SyntaxError" in said


def test_a_bad_value_in_celeryconfig(folder: Folder) -> None:
    folder.write("celeryconfig.py", "botfleet_shards = 0\n")
    assert "shards" in refuse(folder, *STATUS).lower()


# Roles


@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_role_that_is_none(folder: Folder, how: str) -> None:
    if how == "option":
        said = refuse(folder, *CELERY, "worker", "--role", "hodler", code=2)
    else:
        said = refuse(folder, *CELERY, "worker", code=2, role="hodler")
    assert "hodler" in said
    assert "handler, holder" in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_library\n", "no_such_library"),
        ("role = \n", "SyntaxError"),
        ("roll = 1\n", "`role`"),
        ("from botfleet.roles import HOLDER\nrole = HOLDER.but(queue='a')\n", "queues"),
        ("from botfleet.roles import HOLDER\nrole = HOLDER.but(pool='prefork')\n", "threads"),
    ],
    ids=["import", "syntax", "name", "attribute", "pool"],
)
def test_a_role_that_is_broken(folder: Folder, text: str, reason: str) -> None:
    folder.write("workers/analytics.py", text)
    said = refuse(folder, *CELERY, "worker", "--role", "analytics")
    assert reason in said


def test_a_role_of_ones_own(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet.copy("tasks")
    fleet.write(
        "analytics.py",
        "from botfleet import command\n\n\n"
        "@command('count', queue='numbers')\ndef count(client):\n    client.reply('one')\n",
    )
    fleet.write(
        "workers/analytics.py",
        "from botfleet.roles import HANDLER\n"
        "role = HANDLER.but(\n"
        "    name='analytics', handlers=('analytics',), queues=('analytics',), concurrency=3\n)\n",
    )
    analytics, holder = fleet.worker("analytics"), fleet.holder()
    fleet.wait_until_ready(holder)
    analytics.says("ready.")
    team = fleet.add_workspace()
    fleet.ask(team, f"<@{team.bot}> count", "one")
    queues = fleet.run(*CELERY, "inspect", "active_queues", "--json").stdout
    stats = fleet.run(*CELERY, "inspect", "stats", "--json").stdout
    assert {"analytics", "numbers"} == queues_of(queues, "analytics@")
    assert concurrency_of(stats, "analytics@") == 3


def queues_of(shown: str, name: str) -> set[str]:
    return {queue["name"] for queue in answer_of(shown, name)}


def concurrency_of(shown: str, name: str) -> int:
    return int(answer_of(shown, name)["pool"]["max-concurrency"])


def answer_of(shown: str, name: str) -> Any:
    [answer] = [value for worker, value in json.loads(shown).items() if worker.startswith(name)]
    return answer


# Handlers


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_library\n", "no_such_library"),
        ("def f(:\n", "SyntaxError"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("from botfleet import on\n\n\n@on\ndef f(event):\n    pass\n", "without arguments"),
        ("from botfleet import on\n\n\n@on('message')\ndef f(evnt):\n    pass\n", "evnt"),
        ("from botfleet import on\n\n\n@on('message')\nasync def f(event):\n    pass\n", "async"),
        ("from botfleet import command\n\n\n@command('a', max_age=-1)\ndef f():\n    pass\n", "max_age"),
    ],
    ids=["import", "syntax", "error", "bare", "parameter", "async", "option"],
)
def test_a_handler_that_is_wrong(folder: Folder, text: str, reason: str) -> None:
    folder.write("tasks/greetings.py", text)
    said = refuse(folder, *HANDLER)
    assert reason in said
    assert "tasks" in said
    assert "greetings" in said


def test_a_wrong_handler_leaves_holders_alone(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    fleet.write("tasks/greetings.py", "import no_such_library\n")
    fleet.holder()
    team = fleet.workspace()
    fleet.add(team.token)
    fleet.wait_until_connected(team, timeout=20.0)


def test_modules_that_are_not_there(folder: Folder) -> None:
    assert "no_such_tasks" in refuse(folder, *COMMANDS["worker"], handlers="no_such_tasks")


# An empty folder


def install(folder: Folder) -> None:
    """Makes botfleet look like an installed package: an editable one shows the repository's `tasks` too."""
    library = folder.path / "library"
    library.mkdir()
    (library / "botfleet").symlink_to(ROOT / "botfleet")
    (library / "sitecustomize.py").write_text(
        "import os, sys\n"
        "sys.path[:] = [one for one in sys.path if not os.path.isdir(os.path.join(one, 'tasks'))]\n"
    )
    folder.environment["PYTHONPATH"] = str(library)


def test_an_empty_folder(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    install(fleet)
    holder, handler, beat = fleet.holder(), fleet.handler(), fleet.beat()
    handler.says("there is no module tasks, so there are no handlers")
    handler.says("ready.")
    team = fleet.workspace()
    fleet.add(team.token)
    fleet.wait_until_connected(team, timeout=20.0)
    fleet.wait_for_rounds(1)
    assert all(process.running for process in (holder, handler, beat))
    assert "Traceback" not in holder.output + handler.output + beat.output


def test_no_role_in_an_empty_folder(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    install(fleet)
    worker = fleet.worker()
    worker.says("ready.")
    assert "tasks.hello" not in worker.output
    team = fleet.workspace()
    fleet.add(team.token)
    fleet.wait_until_connected(team, timeout=20.0)


# Nothing there


@pytest.mark.parametrize("arguments", [["status"], ["holders"], ["teams", "list"]], ids=" ".join)
def test_a_broker_that_is_away(folder: Folder, arguments: list[str]) -> None:
    said = refuse(folder, "botfleet", *arguments, broker_url="redis://127.0.0.1:1/0")
    assert "127.0.0.1:1" in said


def test_a_broker_that_is_away_from_each_team(folder: Folder) -> None:
    done = folder.run("botfleet", "teams", "remove", "T1", "T2", broker_url="redis://127.0.0.1:1/0")
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all("failed" in line and "127.0.0.1:1" in line for line in lines)


def test_a_worker_waits_for_its_broker(folder: Folder) -> None:
    server = EmbeddedServer(folder.path / "server")
    folder.configure(broker_url=server.url)
    folder.copy("tasks")
    worker = folder.start("worker", *CELERY, "worker")
    worker.says("Trying again in")
    server.start()
    try:
        worker.says("ready.")
        eventually(lambda: len(folder.json("holders")) == 1, 10.0, 0.2)
        assert worker.stop() == 0
    finally:
        server.stop()


def test_a_wrong_key_hinders_no_other_bot(make_fleet: MakeFleet) -> None:
    fleet = make_fleet()
    first = fleet.workspace()
    fleet.botfleet("teams", "add", first.token)
    fleet.configure(secret_keys=Seal.new_key())
    second = fleet.workspace()
    fleet.botfleet("teams", "add", second.token)
    fleet.holder()
    fleet.beat()
    fleet.wait_until_connected(second, timeout=20.0)

    def said() -> bool:
        bot = fleet.report()[first.id]
        return bot.status == "disconnected" and "token_unreadable" in bot.error

    eventually(said, 10.0, 0.1)
    # Nothing was overwritten: with both keys, all is well.
    keys = [fleet.environment["BOTFLEET_SECRET_KEYS"], fleet.fleet.settings.secret_keys[0]]
    fleet.started[0].stop()
    fleet.configure(secret_keys=",".join(keys))
    fleet.holder()
    fleet.wait_until_connected(first, second, timeout=20.0)
