"""The scripts that brokers and stores run: files of `lua/`, put together as their heads say."""

from __future__ import annotations

from importlib.resources import files

_FOLDER = files(__package__) / "lua"


def read_script(*names: str) -> str:
    """A script's text: the files of these names without `.lua`, one after another."""
    return "".join((_FOLDER / f"{name}.lua").read_text() for name in names)
