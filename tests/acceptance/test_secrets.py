"""No token, and no text that people wrote, in any log, in Flower, in `inspect` or in the store."""

from __future__ import annotations

import base64
import json
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from ..waiting import eventually
from .fleet import RECORDING, RunningFleet, Workspace, free_port, keys_and_values, processes

USER, PASSWORD = "admin", "a password with: signs"
INSPECTED = ("active", "reserved", "scheduled", "registered", "conf", "stats", "report", "revoked")
#: Flower keeps this many tasks: more than there are before `test_flower_keeps_no_more_tasks_than_are_set`.
MOST_TASKS = 300
HANDLERS = (
    RECORDING
    + """
import time


@on("message")
def note(event: Event) -> None:
    record(noted=event.id)


@command("fail", max_retries=1, default_retry_delay=0.1, retry_backoff=False)
def fail(event: Event, client: Client) -> None:
    client.web.auth_test()
    record(failed=event.id)
    raise RuntimeError(f"I can't {event.text} with {client.token.reveal()}", event.payload)


@command("work")
def work(event: Event, client: Client) -> None:
    record(working=event.id)
    while not os.path.exists("go-on"):
        time.sleep(0.05)


@command("later", default_retry_delay=600, retry_backoff=False)
def later(event: Event) -> None:
    record(later=event.id)
    raise RuntimeError(f"I can't {event.text} yet")
"""
)
#: Sends all kinds of tasks with secrets in them, as any app can.
SENDER = """
import json, sys
from celery import Celery
url, team, channel, text, *tokens = sys.argv[1:]
app = Celery(broker=url, backend=url)
def send(name, *arguments, **options):
    return app.send_task(name, arguments, queue="botfleet.control", **options)
good = send("botfleet.add_token", tokens[0])
results = [
    good.get(timeout=15),
    send("botfleet.add_token", *tokens[1:]).get(timeout=15),
    send("botfleet.check_token", *tokens).get(timeout=15),
    send("botfleet.message", team, channel, text).get(timeout=15),
    send("botfleet.message", team, "#nowhere", text).get(timeout=15),
]
send("botfleet.add_token", *tokens, countdown=600)
send("botfleet.no_such_task", *tokens, text)
send("botfleet.add_token", {"token": tokens[0]}, text)
app.send_task("botfleet.add_token", kwargs={"wrong": tokens[0], "text": text}, queue="botfleet.control")
app.send_task("tasks.marked.note", [{"text": text}], queue="events.other")
app.send_task("tasks.marked.note", [text, tokens[0]], queue="events.other")
print(json.dumps(results))
"""


