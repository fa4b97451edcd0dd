"""What a bot's author imports: `on`, `command`, `every`, `Commands`, and what handlers are given.

    from botfleet import on, command

    @on("team_join")
    def welcome(event, client):
        client.message(event.user, "Welcome!")

    @command("ping")
    def ping(event, client, match):
        client.reply("pong")

Only the package `running` knows Celery; it is therefore not imported from here.
"""

from . import formatting
from .client import Client
from .context import HandlerContext
from .declaring.classes import Commands
from .declaring.commands import attachment, command, match, operator, scan
from .declaring.hooks import Hook, after, before
from .declaring.interactions import action, slash
from .declaring.listeners import contains, on, prefix, reaction
from .declaring.timers import TimerHandler, every
from .directory import BotUser, Channel, Directory, Team, User
from .event import Event
from .handler import Handler
from .loader import Loaded, load
from .matching.match import Match
from .sending.sent import Broadcast, Sent
from .timer import Timer, TimerMemory

__all__ = [
    "BotUser",
    "Broadcast",
    "Channel",
    "Client",
    "Commands",
    "Directory",
    "Event",
    "Handler",
    "HandlerContext",
    "Hook",
    "Loaded",
    "Match",
    "Sent",
    "Team",
    "Timer",
    "TimerHandler",
    "TimerMemory",
    "User",
    "action",
    "after",
    "attachment",
    "before",
    "command",
    "contains",
    "every",
    "formatting",
    "load",
    "match",
    "on",
    "operator",
    "prefix",
    "reaction",
    "scan",
    "slash",
]
