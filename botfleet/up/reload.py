"""What `up --reload` looks at: the project's files, and whether the handlers in them can be loaded."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

#: Seconds between two looks at files that are just being written.
_SETTLING = 0.1
#: Seconds that handlers may take to load.
_LOADING = 30.0
#: Folders that no handler is loaded from; beside hidden ones and virtual environments.
_OTHERS = frozenset({"__pycache__", "node_modules", "tests"})

#: What changes when a file does: when it was written, its size, and which file it is.
Stamp = tuple[int, int, int]


class ProjectFiles:
    """The files that a project's handlers are made of.

    These are all of its Python files, but for tests, and whatever else lies in the handlers' own folders.
    They are looked at, not watched: that finds every kind of change on every file system, and for 200 files
    takes half a millisecond.

    Args:
        folder: the project's.
        modules: what handlers are loaded from; installed ones are nobody's project.
        pause: waits a little while files are being written.
    """

    def __init__(
        self,
        folder: Path,
        modules: Iterable[str],
        pause: Callable[[], None] = lambda: time.sleep(_SETTLING),
    ) -> None:
        self._folder = folder
        self._pause = pause
        self._tops = {module.partition(".")[0] for module in modules}
        self._seen = self._look()

    def changed(self) -> list[str]:
        """The files that changed since the last call, came or went; waits until they change no more."""
        now = self._look()
        if now == self._seen:
            return []
        while True:
            self._pause()
            before, now = now, self._look()
            if before == now:
                break
        changed = {name for name, _ in now.items() ^ self._seen.items()}
        self._seen = now
        return sorted(changed)

    def _look(self) -> dict[str, Stamp]:
        return dict(self._stamps())

    def _stamps(self) -> Iterator[tuple[str, Stamp]]:
        for place, folders, files in os.walk(self._folder):
            folders[:] = [name for name in folders if _may_have_handlers(place, name)]
            inner = Path(place).relative_to(self._folder)
            ours = bool(inner.parts) and inner.parts[0] in self._tops
            for name in files:
                if name.endswith(".py") or (ours and not name.startswith(".")):
                    try:
                        found = os.stat(os.path.join(place, name))
                    except OSError:
                        continue  # It has just gone.
                    yield str(inner / name), (found.st_mtime_ns, found.st_size, found.st_ino)


def _may_have_handlers(place: str, name: str) -> bool:
    if name.startswith(".") or name in _OTHERS:
        return False
    return not os.path.exists(os.path.join(place, name, "pyvenv.cfg"))


def why_not_loadable(botfleet: str, environment: Mapping[str, str]) -> str:
    """Loads the handlers in a process of their own, as a worker does; returns what is wrong, or nothing."""
    command = [botfleet, "handlers", "--check", "--role", "handler"]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_LOADING, check=False
        )
    except subprocess.TimeoutExpired:
        return f"they do not load within {_LOADING:.0f} s"
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or ["they can't be loaded"])[-1].removeprefix("Error: ")


def shown(changed: Sequence[str]) -> str:
    """The changed files, in a few words.

    >>> shown(["tasks/hello.py"]), shown(["a.py", "b.py", "c.py"])
    ('tasks/hello.py', 'a.py and 2 more')
    """
    more = len(changed) - 1
    return f"{changed[0]} and {more} more" if more else changed[0]
