"""Tests of bots: a fleet in the test's own process, or, with a flag, of real processes; see docs/testing.md.

    def test_ping(fleet):
        fleet.say("#general", "@bot ping")
        assert fleet.replies == ["pong"]

The fixture `fleet` comes from pytest's plugin (`plugin.py`), which pytest loads by itself; all else is loaded
when a test first asks for the fixture.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["Call", "Clock", "Fleet", "Message", "Reaction"]

if TYPE_CHECKING:
    from .clock import Clock
    from .fleet import Fleet
    from .seen import Call, Message, Reaction
else:
    #: Where each public name lives.
    _HOMES = {"Call": "seen", "Clock": "clock", "Fleet": "fleet", "Message": "seen", "Reaction": "seen"}

    # Hidden from type checkers, which would take any name for one that is there.
    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
