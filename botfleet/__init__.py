"""botfleet: run Slack bots for thousands of teams.

    from botfleet import on, command            # write handlers: docs/handlers.md
    from botfleet import add_token, Manager     # manage bots: docs/tokens.md

Everything is loaded when it is first asked for, so that a program that only sends a task does not load the
holder, and the sandbox loads nothing of the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

#: Where each public name lives.
_HOMES = {
    "on": "handlers",
    "action": "handlers",
    "after": "handlers",
    "attachment": "handlers",
    "before": "handlers",
    "command": "handlers",
    "contains": "handlers",
    "match": "handlers",
    "operator": "handlers",
    "prefix": "handlers",
    "reaction": "handlers",
    "scan": "handlers",
    "slash": "handlers",
    "every": "handlers",
    "Timer": "handlers",
    "Commands": "handlers",
    "Client": "handlers",
    "Directory": "handlers",
    "Event": "handlers",
    "Match": "handlers",
    "Handler": "handlers",
    "Sent": "handlers",
    "formatting": "handlers",
    "Manager": "manager",
    "Settings": "settings",
    "Store": "store",
    "BatchFailed": "errors",
    "BotfleetError": "errors",
    "ConfigurationError": "errors",
    "add_token": "control",
    "remove_token": "control",
    "update_token": "control",
    "check_token": "control",
    "start": "control",
    "stop": "control",
    "restart": "control",
    "status": "control",
    "message": "control",
}

__all__ = [
    "BatchFailed",
    "BotfleetError",
    "Client",
    "Commands",
    "ConfigurationError",
    "Directory",
    "Event",
    "Handler",
    "Manager",
    "Match",
    "Sent",
    "Settings",
    "Store",
    "Timer",
    "action",
    "add_token",
    "after",
    "attachment",
    "before",
    "check_token",
    "command",
    "contains",
    "every",
    "formatting",
    "match",
    "message",
    "on",
    "operator",
    "prefix",
    "reaction",
    "remove_token",
    "restart",
    "scan",
    "slash",
    "start",
    "status",
    "stop",
    "update_token",
]

if TYPE_CHECKING:
    from .control import (
        add_token,
        check_token,
        message,
        remove_token,
        restart,
        start,
        status,
        stop,
        update_token,
    )
    from .errors import BatchFailed, BotfleetError, ConfigurationError
    from .handlers import (
        Client,
        Commands,
        Directory,
        Event,
        Handler,
        Match,
        Sent,
        Timer,
        action,
        after,
        attachment,
        before,
        command,
        contains,
        every,
        formatting,
        match,
        on,
        operator,
        prefix,
        reaction,
        scan,
        slash,
    )
    from .manager import Manager
    from .settings import Settings
    from .store import Store
else:
    # Hidden from type checkers, which would take any name for one that is there.
    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
