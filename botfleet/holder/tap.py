"""Shows what comes in to those who watch: `botfleet events --follow`, and whoever else asks the store.

While nobody watches, the publisher finds that there is no tap, and that is all it costs. For those who do,
sightings are gathered where the event passes, up to a bound, and shown by a thread a few times a second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Protocol

from ..clock import Clock
from ..errors import StoreError
from ..model import Shown, Sighting, Watch
from ..publishing.publisher import Tap as See
from ..slack.envelope import Origin, wrap
from ..slack.frames import Frame
from ..store.base import Store
from .threads import WatchedThread, Watcher

logger = logging.getLogger(__name__)

#: Sightings that one who watches is shown at a time, and seconds from one time to the next: 400 a second.
AT_A_TIME = 100
_INTERVAL = 0.25


class Tapped(Protocol):
    """What events pass, and show to whoever is asked for by `tap`."""

    tap: See | None


class View:
    """What one who watches is to be shown next."""

    def __init__(self, watch: Watch, clock: Clock) -> None:
        self.watch = watch
        self._clock = clock
        # Guards the two below.
        self._lock = threading.Lock()
        self._sightings: list[Sighting] = []
        self._skipped = 0
        self._begun = False

    def see(self, origin: Origin, frame: Frame, raw: bytes, event_id: str, handlers: int) -> None:
        """Notes an event, where the watch asks for it and there is room."""
        if not self._asks_for(origin, frame, handlers):
            return
        with self._lock:
            if len(self._sightings) >= AT_A_TIME:
                self._skipped += 1
            else:
                self._sightings.append(self._sighting(origin, frame, raw, event_id, handlers))

    def take(self, holder: str) -> Shown | None:
        """What was seen since the last call; None for nothing, but for the first time."""
        with self._lock:
            sightings, self._sightings = tuple(self._sightings), []
            skipped, self._skipped = self._skipped, 0
        if self._begun and not sightings:
            return None
        self._begun = True
        return Shown(holder=holder, sightings=sightings, skipped=skipped)

    def _asks_for(self, origin: Origin, frame: Frame, handlers: int) -> bool:
        watch = self.watch
        if watch.wanted and not handlers:
            return False
        if watch.types and frame.type not in watch.types:
            return False
        return not watch.teams or origin.team_id in watch.teams or origin.key in watch.teams

    def _sighting(self, origin: Origin, frame: Frame, raw: bytes, event_id: str, handlers: int) -> Sighting:
        now = self._clock()
        envelope = wrap(event_id, origin, frame, raw, now).decode() if self.watch.text else ""
        return Sighting(
            id=event_id,
            received_at=now,
            bot=origin.key,
            type=frame.type,
            subtype=frame.subtype if isinstance(frame.subtype, str) else None,
            channel=frame.channel_id,
            user=frame.user_id,
            handlers=handlers,
            envelope=envelope,
        )


class Tap:
    """Shows the events of a holder, or of a gateway.

    Args:
        holder: its name.
        store: where those who watch look.
        publisher: what the events pass.
        clock: for when they came.
        on_death: told when the thread dies.
    """

    def __init__(self, holder: str, store: Store, publisher: Tapped, clock: Clock, on_death: Watcher) -> None:
        self._holder = holder
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._on_death = on_death
        self._views: tuple[View, ...] = ()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def look(self, watches: Sequence[Watch]) -> None:
        """Takes over who watches now; called again and again by one thread."""
        known = {view.watch: view for view in self._views}
        self._views = tuple(known.get(watch) or View(watch, self._clock) for watch in watches)
        self._publisher.tap = self._see if self._views else None
        if self._views and (self._thread is None or not self._thread.is_alive()):
            self._thread = WatchedThread("tap", self._run, self._on_death)
            self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._publisher.tap = None
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_INTERVAL)

    def _see(self, origin: Origin, frame: Frame, raw: bytes, event_id: str, handlers: int) -> None:
        for view in self._views:
            view.see(origin, frame, raw, event_id, handlers)

    def _run(self) -> None:
        """Shows what was seen, while somebody watches."""
        while self._views and not self._closing.is_set():
            for view in self._views:
                self._show(view)
            self._closing.wait(_INTERVAL)

    def _show(self, view: View) -> None:
        if (shown := view.take(self._holder)) is None:
            return
        try:
            self._store.show(view.watch.id, shown)
        except StoreError as exc:
            logger.debug("not shown: %s", exc)
