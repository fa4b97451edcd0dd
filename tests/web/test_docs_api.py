"""The examples and tables of docs/api.md, on a real port."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from botfleet.model import HolderInfo, Member, Status
from tests.integration.store_values import add, bot
from tests.servers import require
from tests.unit.answering import answer, canned_slack

from .test_attacks import Web, serving

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "api.md"
PROMPT = "$ "
#: Where codes come from that programs see.
SOURCES = (
    "access.py",
    "limits.py",
    "named.py",
    "problems.py",
    "sessions.py",
    "api/fleet.py",
    "api/reading.py",
    "api/refusals.py",
    "api/teams.py",
)


def examples() -> Iterator[tuple[str, str]]:
    """The commands of the page, each with what it is said to print."""
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(), re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, printed = part.partition("\n")
            if command.startswith("curl"):
                yield command, printed


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with canned_slack() as slack, serving(slack_api_url=slack.settings.slack_api_url) as found:
        who = {"team": "Acme", "user": "pingbot", "team_id": "T1", "user_id": "U0", "bot_id": "B0"}
        slack.give("auth.test", answer(ok=True, **who))
        add(found.store, *(bot(f"T{n}", token=str(n)) for n in (1, 2, 3)))
        status = Status(state="connected", since=1.0, holder="holder@vm", generation=1)
        found.store.put_statuses(dict.fromkeys(("T1", "T2", "T3"), status))
        found.store.announce(HolderInfo(name="holder@vm"), ttl=600.0)
        found.store.beat(Member(name="holder@vm", owner="holder@vm/1"), ttl=600.0)
        yield found


def test_the_examples_answer_as_they_say(web: Web, tmp_path: Path) -> None:
    require("curl")
    (tmp_path / "key.txt").write_text(web.authorization + "\n")
    script, said = [], []
    for command, printed in examples():
        command = command.replace("localhost:8080", f"127.0.0.1:{web.port}").replace("xoxb-…", "xoxb-test")
        script.append(f"{command}; echo; echo =====")
        said.append(printed)
    ran = subprocess.run(
        ["bash", "-e", "-c", "\n".join(script)],
        cwd=tmp_path,
        env={"KEY": web.key, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    answers = ran.stdout.split("=====\n")[:-1]
    assert len(answers) == len(said) >= 14
    for command, answered, expected in zip(script, answers, said, strict=True):
        shown = json.loads(answered) if answered.strip() else None
        assert not isinstance((shown or {}).get("error"), dict), command
        assert shown is None or not expected.strip() or covers(shown, json.loads(expected)), command


def covers(answered: Any, said: Any) -> bool:
    """Whether an answer has all the fields that the page shows, each of its kind."""
    if isinstance(said, dict):
        return all(name in answered and covers(answered[name], value) for name, value in said.items())
    if isinstance(said, list):
        return not said or covers(answered[0], said[0])
    return isinstance(answered, type(said))


def test_each_code_is_described_with_its_status() -> None:
    rows = re.findall(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \| (\d+) \|", PAGE.read_text(), re.M)
    described = {code: status for codes, status in rows for code in re.findall(r"\w+", codes)}
    text = "".join((ROOT / "botfleet" / "web" / name).read_text() for name in SOURCES)
    raised = re.findall(r"(?:Problem|_refuse|_later)\(\s*(\d{3}),\s*\"([a-z_]+)\"", text)
    assert {code for _, code in raised} | {"invalid_field", "unknown_field", "failed"} == set(described)
    assert [code for status, code in raised if described[code] != status] == []


def test_each_request_is_described() -> None:
    from botfleet.web.routes import RULES

    text = PAGE.read_text()
    for rule in RULES:
        if rule.path.startswith("/api"):
            last = rule.path.rpartition("/")[2]
            assert rule.path in text or f"…/{last}" in text or f"/{last}" in text, rule.path
