from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from botfleet.errors import ConfigurationError
from botfleet.handlers import load

HANDLER = "from botfleet.handlers import on\n@on('message')\ndef {name}(event): ...\n"
Write = Callable[[str, str], None]

_numbers = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package that no other test has; the working directory is where it is to be written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = f"bot{next(_numbers)}"
    yield name
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.fixture
def write(tmp_path: Path, package: str) -> Write:
    def write(path: str, source: str) -> None:
        file = tmp_path / package / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)

    return write


def test_packages_are_loaded_with_all_they_hold(package: str, write: Write) -> None:
    write("__init__.py", HANDLER.format(name="top"))
    write("b.py", HANDLER.format(name="second") + HANDLER.format(name="first").partition("\n")[2])
    write("a/__init__.py", "")
    write("a/deep.py", HANDLER.format(name="deep"))
    write("_hidden.py", "raise RuntimeError")
    loaded = load([package])
    assert loaded.modules == (package, f"{package}.a", f"{package}.a.deep", f"{package}.b")
    assert [handler.name for handler in loaded.handlers] == [
        f"{package}.top",
        f"{package}.a.deep.deep",
        f"{package}.b.second",
        f"{package}.b.first",
    ]


def test_handlers_that_are_imported_elsewhere_or_named_twice_count_once(package: str, write: Write) -> None:
    write("a.py", HANDLER.format(name="hello") + "also = hello\n")
    write("b.py", f"from {package}.a import hello\nfrom botfleet.handlers import Commands\n")
    assert [handler.name for handler in load([package]).handlers] == [f"{package}.a.hello"]


def test_modules_named_twice_are_loaded_once(package: str, write: Write) -> None:
    write("a.py", HANDLER.format(name="hello"))
    assert len(load([package, f"{package}.a", package]).handlers) == 1


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "\nimport no_such_library\n",
            r"ModuleNotFoundError: No module named 'no_such_library' \(bot\d+/a.py:2\)",
        ),
        ("\n\n1 / 0\n", r"ZeroDivisionError: division by zero \(bot\d+/a.py:3\)"),
        ("def broken(:\n", r"SyntaxError: .* \(bot\d+/a.py:1\)"),
        ("raise SystemExit\n", r"SystemExit \(bot\d+/a.py:1\)"),
        ("from botfleet.handlers import on\non()\n", r"@on: takes .* \(bot\d+/a.py:2\)"),
        (HANDLER.format(name="hello").replace("event)", "evt)"), r".*'evt'.* \(bot\d+/a.py:2\)"),
        ("import json\njson.loads('{')\n", r"JSONDecodeError: .* \(bot\d+/a.py:2\)"),
    ],
)
def test_an_error_in_the_authors_code_says_where(package: str, write: Write, source: str, says: str) -> None:
    write("a.py", source)
    with pytest.raises(ConfigurationError, match=rf"{package}.a: can't be loaded: {says}") as caught:
        load([package])
    assert caught.value.__cause__ is not None
    assert "\n" not in str(caught.value)


def test_a_named_module_must_exist(package: str) -> None:
    with pytest.raises(ConfigurationError, match=f"BOTFLEET_HANDLERS.*{package}"):
        load([package])


def test_a_named_module_of_a_package_must_exist(package: str, write: Write) -> None:
    write("__init__.py", "")
    with pytest.raises(ConfigurationError, match="no such module"):
        load([f"{package}.missing"])


def test_the_default_may_be_absent(
    package: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    repository = str(Path(__file__).parents[2])
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", repository)])
    monkeypatch.delitem(sys.modules, "tasks", raising=False)
    with caplog.at_level(logging.WARNING):
        assert load().handlers == ()
    assert "no module tasks" in caplog.text


def test_two_handlers_of_one_name_are_refused(package: str, write: Write) -> None:
    write(
        "a.py",
        "from botfleet.handlers import Commands, on\n"
        "def make():\n    @on('message')\n    def hello(event): ...\n    return hello\n"
        "one, two = make(), make()\n",
    )
    with pytest.raises(ConfigurationError, match=rf"{package}.a.hello: .*two handlers"):
        load([package])


def test_classes_of_commands_are_collected(package: str, write: Write) -> None:
    write(
        "a.py",
        "from botfleet.handlers import Commands\n"
        "class _Base(Commands):\n    def on_hello(self): ...\n"
        "class Bot(_Base):\n    def on_message(self, data): ...\n",
    )
    assert [handler.name for handler in load([package]).handlers] == [
        f"{package}.a.Bot.on_hello",
        f"{package}.a.Bot.on_message",
        f"{package}.a.Bot.listener",
    ]


def test_hooks_are_collected_in_order(package: str, write: Write) -> None:
    hooks = (
        "from botfleet import after, before\n@before\ndef one(): ...\n@after\ndef two(): ...\nalso = one\n"
    )
    write("b.py", hooks)
    write("c.py", f"from {package}.b import one\n")
    assert [hook.__qualname__ for hook in load([package]).hooks] == ["one", "two"]


def test_a_method_outside_of_a_class_is_named(package: str, write: Write) -> None:
    write("a.py", HANDLER.format(name="lost").replace("(event)", "(self, event)"))
    with pytest.raises(ConfigurationError, match=rf"{package}\.a\.lost.*class of Commands"):
        load([package])


METHOD = "from botfleet import {base}command\nclass Pets:\n    @command('feed')\n    def feed(self): ...\n"


def test_a_class_with_handlers_that_is_no_class_of_commands_is_refused(package: str, write: Write) -> None:
    write("a.py", METHOD.format(base=""))
    with pytest.raises(ConfigurationError, match=rf"{package}\.a\.Pets: .*class Pets\(Commands\)"):
        load([package])


def test_what_several_classes_of_commands_have_in_common_may_stand_in_a_plain_class(
    package: str, write: Write
) -> None:
    write("a.py", METHOD.format(base="Commands, ") + "class Cats(Pets, Commands): ...\n")
    assert f"{package}.a.Cats.feed" in [handler.name for handler in load([package]).handlers]
