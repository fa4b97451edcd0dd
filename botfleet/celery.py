"""The Celery app: `celery -A botfleet worker | beat | flower | fleet …`.

Nothing is read, opened or connected when this module is imported: settings are loaded when Celery first asks
for its configuration, the store when something first needs it.
"""

from __future__ import annotations

import importlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import click
from celery import Celery
from celery.bin.base import CeleryOption

from .configuration import celery_defaults, deployment, flower_options, load_settings
from .depths import Depths
from .errors import BotfleetError, ConfigurationError
from .fleet import Fleet
from .handlers.context import HandlerContext
from .handlers.tally import Tally
from .publishing.ordered import OrderedLanes
from .roles import Role, find_role
from .secrets import Seal
from .settings import Settings
from .steps import HandlerStep, HolderStep, begin_role, open_lanes, quiet_ticks
from .worker_health import HealthStep


class FleetApp(Celery):  # type: ignore[misc]  # celery has no types
    """Celery, and the fleet that its processes belong to.

    Attributes:
        role: what this worker was started as; None in other processes.
    """

    role: Role | None = None

    @cached_property
    def deployment(self) -> dict[str, Any]:
        """What `celeryconfig.py` says."""
        return deployment()

    @cached_property
    def settings(self) -> Settings:
        """The fleet's settings.

        Raises:
            ConfigurationError: one is wrong.
        """
        return load_settings(self.deployment)

    @cached_property
    def fleet(self) -> Fleet:
        """The fleet's bots."""
        return Fleet(self.settings, seal=Seal(self.settings.secret_keys))

    @cached_property
    def handler_context(self) -> HandlerContext:
        """What handlers need in this process."""
        fleet = self.fleet
        return HandlerContext(
            store=fleet.store,
            seal=fleet.seal,
            settings=fleet.settings,
            api=fleet.api,
            lanes=self.lanes,
            tally=Tally(fleet.store),
        )

    @cached_property
    def depths(self) -> Depths:
        """Looks into the broker's queues."""
        return Depths(self)

    @cached_property
    def lanes(self) -> OrderedLanes | None:
        """The lanes of ordered handlers: in the broker, or else in the store; None where neither is Redis."""
        return open_lanes(self.settings)

    def celery_settings(self) -> dict[str, Any]:
        """Celery's settings: botfleet's, and over them the deployment's."""
        try:
            defaults = celery_defaults(self.settings)
        except ConfigurationError as exc:
            raise _for_people(exc) from exc
        own = {key: value for key, value in self.deployment.items() if not key.startswith("botfleet_")}
        own.pop("broker_url", None)
        return {**defaults, **own}


def _for_people(exc: ConfigurationError) -> Exception:
    """On a command line, one clear line and exit code 1 instead of a traceback."""
    if click.get_current_context(silent=True) is None:
        return exc
    return click.ClickException(str(exc))


def _prepare(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Before any of Celery's subcommands: a wrong setting is one clear line; Flower and beat get ready."""
    try:
        # Connects to nothing yet, but tells a wrong key or a store's URL that can't be used.
        fleet = app.fleet
    except BotfleetError as exc:
        raise click.ClickException(str(exc)) from exc
    # Commands of `celery inspect`, which the asker has to know as well as the worker.
    importlib.import_module("botfleet.inspection")
    if context.info_name == "flower":
        for name, option in flower_options(fleet.settings).items():
            os.environ.setdefault(f"FLOWER_{name}", option)
    elif context.info_name == "beat":
        quiet_ticks()
        context.default_map = {"loglevel": fleet.settings.log_level, **(context.default_map or {})}
        _make_folder_of(Path(app.conf.beat_schedule_filename))


def _make_folder_of(file: Path) -> None:
    """Beat keeps its schedule in a file, and dies where that file's folder is missing."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        raise click.ClickException(f"{file.parent}, for beat's schedule: {exc.strerror}") from exc


def _choose_role(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    """Makes a worker what `--role` says: before any other option is read, as a source of their defaults."""
    try:
        app.role = find_role(name)
        context.default_map = {**begin_role(app, app.role), **(context.default_map or {})}
    except ConfigurationError as exc:
        if exc.name == "--role":
            raise click.BadParameter(str(exc), context, parameter) from exc
        raise click.ClickException(str(exc)) from exc
    return name


app = FleetApp("botfleet", include=["botfleet.control"], set_as_current=False)
app.add_defaults(app.celery_settings)
app.user_options["worker"].add(
    CeleryOption(
        ["--role"],
        is_eager=True,
        envvar="BOTFLEET_ROLE",
        callback=_choose_role,
        metavar="NAME",
        help_group="Worker Options",
        help="holder (keeps sockets), handler (runs handlers), or a file workers/NAME.py; both by default.",
    )
)
app.user_options["preload"].add(
    click.Option(
        ["--check-settings"], hidden=True, is_eager=True, is_flag=True, expose_value=False, callback=_prepare
    )
)
app.steps["worker"].add(HealthStep)
app.steps["worker"].add(HolderStep)
app.steps["worker"].add(HandlerStep)
