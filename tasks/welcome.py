"""Greets new members."""

from __future__ import annotations

from botfleet import Client, Event, on


@on("team_join")
def welcome(event: Event, client: Client) -> None:
    """Writes a direct message to whoever joins the team."""
    if event.user:
        client.message(event.user, "Welcome! I am the team's bot; say `help` to see what I can do.")
