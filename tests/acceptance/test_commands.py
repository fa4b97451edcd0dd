"""Commands in a real fleet: two workers run what a holder sends, and the bot answers once."""

from __future__ import annotations

from .conftest import MakeFleet

BOT = """
from botfleet import Client, Commands, Match, command, match


class Deploys(Commands):
    @command("deploy", options={"env": str})
    def deploy(self) -> None:
        \"\"\"Deploys a branch.\"\"\"
        self.reply(f"deployed {self.match.arguments} {self.match.options}")


@match(r"(?i)\\bdeploy(ed| main)\\b")
def talked_of(client: Client, match: Match) -> None:
    client.reply("you talk of deploying")
"""


def test_the_first_that_matches_answers_and_no_other(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(aliases=":robot_face:,Bötchen")
    fleet.write("tasks/__init__.py", "")
    fleet.write("tasks/bot.py", BOT)
    holding = fleet.worker()
    fleet.handler("--concurrency", "2")
    fleet.beat()
    fleet.wait_until_ready(holding)
    team = fleet.add_workspace()
    for text, answer in {
        "Bötchen: deploy main --env prod": "deployed ('main',) {'env': 'prod'}",
        ":robot_face: hi": "Hi <@",
        f"<@{team.bot}> frobnicate": "I don't know that command",
        f"<@{team.bot}> help deploy": "Deploys a branch.",
        "we deployed": "you talk of deploying",
    }.items():
        fleet.control.say("general", text, team=team.id)
        fleet.control.wait_for_message(contains=answer, team=team.id)
    said, _ = fleet.control.messages(team=team.id, by="bot")
    assert len(said) == 5, said