class Busy(RunningFleet):
    """A fleet through which many secrets have gone.

    Attributes:
        team: one whose bot is connected.
        texts: what people and programs wrote.
        tokens: bots', good and bad.
        printed: what programs and `inspect` answered.
        shown: Flower's pages.
        seen: the names of the tasks there.
    """

    team: Workspace
    texts: list[str]
    tokens: list[str]

    def begin(self) -> None:
        self.write("tasks/marked.py", HANDLERS)
        self.port = free_port()
        self.printed: dict[str, str] = {}
        self.handler("--concurrency", "4")
        holder = self.holder()
        self.beat()
        self.flower(self.port).says("Connected to")
        self.wait_until_ready(holder)
        eventually(lambda: {"holder", "handler"} <= {name.split("@")[0] for name in self.workers()}, 15, 0.2)
        self.keep_busy()

    def keep_busy(self) -> None:
        marker = f"marker{secrets.token_hex(6)}"
        self.texts = [marker]
        team, second, third = self.add_workspace(), self.workspace(), self.workspace()
        self.team = team
        # No worker tells of tasks before Flower asks for it.
        eventually(
            lambda: self.control.say("general", f"{marker} hello", team=team.id) and self.tasks(), 15.0, 0.5
        )
        junk = f"xoxb-{secrets.token_hex(12)}"
        self.tokens = [second.token, junk, f"xoxb {third.token}", team.token]
        arguments = [self.url, team.id, team.general, f"{marker} said by a program", *self.tokens]
        self.printed["results"] = json.dumps(self.python(SENDER, *arguments))
        delayed = "import json, sys; from botfleet import add_token; print(json.dumps("
        delayed += "add_token.delay(*sys.argv[1:]).get(timeout=15)))"
        self.printed["delay"] = json.dumps(self.python(delayed, third.token, junk))
        self.printed["cli"] = self.botfleet("teams", "add", junk, third.token, expect=1)
        for text in (f"{marker} said by a person", *self.commands(marker)):
            self.control.say("general", text, team=team.id)
        self.control.frame(f"not JSON: {marker}", team=team.id)
        expected = {"noted", "failed", "working", "later"}
        eventually(lambda: {name for line in self.recorded() for name in line} >= expected, 15.0)
        eventually(lambda: sum("failed" in line for line in self.recorded()) == 2, 15.0)
        with ThreadPoolExecutor(4) as pool:
            self.printed.update(zip(INSPECTED, pool.map(self.inspect, INSPECTED), strict=True))
        self.printed["settings"] = self.botfleet("settings") + self.botfleet("settings", "--json")
        self.printed["status"] = self.botfleet("status") + self.botfleet("status", "--json")
        eventually(lambda: {"FAILURE", "RETRY", "STARTED", "SUCCESS"} <= self.states(), 10.0, 0.2)
        self.shown = self.pages()
        self.seen = {task["name"] for task in self.tasks().values()}

    def inspect(self, what: str) -> str:
        done = self.run("celery", "-A", "botfleet", "inspect", what, "--timeout", "3")
        assert "2 nodes online" in done.stdout
        return done.stdout + done.stderr

    def states(self) -> set[str]:
        return {task["state"] for task in self.tasks().values()}

    def commands(self, marker: str) -> Iterator[str]:
        for command in ("fail", "work", "later"):
            yield f"<@{self.team.bot}> {command} {marker}"

    # Flower

    def open(self, path: str, user: str | None = f"{USER}:{PASSWORD}") -> str:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if user:
            request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())

    def workers(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self.open("/api/workers?refresh=1"))
        except urllib.error.HTTPError:
            return {}
        return found

    def tasks(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads(self.open("/api/tasks?limit=1000"))
        return found

    def pages(self) -> dict[str, str]:
        """Everything that Flower shows."""
        table = "draw=1&start=0&length=1000&search%5Bvalue%5D=&order%5B0%5D%5Bcolumn%5D=0"
        table += "&order%5B0%5D%5Bdir%5D=asc&columns%5B0%5D%5Bdata%5D=name"
        paths = ["/", "/workers", "/workers?json=1", "/tasks", "/broker", "/metrics", "/api/workers"]
        paths += [
            "/api/tasks?limit=1000",
            "/api/task/types",
            "/api/queues/length",
            f"/tasks/datatable?{table}",
        ]
        paths += [f"/worker/{name}" for name in self.workers()]
        for task in self.tasks():
            paths += [f"/task/{task}", f"/api/task/info/{task}"]
        return {path: self.open(path) for path in paths}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    auth = f"{USER}:{PASSWORD}"
    settings = {"log_level": "DEBUG", "flower_basic_auth": auth, "flower_max_tasks": MOST_TASKS}
    with Busy(tmp_path_factory.mktemp("secrets") / "fleet", **settings) as busy:
        busy.begin()
        yield busy


def must_not_show(fleet: Busy) -> list[str]:
    keys = fleet.environment["BOTFLEET_SECRET_KEYS"].split(",")
    words = [word for token in fleet.tokens for word in token.split() if len(word) > 8]
    return [*words, PASSWORD, *keys]


def assert_clean(places: dict[str, str], needles: list[str]) -> None:
    found = [
        (place, text[max(0, text.index(needle) - 200) : text.index(needle) + 100])
        for place, text in places.items()
        for needle in needles
        if needle in text
    ]
    assert found == []


def test_logs(fleet: Busy) -> None:
    logs = {process.log.name: process.output for process in fleet.started}
    assert all(logs.values())
    # They do tell of what went wrong.
    [handler] = [text for name, text in logs.items() if name.startswith("handler")]
    assert "tasks.marked.fail" in handler
    assert "RuntimeError" in handler
    assert_clean(logs, must_not_show(fleet))
    # At DEBUG, and there alone, texts may be shown.
    assert_clean({name: without_debug(text) for name, text in logs.items()}, fleet.texts)


def without_debug(log: str) -> str:
    records = re.split(r"^(?=\[)", log, flags=re.MULTILINE)
    return "".join(one for one in records if not re.match(r"\[D |\[[^]]*: DEBUG/", one))


def test_flower(fleet: Busy) -> None:
    assert any("tasks.marked.fail" in page for page in fleet.shown.values())
    assert_clean(fleet.shown, must_not_show(fleet) + fleet.texts)


def test_inspect_and_answers(fleet: Busy) -> None:
    assert "tasks.marked.work" in fleet.printed["active"]
    assert "tasks.marked.later" in fleet.printed["scheduled"]
    assert "botfleet.add_token" in fleet.printed["scheduled"]
    assert_clean(fleet.printed, must_not_show(fleet) + fleet.texts)


def test_store(fleet: Busy) -> None:
    client = redis.Redis.from_url(fleet.url.replace("redis+socket", "unix"), decode_responses=True)
    with client:
        found = list(keys_and_values(client))
    broker = ("events.", "botfleet.control", "unacked")
    kept = {
        f"{key} ({number})": f"{key} {value}"
        for number, (key, value) in enumerate(found)
        if not key.startswith(broker)
    }
    assert any(key.startswith("tokens:teams:") for key in kept)
    assert any(key.startswith("celery-task-meta") for key in kept)
    assert_clean(kept, must_not_show(fleet) + fleet.texts)


def test_the_list_of_processes(fleet: Busy) -> None:
    commands = {str(one.pid): one.command for one in processes()}
    assert_clean(commands, must_not_show(fleet) + fleet.texts)


def test_flower_asks_for_the_password(fleet: Busy) -> None:
    task = next(iter(fleet.tasks()))
    for path in ("/", "/workers", "/tasks", "/broker", f"/task/{task}", "/api/tasks", "/api/workers"):
        for user in (None, f"{USER}:wrong"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                fleet.open(path, user)
            assert refused.value.code == 401


def test_flower_lists_roles_and_handlers(fleet: Busy) -> None:
    workers = fleet.workers()
    [holder] = [worker for name, worker in workers.items() if name.startswith("holder@")]
    [handler] = [worker for name, worker in workers.items() if name.startswith("handler@")]
    assert "botfleet.add_token" in holder["registered"]
    assert not any(task.startswith("tasks.") for task in holder["registered"])
    ours = {f"tasks.marked.{name}" for name in ("note", "fail", "work", "later")}
    assert ours <= set(handler["registered"])
    assert ours <= fleet.seen
    assert ours <= set(json.loads(fleet.open("/api/task/types"))["task-types"])


def test_flower_keeps_no_more_tasks_than_are_set(fleet: Busy) -> None:
    before = len(fleet.recorded())
    fleet.control.flood(2 * MOST_TASKS, teams=[fleet.team.id], rate=300.0, text="hello {n}")
    eventually(lambda: len(fleet.recorded()) >= before + 2 * MOST_TASKS, 20.0)
    eventually(lambda: len(fleet.tasks()) == MOST_TASKS, 10.0, 0.2)
