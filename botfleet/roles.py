"""Roles: what a worker is started as.

A role is a small object. The library has `holder`, `handler`, and for a worker without a role both in one; a
file `workers/NAME.py` in the working directory, with a variable `role`, changes one or adds another:

    # workers/analytics.py, for `celery -A botfleet worker --role analytics`
    from botfleet.roles import HANDLER
    role = HANDLER.but(name="analytics", handlers=("analytics",), queues=("analytics",), concurrency=2)
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import ConfigurationError
from .publishing.router import EVENT_QUEUES

CONTROL_QUEUE = "botfleet.control"
#: Where timers wait that name no queue.
TIMER_QUEUE = "events.other"
#: The folder of a deployment's roles.
FOLDER = "workers"


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a worker does, and Celery's settings for that.

    Attributes:
        name: as in `--role NAME`.
        pool: Celery's pool: `threads`, `prefork` or `solo`.
        concurrency: tasks at a time; None takes the number of CPUs.
        queues: consumed beside those that the handlers name.
        holds: keeps sockets.
        handles: loads handlers and announces what they want.
        handlers: the modules to load; None takes the setting `botfleet_handlers`.
        settings: further Celery settings for this role only.
    """

    name: str
    pool: str
    concurrency: int | None = None
    queues: tuple[str, ...] = ()
    holds: bool = False
    handles: bool = False
    handlers: tuple[str, ...] | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.holds and self.pool != "threads":
            # The children of a prefork pool can't reach the sockets; solo answers nothing during a task.
            raise ConfigurationError(
                f"role {self.name}", "keeps sockets, so its pool is 'threads'", self.pool
            )

    def but(self, **changes: Any) -> Role:
        """This role with some attributes changed.

        Raises:
            ConfigurationError: there is no such attribute.
        """
        try:
            return dataclasses.replace(self, **changes)
        except TypeError as exc:
            known = ", ".join(spec.name for spec in dataclasses.fields(self))
            raise ConfigurationError(f"role {self.name}", f"has only the attributes {known}") from exc


HOLDER = Role(name="holder", pool="threads", concurrency=8, queues=(CONTROL_QUEUE,), holds=True)
HANDLER = Role(
    name="handler",
    pool="prefork",
    queues=EVENT_QUEUES,
    handles=True,
    # Handlers are short; with one message fetched ahead they would wait for the broker a fifth of their time.
    settings={"worker_prefetch_multiplier": 4},
)
#: Both in one process, for small fleets: `celery -A botfleet worker` without a role.
BOTH = Role(
    name="worker",
    pool="threads",
    concurrency=16,
    queues=(CONTROL_QUEUE, *EVENT_QUEUES),
    holds=True,
    handles=True,
)
BUILT_IN = {role.name: role for role in (HOLDER, HANDLER, BOTH)}


def find_role(name: str | None) -> Role:
    """Finds a role by name: the deployment's, else the built-in one.

    Raises:
        ConfigurationError: there is none of that name, or the deployment's can't be loaded.
    """
    name = name or BOTH.name
    if not name.isidentifier():
        raise ConfigurationError("--role", _choices(), name)
    own = Path.cwd() / FOLDER / f"{name}.py"
    if own.is_file():
        return _load(name, own)
    if name not in BUILT_IN:
        raise ConfigurationError("--role", _choices(), name)
    return BUILT_IN[name]


def _load(name: str, path: Path) -> Role:
    try:
        role = getattr(_module(name, path), "role", None)
    except ConfigurationError:
        raise
    except Exception as exc:
        raise ConfigurationError(str(path), f"can't be imported: {type(exc).__name__}: {exc}") from exc
    if not isinstance(role, Role):
        raise ConfigurationError(str(path), "needs a variable `role`, a botfleet.roles.Role")
    return role


def _module(name: str, path: Path) -> ModuleType:
    """Loads a role's file by its path: another package named `workers` may come first on `sys.path`."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    spec = importlib.util.spec_from_file_location(f"{FOLDER}.{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def role_names() -> list[str]:
    """The roles that there are, the deployment's and the built-in ones."""
    own = (path.stem for path in (Path.cwd() / FOLDER).glob("*.py") if path.stem.isidentifier())
    return sorted({*BUILT_IN, *own} - {"__init__"})


def _choices() -> str:
    return "takes one of " + ", ".join(role_names())
