"""The life of one bot's RTM connection, without any I/O.

Frames, results and time go in; actions come out. The shell (`holder/`) owns sockets and threads and does
what the actions say. A session may have two links at once: after a goodbye or a restart the old one stays
open until the new one has said hello, so that nothing is missed in between.

    IDLE ──start──> CONNECTING ──opened──> OPENING ──hello──> CONNECTED
                      ^   │ failed            │ closed, silent    │ closed, silent
                      │   v                   v                   v
                      └─ WAITING <────────────┴───────────────────┘        stop: IDLE from anywhere
                          (a dead token, or a refusal that no retry can change: DEAD, until a new start)
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ..clock import Chance, chance
from ..errors import SlackError
from ..model import Answer, Command, State
from .backoff import Backoff
from .errors import RATE_LIMITED, Group, classify, of_frame
from .frames import FRAME_LIMIT, Frame, encode
from .reconnects import Reason

#: Slack drops a typing indicator that comes sooner after the last one, seconds.
TYPING_INTERVAL = 3.0
#: A connection that lasted this long counts as a success: the backoff begins again, seconds.
STABLE = 10.0
#: Waited before the next try when Slack says that the team is being moved, seconds (SLACK.md).
PAUSE = 5.0
#: Waited when Slack blocks the team's traffic (`accesslimited`), seconds.
SLOW = 300.0
#: Slack's words for "too often".
#: Error frames' code for a single-use URL that was too old.
_URL_EXPIRED = 1


class Phase(enum.Enum):
    """Where a session stands; see the picture at the top."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPENING = "opening"
    CONNECTED = "connected"
    WAITING = "waiting"
    DEAD = "dead"


