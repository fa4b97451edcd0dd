"""`botfleet init`: what is made, that it is in order, and that nothing is ever overwritten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from packaging.requirements import Requirement

import botfleet
from botfleet.cli import fleet
from botfleet.roles import BUILT_IN

from .deployments import ROOT, Deployment, deployment

__all__ = ["deployment"]  # fixtures

MADE = {
    ".dockerignore",
    ".env.example",
    ".gitignore",
    "Dockerfile",
    "README.md",
    "celeryconfig.py",
    "docker-compose.yml",
    "pyproject.toml",
    "requirements-dev.txt",
    "requirements.txt",
    "tasks/__init__.py",
    "tasks/hello.py",
    "tests/test_hello.py",
    "workers/__init__.py",
    "workers/handler.py",
    "workers/holder.py",
}


def init(folder: Path | str) -> Result:
    return CliRunner().invoke(fleet, ["init", str(folder)])


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that was just made."""
    folder = tmp_path / "pingbot"
    result = init(folder)
    assert result.exit_code == 0, result.output
    return folder


def test_a_project_has_all_that_a_bot_needs_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "bots" / "pingbot"
    result = init(folder)
    assert result.exit_code == 0
    made = files(folder)
    assert set(made) == MADE
    assert f"pingbot: {len(MADE)} files" in result.output
    for step in (f"cd {folder}", "botfleet up --reload", "pytest"):
        assert step in result.output
    assert "image: pingbot\n" in made["docker-compose.yml"]
    assert "mybot" not in "".join(made.values())


def test_the_folder_one_is_in(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    here = deployment.folder / "here"
    (here / ".git").mkdir(parents=True)
    (here / ".venv").mkdir()
    monkeypatch.chdir(here)
    result = init(".")
    assert result.exit_code == 0, result.output
    assert set(files(here)) == MADE
    assert "cd " not in result.output


def test_nothing_is_overwritten(project: Path) -> None:
    (project / "tasks/hello.py").write_text("# mine")
    before = files(project)
    result = init(project)
    assert result.exit_code == 1
    assert "is not empty" in result.output
    assert files(project) == before


def test_a_file_of_another_kind_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "notes.txt is there" in init(tmp_path.rename(tmp_path.parent / "bot")).output


@pytest.mark.parametrize("name", ["Ping", "1bot", "my bot", "bot-", "a" * 33, "böt"])
def test_a_name_that_is_none(tmp_path: Path, name: str) -> None:
    result = init(tmp_path / name)
    assert result.exit_code == 1
    assert repr(name) in result.output
    assert "takes" in result.output
    assert not (tmp_path / name).exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/bot"):
        result = init(tmp_path / place)
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")
        assert "file" in result.output


# What it holds


def run(project: Path, *module: str) -> None:
    done = subprocess.run([sys.executable, "-m", *module], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_code_is_clean_and_typed(project: Path) -> None:
    run(project, "ruff", "check")
    run(project, "ruff", "format", "--check")
    run(project, "mypy", "--strict", f"--cache-dir={ROOT / '.mypy_cache' / 'project'}")


def test_a_bot_of_three_handlers_is_under_thirty_lines(project: Path) -> None:
    text = (project / "tasks/hello.py").read_text()
    assert len(text.splitlines()) < 30
    assert sum(line.startswith("@") for line in text.splitlines()) == 3


def test_its_handlers_and_roles_can_be_loaded(project: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BOTFLEET_")}
    command = [sys.executable, "-c", "from botfleet.cli import main; main()", "handlers", "--check"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "3 handlers can be loaded.\n")
    roles = {path.stem for path in (project / "workers").glob("[a-z]*.py")}
    assert roles < set(BUILT_IN)


def test_its_services_are_those_of_the_repository(project: Path) -> None:
    theirs = (ROOT / "docker-compose.yml").read_text().replace("image: botfleet\n", "image: pingbot\n")
    assert yaml.safe_load((project / "docker-compose.yml").read_text()) == yaml.safe_load(theirs)


def test_what_the_image_copies_is_there_and_let_in(project: Path) -> None:
    lines = (project / "Dockerfile").read_text().splitlines()
    sources = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    let_in = (project / ".dockerignore").read_text().splitlines()
    assert sources
    for source in sources:
        assert f"!{source.rstrip('*')}" in let_in
        assert source.endswith("*") or (project / source).exists()


def test_what_it_requires_is_this_release_and_its_successors() -> None:
    lines = (ROOT / "botfleet/project/template/requirements.txt").read_text().splitlines()
    (needed,) = (Requirement(line) for line in lines if not line.startswith("#"))
    assert needed.name == "botfleet"
    assert needed.specifier.contains(botfleet.__version__, prereleases=True)
