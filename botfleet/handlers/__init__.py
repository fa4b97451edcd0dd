"""What a bot's author imports: `on`, `command`, `Commands`, and what handlers are given.

    from botfleet import on, command

    @on("team_join")
    def welcome(event, client):
        client.message(event.user, "Welcome!")

    @command("ping")
    def ping(event, client, match):
        client.reply("pong")

Nothing here knows Celery but `binding` and what it runs handlers with, `runs`, `batches`, `ordered` and
`retries`; these are therefore not imported from here.
"""

from . import formatting
from .chained import command
from .client import Client
from .commands import Commands
from .context import HandlerContext
from .declare import on
from .directory import BotUser, Channel, Directory, Team, User
from .event import Event
from .handler import Handler
from .loader import Loaded, load
from .matching import Match
from .sent import Broadcast, Sent

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
    "Loaded",
    "Match",
    "Sent",
    "Team",
    "User",
    "command",
    "formatting",
    "load",
    "on",
]
