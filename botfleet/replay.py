"""Feeds recorded events to handlers once more: through the broker, as a holder does with what comes in.

A record is a file of JSON lines: envelopes, as tasks get them and `botfleet events --follow --json --text`
prints them, or bare Slack events, as its sockets bring them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from .errors import PublishError, UsageError
from .fleet import Fleet
from .holder.threads import WatchedThread
from .model import Subscription, bot_key
from .publishing.publisher import Publisher, Sink
from .publishing.router import Router
from .slack.envelope import Identifier, Origin
from .slack.frames import Frame, decode

#: Seconds from one look at what waits for the broker to the next.
_LOOK = 0.02
#: Seconds for the last push to end.
_ENDING = 10.0


class _Line(msgspec.Struct):
    """An envelope, as far as it counts here: the rest is made anew."""

    payload: msgspec.Raw = msgspec.Raw()
    id: str = ""
    type: Any = ""
    team_id: str = ""
    namespace: str = ""
    received_at: float | None = None


_decoder = msgspec.json.Decoder(_Line)


class Record(NamedTuple):
    """One recorded event.

    Attributes:
        team_id, namespace: whose it was; empty for a bare Slack event.
        id: its envelope's; empty for a bare one.
        frame, raw: Slack's event.
        at: when it came, or happened, in unix seconds; None where it has no time.
    """

    team_id: str
    namespace: str
    id: str
    frame: Frame
    raw: bytes
    at: float | None


def read(line: bytes) -> Record:
    """Reads a line of a record.

    Raises:
        UsageError: it is neither an envelope nor a Slack event.
    """
    try:
        line.decode()
        found = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        kind = "not an event" if isinstance(exc, msgspec.ValidationError) else "not JSON"
        raise UsageError(kind) from None
    raw = bytes(found.payload) or line.strip()
    # A slash command has its type in the envelope only.
    frame = decode(raw, str(found.type) if found.payload else "")
    if frame is None or not frame.type:
        raise UsageError("not an event: it has no type")
    if not found.payload:
        return Record("", "", "", frame, raw, _seconds(frame.time))
    if not found.team_id or not found.id:
        raise UsageError("not an envelope: it has no id, or no team_id")
    return Record(found.team_id, found.namespace, found.id, frame, raw, found.received_at)


@dataclass
class Counts:
    """What became of a record's lines.

    Attributes:
        events: offered to the handlers.
        wanted: wanted by one of them at least.
        published: pushed to the broker.
        copies: left out, since the handlers have had them under the same id lately.
        bad: lines that could not be replayed.
        failed: runs of handlers that failed, where they were run here.
    """

    events: int = 0
    wanted: int = 0
    published: int = 0
    copies: int = 0
    bad: int = 0
    failed: int = 0


class Replay:
    """Replays a record.

    Args:
        fleet: its bots get the events.
        sink: the broker.
        wanted: what the handlers want.
        team: all events go to this team's bot, whosoever they were; bare Slack events need it.
        namespace: of that bot.
        handler: only this one gets them (a task's name); without it all that want them.
        same_ids: under the ids that they had, so that what was handled lately is left out.
        speed: times as fast as they came; None replays them at once.
        waiting: events that may wait for the broker; the record waits meanwhile.
        patience: seconds for which the broker may take nothing.
        wait: sleeps.

    Raises:
        UsageError: there is no such handler, or none at all.
        TokenNotConnected: there is no such bot.
    """

    def __init__(
        self,
        fleet: Fleet,
        sink: Sink,
        wanted: Iterable[Subscription],
        *,
        team: str | None = None,
        namespace: str | None = None,
        handler: str | None = None,
        same_ids: bool = False,
        speed: float | None = None,
        waiting: int = 2000,
        patience: float = 30.0,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._fleet = fleet
        self._team = Origin.of(fleet.find(team, namespace)) if team else None
        self._same_ids = same_ids
        self._speed = speed
        self._waiting = waiting
        self._patience = patience
        self._wait = wait
        self._publisher = Publisher(sink, fleet.settings.publish_buffer)
        self._publisher.router = Router(_chosen(list(wanted), handler))
        self._identifier = Identifier()
        self._nonce = uuid.uuid4().hex[:12]
        self._origins: dict[str, Origin] = {}
        # When the first event came, and was replayed.
        self._began: tuple[float, float] | None = None
        self._deaths: list[BaseException] = []
        self.counts = Counts()

    def run(self, lines: Iterable[bytes], tell: Callable[[int, str], None]) -> Counts:
        """Replays all lines, in order; returns when the broker has them.

        Args:
            lines: empty ones are passed over.
            tell: given the number of a line that can't be replayed, and why.

        Raises:
            PublishError: the broker does not take them.
            StoreUnavailable: nobody knows the bots.
        """
        with self._publishing():
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    self._offer(number, read(line))
                except UsageError as exc:
                    self.counts.bad += 1
                    tell(number, str(exc))
            self._wait_for_broker(0)
        return self._counted()

    @contextmanager
    def _publishing(self) -> Iterator[None]:
        thread = WatchedThread("replay", self._publisher.run, lambda name, exc: self._deaths.append(exc))
        thread.start()
        try:
            yield
        finally:
            self._publisher.close()
            thread.join(_ENDING)

    def _offer(self, number: int, record: Record) -> None:
        origin = self._team or self._origin(record)
        self._keep_pace(record.at)
        if self._same_ids:
            event_id = record.id or self._identifier.identify(origin, record.frame)
        else:
            event_id = f"{origin.key}:replay:{self._nonce}.{number}"
        self.counts.events += 1
        self._publisher.publish_own(origin, record.frame, record.raw, event_id)
        self._wait_for_broker(self._waiting)

    def _origin(self, record: Record) -> Origin:
        if not record.team_id:
            raise UsageError("a bare Slack event; say whose with --team")
        key = bot_key(record.team_id, record.namespace)
        if key not in self._origins:
            bot = self._fleet.store.bot(key)
            if bot is None:
                raise UsageError(f"no bot of {key} is known; --team replays for another")
            self._origins[key] = Origin.of(bot)
        return self._origins[key]

    def _keep_pace(self, at: float | None) -> None:
        if self._speed is None or at is None:
            return
        if self._began is None:
            self._began = (at, time.monotonic())
        due = self._began[1] + (at - self._began[0]) / self._speed
        if (left := due - time.monotonic()) > 0:
            self._wait(left)

    def _wait_for_broker(self, most: int) -> None:
        """Waits until no more than so many events wait for the broker."""
        before, since = self._publisher.unsent, time.monotonic()
        while (unsent := self._publisher.unsent) > most:
            if unsent < before:
                before, since = unsent, time.monotonic()
            if self._deaths or time.monotonic() - since > self._patience:
                raise PublishError(f"the broker does not take the events; {unsent} are left")
            if most:
                self._wait(_LOOK)
            else:
                self._publisher.flush(_LOOK)  # Which has batches wait for no more events.

    def _counted(self) -> Counts:
        found = self._publisher.counters
        self.counts.wanted, self.counts.published, self.counts.copies = (
            found.wanted,
            found.published,
            found.copies,
        )
        return self.counts


def _chosen(wanted: Sequence[Subscription], handler: str | None) -> Sequence[Subscription]:
    if not wanted:
        raise UsageError("no handler is announced: start one, celery -A botfleet worker --role handler")
    chosen = [one for one in wanted if handler in (None, one.task)]
    if not chosen:
        known = ", ".join(sorted({one.task for one in wanted}))
        raise UsageError(f"no handler {handler} is announced; there are {known}")
    return chosen


def _seconds(ts: str) -> float | None:
    try:
        return float(ts)
    except ValueError:
        return None
