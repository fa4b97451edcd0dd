"""The control endpoints' client, so far as apps with HTTP are concerned."""

from __future__ import annotations

from typing import Any

from .client_requests import Requests, SandboxError, SandboxTimeout


class AppControl(Requests):
    """What can be done about apps."""

    def uninstall(
        self, team: str | None = None, *, app_id: str | None = None, first: str | None = None
    ) -> None:
        """Remove an app, the first by default, from a team.

        Args:
            team: the team; the first by default.
            app_id: the app; the first by default.
            first: what the app hears of first: ``tokens_revoked``, the default, or ``app_uninstalled``.
        """
        self.post("uninstall", team=team, app_id=app_id, first=first)

    def app(self, app_id: str | None = None) -> dict[str, Any]:
        """Give an app, the first by default: ids, secrets, URLs, and whether it has ``verified`` one.

        Raises:
            SandboxError: there is no such app.
        """
        apps = self.get("app")["apps"]
        found = next((app for app in apps if app_id in (None, app["app_id"])), None)
        if found is None:
            raise SandboxError(f"there is no app {app_id!r}")
        return dict(found)

    def set_app(self, app_id: str | None = None, *, verify: float = 0.0, **fields: Any) -> dict[str, Any]:
        """Change an app, or make another one; give it.

        Args:
            app_id: which one; the first by default, another one where no app has this id.
            verify: seconds to wait for its events URL to answer the challenge.
            fields: ``url`` (of a web role, stands for the three URLs), ``events_url``, ``commands_url``,
                ``interactive_url``, ``redirect_urls`` (a list), ``name``, ``client_id``, ``client_secret``,
                ``signing_secret``.

        Raises:
            SandboxTimeout: it has not answered as it should.
        """
        app = self.post("app", app_id=app_id, **fields)
        if not verify:
            return app
        failure = f"{app['events_url']} did not answer the challenge"
        self._wait_until(lambda: self.app(app["app_id"])["verified"] is not None, verify, failure)
        app = self.app(app["app_id"])
        if not app["verified"]:
            raise SandboxTimeout(failure)
        return app

    def command(
        self,
        command: str,
        text: str = "",
        *,
        channel: str | None = None,
        team: str | None = None,
        user: str | None = None,
        app_id: str | None = None,
    ) -> dict[str, Any]:
        """Let a person use a slash command; `wait_for_message` then looks at what comes after it.

        Args:
            command: with its slash.
            text: what stands behind it.
            channel: a name, an id, or ``@alice`` for her DM with the bot; general by default.
            team: the team; the first by default.
            user: who uses it; the team's first member by default.
            app_id: the app that is meant, where several hear of the team by HTTP.

        Returns:
            ``team``, ``channel``, ``user``, ``trigger_id``, ``seq`` and ``delivery``: the last numbers.
        """
        where = {"channel": channel, "team": team, "user": user, "app_id": app_id}
        done = self.post("command", command=command, text=text or None, **where)
        self.seq = int(done["seq"])
        return done

    def interact(
        self,
        channel: str,
        ts: str,
        action_id: str,
        *,
        value: Any = None,
        team: str | None = None,
        user: str | None = None,
    ) -> dict[str, Any]:
        """Let a person use a button or a menu of a message; give the same as `command`.

        Args:
            channel: where the message is.
            ts: the message's.
            action_id: of the button or menu.
            value: what is chosen: an option's value, a list of such, a date; nothing for a button.
            team: the team; the first by default.
            user: who uses it; the team's first member by default.
        """
        done = self.post(
            "interact", channel=channel, ts=ts, action_id=action_id, value=value, team=team, user=user
        )
        self.seq = int(done["seq"])
        return done

    def views(self, team: str | None = None) -> list[dict[str, Any]]:
        """Give the views that are open, as Slack's view objects with ``user`` and ``errors`` (by block)."""
        return list(self.get("views", team=team)["views"])

    def submit(self, view_id: str, values: dict[str, Any] | None = None) -> None:
        """Submit a view for whoever sees it; what was filled in is given by action id."""
        self.post("views/submit", view_id=view_id, values=values)

    def close_view(self, view_id: str) -> None:
        """Close a view for whoever sees it."""
        self.post("views/close", view_id=view_id)

    def deliveries(
        self,
        after: int = 0,
        *,
        team: str | None = None,
        kind: str | None = None,
        type: str | None = None,
    ) -> list[dict[str, Any]]:
        """Give what apps were sent by HTTP, one record for each try.

        Returns:
            Each with ``seq``, ``app_id``, ``team``, ``kind`` (``event``, ``verification``, ``command`` or
            ``interactive``), ``type``, ``event_id``, ``attempt`` (from 0), ``status`` (None where no answer
            came), ``error`` (None where the app has taken it), ``seconds`` and ``time``.
        """
        return list(self.get("deliveries", after=after, team=team, kind=kind, type=type)["deliveries"])

    def wait_for_delivery(
        self,
        type: str | None = None,
        *,
        team: str | None = None,
        after: int = 0,
        taken: bool = True,
        timeout: float = 10.0,
    ) -> dict[str, Any]:
        """Wait until an app was sent something; give the record of `deliveries`.

        Args:
            type: of the event, or the payload, or the command.
            team: only this team's.
            after: the number after which to look.
            taken: whether only a try counts that the app has answered well.
            timeout: seconds to wait.

        Raises:
            SandboxTimeout: it did not come to that.
        """

        def found() -> dict[str, Any] | None:
            records = self.deliveries(after, team=team, type=type)
            return next((one for one in records if not taken or one["error"] is None), None)

        return dict(self._wait_until(found, timeout, f"no delivery of {type or 'anything'}"))
