"""Events as they come in, from holders to the browsers that watch them: one thread for each team watched.

Browsers share what holders show, since holders show events to a few watches only. A feed ends when its last
browser has gone, or when the store went away; browsers come again by themselves.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator

from ...errors import StoreError
from ...model import Shown
from ...store.base import Store
from ...watching import follow

logger = logging.getLogger(__name__)

#: Teams that are watched in one process, browsers in all, and what one may be behind before it misses some.
MAX_FEEDS = 8
MAX_BROWSERS = 200
_BEHIND = 100

#: Begins to watch a team: `watching.follow`.
Follow = Callable[[str], Iterator[Shown | None]]
Queue = asyncio.Queue[Shown | None]


class FeedsFull(Exception):
    """So many watch already that one more would be too many."""


class Feeds:
    """The feeds of a process. For one event loop.

    Args:
        store: whose holders show events.
        begin: in place of `watching.follow`.
    """

    def __init__(self, store: Store, begin: Follow | None = None) -> None:
        self._begin = begin or (lambda team: follow(store, teams=(team,)))
        self._feeds: dict[str, _Feed] = {}

    @property
    def watched(self) -> list[str]:
        """The teams that are watched now."""
        return list(self._feeds)

    def open(self, team: str) -> Queue:
        """Begins to watch a team; what comes is put into the queue, at last None. `close` ends it.

        Raises:
            FeedsFull: too many watch.
        """
        if self.is_full(team):
            raise FeedsFull
        feed = self._feeds.get(team)
        if feed is None:
            feed = self._feeds[team] = _Feed(self._begin(team), lambda ended: self._end(team, ended))
            feed.start()
        queue: Queue = asyncio.Queue(_BEHIND)
        for holder in feed.begun:
            _put(queue, Shown(holder=holder))
        feed.queues.add(queue)
        return queue

    def close(self, team: str, queue: Queue) -> None:
        """Ends what `open` began."""
        feed = self._feeds.get(team)
        if feed is not None:
            feed.queues.discard(queue)
            if not feed.queues:
                del self._feeds[team]
                feed.stop()

    def is_full(self, team: str) -> bool:
        """Whether one more who watches this team would be too many."""
        browsers = sum(len(feed.queues) for feed in self._feeds.values())
        return browsers >= MAX_BROWSERS or (team not in self._feeds and len(self._feeds) >= MAX_FEEDS)

    def _end(self, team: str, feed: _Feed) -> None:
        """Tells all who watch a team by this feed that nothing more comes."""
        if self._feeds.get(team) is feed:
            del self._feeds[team]
        for queue in feed.queues:
            _put(queue, None)


class _Feed:
    """One team's events, and the queues that they go to.

    Args:
        source: of the events; read in a thread.
        ended: called on the loop, with this feed, when there is no more.
    """

    def __init__(self, source: Iterator[Shown | None], ended: Callable[[_Feed], None]) -> None:
        self.queues: set[Queue] = set()
        #: The holders that have begun to show, which whoever comes later is told of.
        self.begun: set[str] = set()
        self._source = source
        self._ended = ended
        self._stopped = threading.Event()
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begins."""
        threading.Thread(target=self._run, name="feed", daemon=True).start()

    def stop(self) -> None:
        """Ends within a second or so, without a word."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            for shown in self._source:
                if self._stopped.is_set():
                    return
                if shown is not None:
                    self._call(self._give, shown)
        except StoreError as exc:
            logger.warning("A team's events can't be watched: %s", exc, extra={"action": "web.feed"})
        finally:
            if not self._stopped.is_set():
                self._call(self._ended, self)

    def _call(self, do: Callable[..., None], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(do, *args)
        except RuntimeError:
            # The loop is closed: the process ends.
            self._stopped.set()

    def _give(self, shown: Shown) -> None:
        self.begun.add(shown.holder)
        for queue in self.queues:
            _put(queue, shown)


def _put(queue: Queue, item: Shown | None) -> None:
    """Puts something into a queue, in place of the oldest where it is full."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(item)


async def read(queue: Queue, patience: float) -> AsyncIterator[Shown | None]:
    """What comes, until the end; None where nothing came for `patience` seconds."""
    while True:
        try:
            shown = await asyncio.wait_for(queue.get(), patience)
        except TimeoutError:
            yield None
            continue
        if shown is None:
            return
        yield shown
