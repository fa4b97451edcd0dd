"""Every example in the documentation is type-checked or parsed, and its tables have all that there is."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import subprocess
import sys
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import pytest

import botfleet
from botfleet.celery import app
from botfleet.cli import fleet
from botfleet.handlers import Timer
from botfleet.handlers.declaring.taskoptions import TaskOptions
from botfleet.lifecycle import LIFECYCLE
from botfleet.model import STATES, Envelope, Subscription
from botfleet.publishing.router import EVENT_QUEUES
from botfleet.sandbox.control import GETS, POSTS
from botfleet.sandbox.control_faults import FAULTS
from botfleet.sandbox.methods import METHODS
from botfleet.settings import Settings
from botfleet.web.gateway.counters import Outcomes

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "deploy/README.md", *sorted(DOCS.glob("*.md"))]
TEMPLATES = ROOT / "botfleet" / "web" / "templates"
PROMPT = "$ "
#: Tasks that nobody else has a reason to send.
SENT_BY_BEAT = {
    f"botfleet.{name}" for name in ("reconcile", "refresh_directory", "sample", "sweep_lanes", "tick")
}
#: As a user's own project would be checked: untyped handlers are allowed, wrong calls are not.
MYPY_CONFIG = """
[mypy]
check_untyped_defs = true
warn_unreachable = true
[mypy-celery.*,kombu.*]
ignore_missing_imports = true
follow_imports = skip
"""


class Block(NamedTuple):
    """A block of code in a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """All blocks in some languages."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(page, line, *match.groups()))
    return [block for block in found if block.language in languages]


def commands() -> Iterator[tuple[str, list[str]]]:
    """The simple commands in shell blocks and in pages of the web role, and where they stand.

    What is before and around them is left out.
    """
    for block in blocks("sh", "bash", "shell", "console"):
        text = block.text.replace("\\\n", " ")
        for line in text.splitlines():
            if block.language == "console" and not line.startswith(PROMPT):
                continue  # what the command prints
            words = shlex.split(line.removeprefix(PROMPT), comments=True)
            for command in split(words):
                yield block.place, command
    for template in sorted(TEMPLATES.rglob("*.html")):
        for command in re.findall(r"<code>((?:botfleet|celery) [^<]+)</code>", template.read_text()):
            yield str(template.relative_to(ROOT)), shlex.split(command)


def split(words: list[str]) -> Iterator[list[str]]:
    """Cuts a line at pipes and the like; leaves out redirections and variables in front.

    >>> list(split(["A=1", ".venv/bin/botfleet", "teams", "add", "-", "<", "file", "|", "wc"]))
    [['botfleet', 'teams', 'add', '-'], ['wc']]
    """
    command: list[str] = []
    rest = iter([*words, ";"])
    for word in rest:
        if word in ("<", ">"):
            next(rest)
        elif word in ("|", "||", "&&", "&", ";"):
            if command:
                yield [command[0].rpartition("/")[2], *command[1:]]
            command = []
        elif command or not re.match(r"\w+=", word):
            command.append(word)


def parse(group: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Parses a command line as Click does, and runs nothing.

    Raises:
        click.ClickException: there is no such command or option, or an argument is bad or missing.
    """
    with group.make_context(group.name, list(words), parent=parent) as context:
        if isinstance(group, click.Group) and context._protected_args:
            name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
            assert command is not None, name
            parse(command, rest, context)


@cache
def celerys_help(command: str) -> str:
    """What `celery -A botfleet COMMAND --help` says."""
    line = [sys.executable, "-m", "celery", "-A", "botfleet", command, "--help"]
    result = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


def check_celery(words: list[str]) -> None:
    """Checks a line `celery -A botfleet …`."""
    assert words[:2] == ["-A", "botfleet"]
    command, *rest = words[2:]
    if command == "fleet":
        parse(fleet, rest)
        return
    known = celerys_help(command)
    options = [word.partition("=")[0] for word in rest if word.startswith("-")]
    assert [option for option in options if not re.search(rf"{option}\b", known)] == []


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def rows(page: str, header: str) -> list[list[str]]:
    """The rows of the tables in a page whose first column is called so."""
    found: list[list[str]] = []
    inside = False
    for line in (DOCS / page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == header:
            inside = True
        elif inside and not cells[0].startswith("---"):
            found.append(cells)
    return found


def named(text: str) -> list[str]:
    """What a text has between backticks, but for its blocks."""
    return re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))


def test_there_are_examples() -> None:
    assert len(blocks("python")) > 10
    assert len(list(commands())) > 30


def test_the_python_examples_are_right(tmp_path: Path) -> None:
    names = {}
    for number, block in enumerate(blocks("python")):
        compile(block.text, block.place, "exec")
        path = tmp_path / f"example_{number}.py"
        path.write_text(block.text)
        names[path.name] = block
    (tmp_path / "mypy.ini").write_text(MYPY_CONFIG)
    cache_dir = ROOT / ".mypy_cache" / "docs"
    line = [sys.executable, "-m", "mypy", "--config-file=mypy.ini", f"--cache-dir={cache_dir}", *names]
    result = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    told = re.sub(r"^(example_\d+\.py)", lambda at: names[at[1]].place, result.stdout, flags=re.MULTILINE)
    assert result.returncode == 0, told + result.stderr


