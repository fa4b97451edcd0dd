"""The sweep: wakes lanes of ordered handlers that have events and that nobody works on.

Every event brings a wake-up, so there is something to do only when one was lost: with a worker that was
killed, or between a publisher's two steps on a broker that runs no scripts. What a sweep costs grows with
such lanes, not with all that there are.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..model import Subscription
from ..store.base import Store
from .ordered import IdleLane, OrderedLanes
from .template import publish_options
from .wake_ups import task_of, wake_up

logger = logging.getLogger(__name__)

#: Lanes that one sweep looks at.
LANES_PER_SWEEP = 500
#: How often a lane is found whose handler nobody has announced, before it is forgotten: for some ten
#: minutes, so that a deploy may take its time.
_PATIENCE = 7


@dataclass
class Swept:
    """What one sweep did; counts of lanes."""

    woken: int = 0
    dropped: int = 0


class Sweeper:
    """Sweeps.

    Args:
        app: the Celery app.
        store: says which handlers there are.
        lanes: those that are swept.
    """

    def __init__(self, app: Any, store: Store, lanes: OrderedLanes) -> None:
        self._app = app
        self._store = store
        self._lanes = lanes

    def run(self) -> Swept:
        """Wakes lanes, and forgets those of handlers that are gone.

        Raises:
            StoreUnavailable: the store or the lanes are away; the next sweep will do.
        """
        swept = Swept()
        idle = self._lanes.idle(LANES_PER_SWEEP)
        known = self._handlers() if idle else {}
        for lane in idle:
            subscription = known.get(task_of(lane.name))
            if subscription is not None:
                self._wake(lane, subscription)
                swept.woken += 1
            elif lane.found >= _PATIENCE:
                self._drop(lane)
                swept.dropped += 1
        return swept

    def _handlers(self) -> Mapping[str, Subscription]:
        announced = self._store.subscriptions().values()
        return {one.task: one for subscriptions in announced for one in subscriptions if not one.batch}

    def _wake(self, lane: IdleLane, subscription: Subscription) -> None:
        options = publish_options(lane.event_id, subscription)
        options["task_id"] += f":swept{lane.found}"
        self._app.send_task(
            subscription.task, args=[wake_up(lane.event_id, lane.name)], queue=lane.queue, **options
        )
        logger.info(
            "The lane %s was idle with %s events, and was woken",
            lane.name,
            lane.events,
            extra={"action": "lane.woken", "task": subscription.task},
        )

    def _drop(self, lane: IdleLane) -> None:
        logger.warning(
            "%s events are dropped: their handler is gone, the lane was %s",
            self._lanes.drop(lane.name),
            lane.name,
            extra={"action": "lane.dropped"},
        )