class Timing(NamedTuple):
    """The times that a session goes by, in seconds, and its bounds."""

    ping_interval: float = 10.0
    hello_timeout: float = 15.0
    retry_base: float = 1.0
    retry_cap: float = 60.0
    send_buffer: int = 100
    #: Messages a second that Slack takes over one socket, and how many at once after a pause.
    send_rate: float = 1.0
    send_burst: int = 10


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a link, and say `opened` or `failed` with this number."""

    link: int
    #: Why it takes the place of one that works; empty where it does not.
    instead: Reason | Literal[""] = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Write a text frame."""

    link: int
    text: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close a link; nothing more is heard of it."""

    link: int


class Publish(NamedTuple):
    """Slack sent this event; a tuple, because there is one for each, and tuples are made the fastest."""

    frame: Frame
    raw: bytes


@dataclass(frozen=True, slots=True)
class Emit:
    """Something of our own happened that handlers may take as an event."""

    type: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """The bot's status changed."""

    state: State
    error: str = ""
    #: Seconds from now until the next attempt; None where none is planned.
    retry_in: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A message was not sent, and will not be."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """It is known what became of a message that somebody waits for, or that nobody will ever know."""

    ticket: str
    answer: Answer


Action = Connect | Send | Close | Publish | Emit | Report | Refused | Answered

_NOTHING: list[Action] = []


class Session:
    """One bot's connection.

    Not safe for several threads: the reactor's thread drives it. Each method returns what is to be done, in
    order. `deadline` is the time at which `tick` must be called next, or None.

    Args:
        timing: see `Timing`.
        random: chance, for the jitter.
    """

    __slots__ = (
        "_awaited",
        "_backoff",
        "_connected_at",
        "_credit",
        "_credit_at",
        "_deadline",
        "_doubts",
        "_last_id",
        "_last_seen",
        "_next_link",
        "_not_before",
        "_outbox",
        "_pinged_at",
        "_retiring",
        "_timing",
        "_typed_at",
        "link",
        "phase",
    )

    def __init__(self, timing: Timing, random: Chance = chance) -> None:
        self.phase = Phase.IDLE
        #: The link that is being opened or used; 0 when there is none.
        self.link = 0
        self._timing = timing
        self._backoff = Backoff(timing.retry_base, timing.retry_cap, random)
        self._next_link = 1
        # The former link, which is kept until the new one has said hello.
        self._retiring = 0
        self._deadline: float | None = None
        # Slack does not want to be asked for this team before; outlasts stop and restart.
        self._not_before = 0.0
        self._last_seen = 0.0
        self._connected_at = 0.0
        # When the ping was sent that nothing has come in since; None where there is none.
        self._pinged_at: float | None = None
        # How often in a row Slack said invalid_auth: once may be a forbidden address, twice is the truth.
        self._doubts = 0
        self._last_id = 0
        self._outbox: deque[Command] = deque()
        # Tickets by the numbers of frames whose answers somebody waits for.
        self._awaited: dict[int, str] = {}
        self._credit = float(timing.send_burst)
        self._credit_at = 0.0
        # By channel: when it last saw a typing indicator of ours; only the last seconds'.
        self._typed_at: dict[str, float] = {}

    @property
    def deadline(self) -> float | None:
        """When `tick` is wanted next."""
        return self._deadline

    @property
    def unsent(self) -> int:
        """Messages that wait for the connection."""
        return len(self._outbox)

    def take_unsent(self) -> list[Command]:
        """Returns the messages that wait, oldest first, and forgets them: somebody else will send them."""
        waiting = list(self._outbox)
        self._outbox.clear()
        return waiting

    # What the owner asks for

    def start(self, now: float, not_before: float = 0.0) -> list[Action]:
        """Connects, if there is no connection and none under way; also after a dead token.

        Args:
            now: the time.
            not_before: until then Slack does not want to be asked for this team, as somebody was told before.
        """
        if self.phase not in (Phase.IDLE, Phase.DEAD):
            return []
        self._backoff.reset()
        self._doubts = 0
        self._not_before = max(self._not_before, not_before)
        return self._connect(now) if now >= self._not_before else self._hold_back(now)

    def restart(self, now: float) -> list[Action]:
        """Connects anew (another token, or asked to); a working connection stays until the new one does.

        Slack's limits are the team's, whatever the token: one that is rate limited waits on.
        """
        if self.phase is Phase.CONNECTED:
            return self._replace(now, "restart")
        # The former link stays: a second restart, too, must leave no gap.
        closing: list[Action] = [Close(self.link)] if self.link else []
        self.link = 0
        self.phase = Phase.IDLE
        return [*closing, *self.start(now)]

    def stop(self) -> list[Action]:
        """Ends everything; messages that were not sent are forgotten."""
        closing = [*self._drop(), *self._empty_outbox("stopped")]
        self.phase = Phase.IDLE
        self._deadline = None
        return [*closing, Report("stopped")]

    def send(self, command: Command, now: float) -> list[Action]:
        """Sends a message, typing indicator or ping; a message waits where there is no connection yet."""
        if command.op == "message":
            return self._send_message(command, now)
        if command.op == "disconnect":
            return self._lost("disconnect asked for", now) if self.phase is Phase.CONNECTED else []
        if self.phase is not Phase.CONNECTED or (command.op == "typing" and not self._may_type(command, now)):
            return []
        if _is_too_long(command):
            return [Refused(f"a frame over {FRAME_LIMIT} bytes can't go over the socket")]
        return [self._frame(command)]

    # What the link's shell has to tell

    def opened(self, link: int, now: float) -> list[Action]:
        """The websocket of this link is open; Slack says hello next."""
        if link != self.link or self.phase is not Phase.CONNECTING:
            return [Close(link)]
        self.phase = Phase.OPENING
        self._deadline = now + self._timing.hello_timeout
        return []

    def failed(self, link: int, error: SlackError, now: float) -> list[Action]:
        """The link could not be opened."""
        if link != self.link:
            return []
        self.link = 0
        group = classify(error.error)
        if error.error == "invalid_auth":
            self._doubts += 1
        if group is Group.DEAD and (error.error != "invalid_auth" or self._doubts > 1):
            return self._die(error.error)
        if group is Group.CONFIGURATION:
            return self._give_up(error.error)
        floors = {Group.PAUSE: PAUSE, Group.SLOW: SLOW}
        floor = error.retry_after if error.retry_after is not None else floors.get(group, 0.0)
        if error.error not in RATE_LIMITED:
            return self._wait(now, error.error, floor)
        self._not_before = now + floor
        return self._wait(now, error.error, floor, state="rate_limited")

    def received(self, link: int, frame: Frame, raw: bytes, now: float) -> list[Action]:
        """Slack sent a frame."""
        if link == self.link:
            self._last_seen = now
            self._pinged_at = None
        elif link != self._retiring:
            return _NOTHING
        handle = _SPECIAL.get(frame.type)
        if handle is not None:
            return handle(self, link, frame, raw, now)
        return [Publish(frame, raw)]

    def heard(self, link: int, now: float) -> None:
        """Something came in on this link, even if it means nothing (half a frame, a malformed one)."""
        if link == self.link:
            self._last_seen = now
            self._pinged_at = None

    def closed(self, link: int, reason: str, now: float) -> list[Action]:
        """The link is gone, whoever closed it."""
        if link == self._retiring:
            self._retiring = 0
            doubted = self._doubt()
            connecting = self.phase in (Phase.CONNECTING, Phase.OPENING)
            return [*doubted, Report("connecting")] if connecting else doubted
        if link != self.link or self.phase not in (Phase.OPENING, Phase.CONNECTED):
            return []
        self.link = 0
        doubted = self._doubt()
        if reason == "1008":
            waiting = self._wait(now, "rate_limited", self._timing.retry_base, state="rate_limited")
        else:
            waiting = self._wait(now, reason or "closed")
        return [*doubted, *waiting]

    def tick(self, now: float) -> list[Action]:
        """The deadline is reached."""
        if self._deadline is None or now < self._deadline:
            return []
        if self.phase is Phase.WAITING:
            return self._connect(now)
        if self.phase is Phase.OPENING:
            return self._lost("no hello", now)
        if self.phase is Phase.CONNECTED:
            return self._keep_alive(now)
        self._deadline = None
        return []

    # Steps

    def _connect(self, now: float, instead: Reason | Literal[""] = "") -> list[Action]:
        self.phase = Phase.CONNECTING
        self._deadline = None
        self.link = self._next_link
        self._next_link += 1
        announce: list[Action] = [] if self._retiring else [Report("connecting")]
        return [*announce, Connect(self.link, instead)]

    def _hold_back(self, now: float) -> list[Action]:
        delay = self._not_before - now
        self.phase = Phase.WAITING
        self._deadline = now + delay
        return [Report("rate_limited", "ratelimited", delay)]

    def _replace(self, now: float, why: Reason) -> list[Action]:
        closing: list[Action] = [Close(self._retiring)] if self._retiring else []
        self._retiring = self.link
        return [*closing, *self._connect(now, why)]

    def _drop(self) -> list[Action]:
        links = [link for link in (self._retiring, self.link) if link]
        self.link = self._retiring = 0
        return [*(Close(link) for link in links), *self._doubt()]

    def _lost(self, reason: str, now: float) -> list[Action]:
        closing: list[Action] = [Close(self.link)]
        self.link = 0
        return [*closing, *self._doubt(), *self._wait(now, reason)]

    def _doubt(self) -> list[Action]:
        """Tells those who wait for answers that none will come: their link is gone."""
        awaited, self._awaited = self._awaited, {}
        doubtful = Answer(error="connection_lost", in_doubt=True)
        return [Answered(ticket, doubtful) for ticket in awaited.values()]

    def _empty_outbox(self, error: str) -> list[Action]:
        """Forgets what waits to be sent, and tells those who wait for an answer."""
        unsent = self.take_unsent()
        return [Answered(command.ticket, Answer(error=error)) for command in unsent if command.ticket]

    def _wait(
        self, now: float, error: str, floor: float = 0.0, state: State = "disconnected"
    ) -> list[Action]:
        if self._connected_at and now - self._connected_at >= STABLE:
            self._backoff.reset()
        self._connected_at = 0.0
        delay = self._backoff.next(floor)
        self.phase = Phase.WAITING
        self._deadline = now + delay
        return [Report(state, error, delay)]

    def _die(self, error: str) -> list[Action]:
        closing = [*self._drop(), *self._empty_outbox(error)]
        self._deadline = None
        self.phase = Phase.DEAD
        told = Emit("bot_disabled", {"type": "bot_disabled", "error": error})
        return [*closing, Report("token_revoked", error), told]

    def _give_up(self, error: str) -> list[Action]:
        closing = [*self._drop(), *self._empty_outbox(error)]
        self._deadline = None
        self.phase = Phase.DEAD
        return [*closing, Report("disconnected", error)]

    def _keep_alive(self, now: float) -> list[Action]:
        flushed = self._flush(now)
        interval = self._timing.ping_interval - 1e-6
        # Reckoned from the ping, not from the last sign of life: a process that was paused itself gives its
        # peers the time to answer.
        if self._pinged_at is not None and now - self._pinged_at >= interval:
            return self._lost("silent", now)
        if self._pinged_at is None and now - self._last_seen >= interval:
            self._pinged_at = now
            flushed.append(Send(self.link, encode({"id": self._take_id(), "type": "ping"})))
        self._schedule(now)
        return flushed

    def _schedule(self, now: float) -> None:
        since = self._last_seen if self._pinged_at is None else self._pinged_at
        self._deadline = since + self._timing.ping_interval
        if self._outbox:
            due = now + (1.0 - self._credit) / self._timing.send_rate
            self._deadline = min(self._deadline, max(due, now + 0.001))

    # Frames that mean something to the connection itself

    def _on_hello(self, link: int, frame: Frame, raw: bytes, now: float) -> list[Action]:
        if link != self.link or self.phase is not Phase.OPENING:
            return []
        self.phase = Phase.CONNECTED
        self._connected_at = now
        self._doubts = 0
        # Numbers begin anew, and the former link will answer no more.
        self._last_id = 0
        closing: list[Action] = [Close(self._retiring)] if self._retiring else []
        self._retiring = 0
        closing += self._doubt()
        flushed = self._flush(now)
        self._schedule(now)
        return [Report("connected"), *closing, *flushed, Publish(frame, raw)]

    def _on_goodbye(self, link: int, frame: Frame, raw: bytes, now: float) -> list[Action]:
        if link != self.link or self.phase is not Phase.CONNECTED:
            return [Publish(frame, raw)]
        if now - self._connected_at >= STABLE:
            return [Publish(frame, raw), *self._replace(now, "goodbye")]
        # A goodbye after each hello must not become a loop without a pause.
        self._retiring, self.link = self.link, 0
        return [Publish(frame, raw), *self._wait(now, "goodbye")]

    def _on_error(self, link: int, frame: Frame, raw: bytes, now: float) -> list[Action]:
        code = frame.error.get("code") if isinstance(frame.error, dict) else None
        if code == _URL_EXPIRED and link == self.link and self.phase is Phase.OPENING:
            return self._lost("socket URL expired", now)
        return [Publish(frame, raw)]

    def _on_answer(self, link: int, frame: Frame, raw: bytes, now: float) -> list[Action]:
        """A frame without a type: Slack's answer to something sent, perhaps out of order."""
        if not isinstance(frame.reply_to, int):
            return []
        ticket = self._awaited.pop(frame.reply_to, "")
        if frame.ok is False and isinstance(frame.error, dict):
            error, detail = of_frame(frame.error)
            return [
                Refused(f"Slack refused a message: {detail or error}"),
                *_answered(ticket, Answer(error=error, detail=detail)),
            ]
        ts = frame.ts if isinstance(frame.ts, str) else ""
        return _answered(ticket, Answer(ts=ts))

    def _on_pong(self, link: int, frame: Frame, raw: bytes, now: float) -> list[Action]:
        return _NOTHING

    # Sending

    def _send_message(self, command: Command, now: float) -> list[Action]:
        if _is_too_long(command):
            reason = f"a message over {FRAME_LIMIT} bytes can't go over the socket"
            return _refuse(command, "msg_too_long", reason)
        if self.phase in (Phase.IDLE, Phase.DEAD):
            return _refuse(command, "not_connected", "the bot has no connection and will have none")
        if len(self._outbox) >= self._timing.send_buffer:
            return _refuse(command, "buffer_full", f"{self._timing.send_buffer} messages wait already")
        self._outbox.append(command)
        if self.phase is not Phase.CONNECTED:
            return []
        flushed = self._flush(now)
        self._schedule(now)
        return flushed

    def _flush(self, now: float) -> list[Action]:
        self._earn_credit(now)
        sent: list[Action] = []
        while self._outbox and self._credit >= 1.0:
            self._credit -= 1.0
            sent.append(self._frame(self._outbox.popleft()))
        return sent

    def _earn_credit(self, now: float) -> None:
        timing = self._timing
        earned = (now - self._credit_at) * timing.send_rate
        self._credit = min(float(timing.send_burst), self._credit + earned)
        self._credit_at = now

    def _frame(self, command: Command) -> Send:
        number = self._take_id()
        if command.ticket:
            self._awaited[number] = command.ticket
        return Send(self.link, _encode_command(command, number))

    def _may_type(self, command: Command, now: float) -> bool:
        """Whether a typing indicator is due; one that is not is left out, for it would come too late."""
        self._typed_at = {to: at for to, at in self._typed_at.items() if now - at < TYPING_INTERVAL}
        self._earn_credit(now)
        if command.channel in self._typed_at or self._credit < 1.0:
            return False
        self._typed_at[command.channel] = now
        self._credit -= 1.0
        return True

    def _take_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _answered(ticket: str, answer: Answer) -> list[Action]:
    """Nothing where nobody waits."""
    return [Answered(ticket, answer)] if ticket else _NOTHING


def _refuse(command: Command, error: str, reason: str) -> list[Action]:
    return [Refused(reason), *_answered(command.ticket, Answer(error=error, detail=reason))]


def _encode_command(command: Command, number: int) -> str:
    fields: dict[str, Any] = {"id": number, "type": command.op}
    if command.channel:
        fields["channel"] = command.channel
    if command.op == "message":
        fields["text"] = command.text
    return encode({**command.extra, **fields})


def _is_too_long(command: Command) -> bool:
    """Whether Slack would close the connection for it; with the longest number that a frame may get."""
    return len(_encode_command(command, 10**9).encode()) > FRAME_LIMIT


#: By frame type: what concerns the connection itself. `""` is an answer to something sent. No frame of
#: another type changes a session, but by having come.
_SPECIAL = {
    "hello": Session._on_hello,
    "goodbye": Session._on_goodbye,
    "error": Session._on_error,
    "pong": Session._on_pong,
    "": Session._on_answer,
}
#: These types, as they stand in a frame.
SPECIAL_TYPES = frozenset(kind.encode() for kind in _SPECIAL)
