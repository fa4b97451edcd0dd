"""Greets who is new, in the team and in a channel."""

from __future__ import annotations

from botfleet import Client, Event, on


@on("team_join")
def welcome(event: Event, client: Client) -> None:
    """Writes a direct message to whoever joins the team."""
    client.dm(event.user, "Welcome! I am the team's bot; say `help` to see what I can do.")


@on("member_joined_channel", max_age=600)
def show_around(event: Event, client: Client) -> None:
    """Leaves a note that only the newcomer in a channel sees."""
    client.ephemeral(event.user, f"Welcome to <#{event.channel}>! The topic at the top says what it is for.")