def test_the_json_examples_are_json() -> None:
    for block in blocks("json"):
        json.loads(block.text)


@pytest.mark.parametrize(
    ("place", "words"), [pytest.param(*each, id=" ".join(each[1])) for each in commands()]
)
def test_the_commands_exist(place: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program, *rest = words
    monkeypatch.delenv("BOTFLEET_ROLE", raising=False)
    if program == "botfleet":
        parse(fleet, rest)
    elif program == "celery":
        check_celery(rest)
    elif program == "make":
        assert {word for word in rest if "=" not in word} <= targets(), place


def test_a_wrong_command_would_be_found() -> None:
    for wrong in (["teams", "ad", "x"], ["status", "--jason"], ["teams", "add"]):
        with pytest.raises(click.ClickException):
            parse(fleet, wrong)
    with pytest.raises(AssertionError):
        check_celery(["-A", "botfleet", "worker", "--rolle", "holder"])


def test_the_units_run_commands_that_exist() -> None:
    units = sorted((ROOT / "deploy").glob("*.service"))
    assert len(units) == 3
    for unit in units:
        (line,) = re.findall(
            r"^ExecStart=/srv/botfleet/.venv/bin/celery (.*)$", unit.read_text(), re.MULTILINE
        )
        check_celery(line.split())


def test_pages_link_to_what_is_there() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


# Tables


def variable(field: str) -> str:
    is_slacks = field.startswith("slack_") and field != "slack_api_url"
    return field.upper() if is_slacks else f"BOTFLEET_{field.upper()}"


def shown(value: object) -> str:
    """A default as the table has it."""
    if isinstance(value, tuple):
        value = ",".join(value)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if value != "" else "–"


def test_each_setting_is_described_with_its_default() -> None:
    described = [(name.strip("`"), default) for name, default, _ in rows("settings.md", "setting")]
    assert described == [(variable(each.name), shown(each.default)) for each in dataclasses.fields(Settings)]


def test_each_field_of_the_envelope_is_described() -> None:
    fields = list(Envelope.__struct_fields__)
    assert [named(row[0])[0] for row in rows("events.md", "field")] == fields
    example = json.loads(next(block.text for block in blocks("json") if block.page.name == "events.md"))
    assert list(example) == fields
    msgspec.convert(example, Envelope)


def test_each_event_of_a_bots_life_is_described() -> None:
    assert tuple(named(row[0])[0] for row in rows("lifecycle.md", "type")) == LIFECYCLE


def test_each_attribute_of_a_timer_is_described() -> None:
    described = {re.sub(r"timer\.(\w+).*", r"\1", named(row[0])[0]) for row in rows("timers.md", "attribute")}
    public = {name for name in vars(Timer) if not name.startswith("_")} - {"secrets"}
    assert described == public | {"name", "due_at", "last_run"}


def test_each_queue_is_described() -> None:
    assert tuple(named(row[0])[0] for row in rows("events.md", "queue")) == EVENT_QUEUES


def test_the_subscription_of_the_example_is_one() -> None:
    (block,) = (one for one in blocks("python") if "wanted = [" in one.text)
    (wanted,) = re.findall(r"wanted = (\[.*\])", block.text)
    msgspec.convert(json.loads(wanted), list[Subscription])


def test_each_task_is_described() -> None:
    app.loader.import_default_modules()
    tasks = {name for name in app.tasks if name.startswith("botfleet.")} - SENT_BY_BEAT
    assert {named(row[0])[0] for row in rows("tokens.md", "task")} == tasks
    promise = (ROOT / "CHANGELOG.md").read_text()
    assert [task for task in tasks if f"`{task}`" not in promise] == []


def test_each_status_is_described() -> None:
    assert tuple(named(row[0])[0] for row in rows("tokens.md", "status")) == STATES


def test_each_outcome_at_the_gateway_is_described() -> None:
    described = [named(row[0])[0] for row in rows("gateway.md", "outcome")]
    assert described == list(Outcomes().by_name())


def test_each_task_option_is_described() -> None:
    page = set(named((DOCS / "handlers.md").read_text()))
    assert set(typing.get_type_hints(TaskOptions)) <= page


def test_each_public_name_is_described() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    assert [name for name in botfleet.__all__ if not re.search(rf"\b{name}\b", text)] == []


def test_each_fault_and_request_and_method_of_the_sandbox_is_described() -> None:
    assert [named(row[0])[0] for row in rows("sandbox.md", "fault")] == list(FAULTS)
    requests = {row[0] for row in rows("sandbox.md", "request")}
    assert requests - {"POST `faults/FAULT`", "GET `messages`", "GET `stream`"} == {
        *(f"GET `{path}`" for path in GETS),
        *(f"POST `{path}`" for path in POSTS),
    }
    page = set(named((DOCS / "sandbox.md").read_text()))
    assert set(METHODS) <= page
