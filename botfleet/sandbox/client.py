"""A small synchronous client for the control endpoints. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from .client_apps import AppControl
from .client_requests import SandboxError, SandboxTimeout

__all__ = ["Posted", "SandboxControl", "SandboxError", "SandboxTimeout"]

POLL = 20.0
"""Seconds of one long poll, well below what the server allows."""


class Posted(TypedDict):
    """A message that was posted in the sandbox, by a human or by the bot.

    ``attachments``, ``blocks``, ``username`` and ``icons`` are there where the bot gave them, ``visible_to``
    (a user's id) where it is ephemeral.
    """

    seq: int
    team: str
    channel: str
    channel_name: str
    user: str
    user_name: str
    by: str
    text: str
    ts: str
    thread_ts: str | None
    via: str
    ephemeral: bool
    edited: bool


class SandboxControl(AppControl):
    """Look at a sandbox, act in it, and make things go wrong.

    A team is given by its id, its name or its domain; where none is given, the first is meant.

    Args:
        url: where the sandbox listens, e.g. ``http://127.0.0.1:8065/``.
        timeout: seconds to wait for an answer.
        context: the TLS context for an ``https`` URL.
    """

    def state(self, team: str | None = None, *, brief: bool = False) -> dict[str, Any]:
        """Give the teams, connections, counts and floods."""
        return self.get("state", team=team, brief=brief or None)

    def teams(self) -> list[dict[str, Any]]:
        """Give ``team_id``, ``name``, ``bot_token`` and ``connections`` of each team."""
        return list(self.state(brief=True)["teams"])

    def team(self, team: str | None = None) -> dict[str, Any]:
        """Give all about one team, the first by default."""
        return dict(self.state(team)["teams"][0])

    def counts(self, team: str | None = None) -> dict[str, Any]:
        """Give ``connections``, ``calls``, ``messages`` and so on of all; a team asked for is in ``team``."""
        return self.get("counts", team=team)

    def connections(self, team: str | None = None) -> int:
        """Count the open sockets of a team, or of all."""
        counts = self.counts(team)
        return int(counts["connections"] if team is None else counts["team"]["connections"])

    def add_teams(self, count: int = 1) -> list[dict[str, str]]:
        """Create teams; give ``team_id``, ``name`` and ``bot_token`` of each."""
        return list(self.post("teams", count=count)["teams"])

    def add_team(self, name: str, *, transport: str | None = None) -> dict[str, str]:
        """Create a team with a name, whose bot hears by ``rtm``, the default, or ``http``."""
        return dict(self.post("teams", name=name, transport=transport)["teams"][0])

    def add_enterprise(self, name: str) -> dict[str, Any]:
        """Create an organisation with two teams; give ``enterprise_id``, ``name`` and ``teams``."""
        return self.post("enterprises", name=name)

    def install(
        self, team: str | None = None, *, revoke_old: bool = False, transport: str | None = None
    ) -> str:
        """Install the bot once more, for ``rtm``, the default, or ``http``; give the new token."""
        answer = self.post("teams/install", team=team, revoke_old=revoke_old, transport=transport)
        return str(answer["bot_token"])

    def say(
        self,
        channel: str,
        text: str,
        *,
        team: str | None = None,
        user: str | None = None,
        thread_ts: str | None = None,
    ) -> dict[str, Any]:
        """Let a human say something; `wait_for_message` then looks at what comes after it.

        Args:
            channel: a name with or without ``#``, an id, or ``@alice`` for her DM with the bot.
            text: what is said; ``@name`` becomes a mention.
            team: the team; the first by default.
            user: who says it; the team's first member by default.
            thread_ts: the message that it replies to.

        Returns:
            ``team``, ``channel``, ``user``, ``ts``, ``text``, ``seq``, ``connections``.
        """
        said = self.post("say", channel=channel, text=text, team=team, user=user, thread_ts=thread_ts)
        self.seq = int(said["seq"])
        return said

    def join(
        self, name: str | None = None, *, team: str | None = None, again: bool = False
    ) -> dict[str, Any]:
        """Let a new member join; give ``user`` (its id) and ``name``. With `again` one who is there, too."""
        return self.post("join", name=name, team=team, again=again)

    def enter(self, channel: str, user: str, *, team: str | None = None) -> dict[str, Any]:
        """Let a member join a channel; give ``channel`` and ``user``, their ids."""
        return self.post("enter", channel=channel, user=user, team=team)

    def edit(self, channel: str, ts: str, text: str, *, team: str | None = None) -> None:
        """Let the author of a message change its text."""
        self.post("edit", channel=channel, ts=ts, text=text, team=team)

    def delete(self, channel: str, ts: str, *, team: str | None = None) -> None:
        """Let the author of a message delete it."""
        self.post("delete", channel=channel, ts=ts, team=team)

    def react(
        self,
        channel: str,
        ts: str,
        name: str,
        *,
        team: str | None = None,
        user: str | None = None,
        remove: bool = False,
    ) -> None:
        """Let a human put an emoji under a message, or take it away; by default the team's first member."""
        self.post("react", channel=channel, ts=ts, name=name, team=team, user=user, remove=remove)

    def reactions(self, after: int = 0, *, team: str | None = None) -> tuple[list[dict[str, Any]], int]:
        """Give the reactions after a number, and the number to go on from.

        Returns:
            Each with ``seq``, ``team``, ``channel``, ``channel_name``, ``ts``, ``user``, ``by`` and ``name``.
        """
        answer = self.get("reactions", after=after, team=team)
        return list(answer["reactions"]), int(answer["next"])

    def change_user(
        self,
        user: str,
        *,
        name: str | None = None,
        real_name: str | None = None,
        display_name: str | None = None,
        team: str | None = None,
    ) -> str:
        """Give a member other names; give the member's id."""
        names = {"name": name, "real_name": real_name, "display_name": display_name}
        return str(self.post("users/change", user=user, team=team, **names)["user"])

    def create_channel(self, name: str, *, private: bool = False, team: str | None = None) -> str:
        """Create a channel; give its id. The bot is in it where it is private, and else hears of it only."""
        return str(self.post("channels", name=name, private=private, team=team)["channel"])

    def rename_channel(self, channel: str, name: str, *, team: str | None = None) -> str:
        """Give a channel another name; give its id."""
        return str(self.post("channels/rename", channel=channel, name=name, team=team)["channel"])

    def archive_channel(self, channel: str, *, archived: bool = True, team: str | None = None) -> str:
        """Archive a channel, or with ``archived=False`` bring it back; give its id."""
        answer = self.post("channels/archive", channel=channel, archived=archived, team=team)
        return str(answer["channel"])

    def event(self, event: dict[str, Any], *, team: str | None = None) -> int:
        """Send an event as it is; give the number of connections that it went to."""
        return int(self.post("event", event=event, team=team)["connections"])

    def frame(self, frame: str, *, team: str | None = None) -> int:
        """Send a frame's text, malformed or not; give the number of connections."""
        return int(self.post("frame", frame=frame, team=team)["connections"])

    def flood(
        self,
        count: int,
        *,
        teams: Sequence[str] | int | None = None,
        rate: float | None = None,
        text: str | None = None,
        channel: str | None = None,
        noted: bool = False,
    ) -> int:
        """Begin a bulk load of numbered messages; give its id.

        Args:
            count: how many messages, spread round robin over the teams.
            teams: the teams, or how many of them; all by default.
            rate: messages per second; as fast as possible by default.
            text: what is said, with ``{n}`` for the number, from 1.
            channel: the channel's name; general by default.
            noted: keep what was sent when, for `flood_notes`.
        """
        chosen = list(teams) if isinstance(teams, Sequence) else teams
        how = {"rate": rate, "text": text, "channel": channel, "noted": noted}
        return int(self.post("flood", count=count, teams=chosen, **how)["id"])

    def stop_flood(self, flood: int) -> int:
        """End a bulk load; give how many messages there were."""
        return int(self.post("flood/stop", id=flood)["sent"])

    def flood_notes(self, flood: int) -> dict[str, Any]:
        """Give what a bulk load that is noted has sent.

        Returns:
            ``sent``; ``teams`` by id, of which number N is in the one at (N - 1) modulo their number;
            ``chunks``, pairs of how many were sent and when (unix seconds); ``unheard``, the numbers of those
            that came when nobody was connected, nor about to be.
        """
        return self.get("flood", id=flood)

    def wait_for_flood(self, flood: int, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until a bulk load is done; give its summary."""

        def done() -> dict[str, Any] | None:
            loads = self.counts()["floods"]
            return next((load for load in loads if load["id"] == flood and load["done"]), None)

        return dict(self._wait_until(done, timeout, f"flood {flood} was not done"))

    def fault(self, kind: str, *, team: str | None = None, **fields: Any) -> None:
        """Make something go wrong, for one team, or with ``team=None`` for all.

        Kinds and their fields: ``revoke`` (``error``, ``token``), ``restore`` (``token``), ``drop``
        (``reset``, ``count``), ``close`` (``code``, ``reason``, ``count``), ``silent`` (``seconds``,
        ``new``, ``count``), ``goodbye`` (``count``), ``ratelimit`` (``method``, ``count``,
        ``retry_after``), ``migrate`` (``count``, ``announce``), ``slow`` (``seconds``), ``fail``
        (``method``, ``error``, ``status``, ``count``), ``refuse`` (``seconds``), ``clear``.
        """
        target = {"all": True} if team is None else {"team": team}
        self.post(f"faults/{kind}", **target, **fields)

    def messages(
        self, after: int = 0, *, wait: float = 0.0, team: str | None = None, by: str | None = None
    ) -> tuple[list[Posted], int]:
        """Give the messages after a number, and the number to go on from.

        Args:
            after: the number, 0 for all that is kept.
            wait: seconds to wait where there is none yet, up to 60.
            team: only this team's.
            by: only those by ``bot`` or ``human``.
        """
        answer = self.get("messages", after=after, wait=wait, team=team, by=by, _wait=wait)
        return answer["messages"], answer["next"]

    def wait_for_message(
        self,
        text: str | Callable[[Posted], bool] | None = None,
        *,
        contains: str | None = None,
        by: str | None = "bot",
        team: str | None = None,
        after: int | None = None,
        timeout: float = 10.0,
    ) -> Posted:
        """Wait for a message; by default for the bot's next after what was last said.

        Args:
            text: the whole text, or a function that says whether it is the one.
            contains: a part of the text.
            by: ``bot``, ``human``, or None for either.
            team: only this team's.
            after: the number after which to look; the last `say` by default.
            timeout: seconds to wait.

        Raises:
            SandboxTimeout: no such message came.
        """
        end = time.monotonic() + timeout
        after = self.seq if after is None else after
        while True:
            left = end - time.monotonic()
            found, after = self.messages(after, wait=max(0.0, min(left, POLL)), team=team, by=by)
            for message in found:
                if _matches(message, text, contains):
                    return message
            if left <= 0:
                raise SandboxTimeout(f"no such message within {timeout:g} s")

    def wait_for_connections(self, count: int, *, team: str | None = None, timeout: float = 10.0) -> None:
        """Wait until a team, or all together, has exactly so many sockets.

        Raises:
            SandboxTimeout: it did not come to that.
        """
        self._wait_until(
            lambda: self.connections(team) == count, timeout, f"it did not come to {count} connections"
        )

    def frames(self, after: int = 0, *, team: str | None = None) -> list[dict[str, Any]]:
        """Give the last frames that bots sent: ``seq``, ``team``, ``type``, ``frame`` (text), ``time``."""
        return list(self.get("frames", after=after, team=team)["frames"])

    def calls(
        self, after: int = 0, *, team: str | None = None, method: str | None = None
    ) -> list[dict[str, Any]]:
        """Give the last Web API calls: ``seq``, ``method``, ``team``, ``time``, ``error``."""
        return list(self.get("calls", after=after, team=team, method=method)["calls"])


def _matches(message: Posted, text: str | Callable[[Posted], bool] | None, contains: str | None) -> bool:
    if contains is not None and contains not in message["text"]:
        return False
    if callable(text):
        return text(message)
    return text is None or message["text"] == text
