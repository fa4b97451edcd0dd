"""The directory: who and what there is in a team, by id and by name.

    client.directory.channel("#general").id
    client.directory.user("U0123").display_name

`entries` are the values, `kinds` says how Slack is asked, `shelf` keeps one kind in the store, `lister` fills
it for names, `following` keeps it true by events.
"""

from .directory import REFRESH_INTERVAL, ROTA, Directory, forget
from .entries import BotUser, Channel, Team, User
from .following import CHANGES

__all__ = ["CHANGES", "REFRESH_INTERVAL", "ROTA", "BotUser", "Channel", "Directory", "Team", "User", "forget"]
