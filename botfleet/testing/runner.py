"""Runs the Celery tasks of handlers and timers at once, in the test's own thread, with their retries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import Celery
from celery.exceptions import Ignore, Reject, Retry

from ..handlers.context import HandlerContext
from ..handlers.loader import Loaded
from ..handlers.running.binding import bind
from ..handlers.running.timers import bind_timers


class Runner:
    """The tasks of some handlers.

    Args:
        loaded: the handlers.
        context: what they need of this process; its `sleep` waits before each retry.
        timezone: of cron lines.

    Attributes:
        subscriptions: what the handlers want.
        schedules: when the timers are due.
    """

    def __init__(self, loaded: Loaded, context: HandlerContext, timezone: str) -> None:
        self._wait = context.sleep
        # Nothing is ever sent through it.
        self._app = Celery("botfleet-test", broker="memory://", set_as_current=False)
        self._app.conf.timezone = timezone
        self.subscriptions = bind(self._app, loaded, context)
        self.schedules = bind_timers(self._app, loaded.timers, context)

    def run(self, task: str, task_id: str, argument: object, kwargs: Mapping[str, Any]) -> None:
        """Runs a task until it is done, or is not tried again.

        Raises:
            Exception: what the last try raised.
        """
        args: tuple[object, ...] = (argument,)
        retries = 0
        while True:
            try:
                self._app.tasks[task].apply(args, dict(kwargs), task_id=task_id, retries=retries, throw=True)
            except Retry as again:
                if again.sig is None:
                    return  # Raised by the handler itself: Celery sends nothing.
                args, kwargs, retries = again.sig.args, again.sig.kwargs, again.sig.options["retries"]
                self._wait(again.sig.options.get("countdown") or 0.0)
            except (Ignore, Reject):
                return
            else:
                return
