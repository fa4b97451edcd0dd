"""What a bot's author imports: `on`, `command`, `every`, `Commands`, and what handlers are given.

    from botfleet import on, command

    @on("team_join")
    def welcome(event, client):
        client.message(event.user, "Welcome!")

    @command("ping")
    def ping(event, client, match):
        client.reply("pong")

Nothing here knows Celery but `binding` and `timed`, and what they run handlers with, `runs`, `batches`,
`ordered` and `retries`; these are therefore not imported from here.
"""

from . import formatting
from .chained import attachment, command, match, operator, scan
from .client import Client
from .commands import Commands
from .context import HandlerContext
from .declare import contains, on, prefix, reaction
from .directory import BotUser, Channel, Directory, Team, User
from .event import Event
from .every import TimerHandler, every
from .handler import Handler
from .hooks import Hook, after, before
from .loader import Loaded, load
from .matching import Match
from .sent import Broadcast, Sent
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
]
