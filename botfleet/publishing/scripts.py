"""The scripts that brokers and stores run: the files of `lua/`, each with `generations.lua` before it."""

from __future__ import annotations

from importlib.resources import files

_FOLDER = files(__package__) / "lua"
_GENERATIONS = (_FOLDER / "generations.lua").read_text()


def read_script(name: str) -> str:
    """A script's text, by the name of its file without `.lua`."""
    return _GENERATIONS + (_FOLDER / f"{name}.lua").read_text()
