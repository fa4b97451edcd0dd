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
from .chained import attachment, command, match, operator, scan
from .client import Client
from .commands import Commands
from .context import HandlerContext
from .declare import contains, on, prefix, reaction
from .directory import BotUser, Channel, Directory, Team, User
from .event import Event
from .handler import Handler
from .hooks import Hook, after, before
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
    "Hook",
    "Loaded",
    "Match",
    "Sent",
    "Team",
    "User",
    "after",
    "attachment",
    "before",
    "command",
    "contains",
    "formatting",
    "load",
    "match",
    "on",
    "operator",
    "prefix",
    "reaction",
    "scan",
]
