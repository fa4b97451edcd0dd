"""Which module may import which: the contracts in pyproject.toml, and that they bite."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs import-linter over the botfleet in a folder."""
    return subprocess.run(LINT, cwd=folder, capture_output=True, text=True)


def test_imports_run_one_way() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("path", "line", "contract"),
    [
        ("holder/reactor.py", "import botfleet.handlers.declaring.listeners", "Imports run one way"),
        ("store/base.py", "import botfleet.celery", "Imports run one way"),
        ("sandbox/hub.py", "import botfleet.errors", "Imports run one way"),
        ("astray.py", "", "Imports run one way"),
        ("control.py", "import botfleet.sandbox", "Only the command line starts sandboxes"),
        (
            "web/api/teams.py",
            "import botfleet.web.dashboard.team",
            "The web role's parts know those below them",
        ),
        ("slack/session.py", "import socket", "What Slack's protocols say does no I/O"),
        ("fleet.py", "import celery", "The core knows no Celery"),
        ("handlers/event.py", "import kombu", "Nor does what a bot's author imports"),
    ],
)
def test_a_contract_that_is_broken_is_found(tmp_path: Path, path: str, line: str, contract: str) -> None:
    shutil.copytree(
        ROOT / "botfleet", tmp_path / "botfleet", ignore=shutil.ignore_patterns(".*", "__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "botfleet" / path).open("a") as module:
        module.write(f"\n{line}\n")
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout
    broken = [each for each in result.stdout.splitlines() if each.endswith(" BROKEN")]
    assert any(each.startswith(contract) for each in broken), result.stdout
