"""Say `@bot hi` or `@bot ping`; in a direct message without the `@bot`."""

from __future__ import annotations

from botfleet import Client, Event, command, on


@command("hi", "hello")
def hi(event: Event, client: Client) -> None:
    """Greets whoever greets the bot."""
    client.reply(f"Hi <@{event.user}>!")


@command("ping")
def ping(client: Client) -> None:
    """Answers, so that one sees that the bot is there."""
    client.reply("pong")


@on("team_join")
def welcome(event: Event, client: Client) -> None:
    """Writes a direct message to whoever joins the team."""
    if event.user:
        client.message(event.user, "Welcome! Say `help` to see what I can do.")
