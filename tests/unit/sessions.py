"""A session with a clock of its own, and words for what it says."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from botfleet.model import Answer, Command
from botfleet.slack.errors import to_exception
from botfleet.slack.frames import decode
from botfleet.slack.session import (
    Action,
    Answered,
    Close,
    Connect,
    Emit,
    Phase,
    Publish,
    Report,
    Send,
    Session,
    Timing,
)

A = TypeVar("A")

TIMING = Timing(ping_interval=10.0, hello_timeout=15.0, retry_base=1.0, retry_cap=60.0, send_buffer=5)


class Driver:
    """Drives a session and keeps what it says.

    Attributes:
        now: the time; tests move it.
        chance: what the jitter gets, in [0, 1).
        said: the actions of the last call.
        all: every action so far.
    """

    def __init__(self, timing: Timing = TIMING, chance: float = 0.5) -> None:
        self.now = 1000.0
        self.chance = chance
        self.session = Session(timing, lambda: self.chance)
        self.said: list[Action] = []
        self.all: list[Action] = []

    # What happens

    def start(self, not_before: float = 0.0) -> list[Action]:
        return self._say(self.session.start(self.now, not_before))

    def restart(self) -> list[Action]:
        return self._say(self.session.restart(self.now))

    def stop(self) -> list[Action]:
        return self._say(self.session.stop())

    def send(
        self, op: str = "message", text: str = "hi", channel: str = "C1", ticket: str = "", **extra: Any
    ) -> list[Action]:
        command = Command(op=op, key="T1", channel=channel, text=text, ticket=ticket, extra=extra)  # type: ignore[arg-type]
        return self._say(self.session.send(command, self.now))

    def opened(self, link: int | None = None) -> list[Action]:
        return self._say(self.session.opened(link or self.session.link, self.now))

    def failed(self, error: str, link: int | None = None, after: float | None = None) -> list[Action]:
        exc = to_exception(error, after)
        return self._say(self.session.failed(link or self.session.link, exc, self.now))

    def received(self, link: int | None = None, /, **frame: Any) -> list[Action]:
        raw = json.dumps(frame).encode()
        decoded = decode(raw)
        assert decoded is not None
        return self._say(self.session.received(link or self.session.link, decoded, raw, self.now))

    def closed(self, reason: str = "closed without a word", link: int | None = None) -> list[Action]:
        return self._say(self.session.closed(link or self.session.link, reason, self.now))

    def tick(self) -> list[Action]:
        return self._say(self.session.tick(self.now))

    # In steps that tests take often

    def sleep(self, seconds: float) -> list[Action]:
        """Time passes, and the session is called at its deadlines as the reactor would."""
        end, said = self.now + seconds, []
        while (deadline := self.session.deadline) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            said += self.tick()
        self.now = end
        self.said = said
        return said

    def wait_out(self) -> list[Action]:
        """Goes to the deadline."""
        assert self.session.deadline is not None
        self.now = self.session.deadline
        return self.tick()

    def hello(self) -> list[Action]:
        self.opened()
        return self.received(type="hello")

    def connect(self) -> Driver:
        """Brings it to CONNECTED, from anywhere."""
        if self.session.phase in (Phase.IDLE, Phase.DEAD):
            self.start()
        if self.session.phase is Phase.WAITING:
            self.wait_out()
        self.hello()
        assert self.session.phase is Phase.CONNECTED
        return self

    # What was said

    def only(self, kind: type[A]) -> A:
        """The one action of a kind in the last call."""
        found = of(kind, self.said)
        assert len(found) == 1, self.said
        return found[0]

    def frames(self) -> list[dict[str, Any]]:
        """What the last call wrote to sockets."""
        return [json.loads(one.text) for one in of(Send, self.said)]

    def answers(self) -> list[tuple[str, Answer]]:
        """What the last call told those who wait."""
        return [(one.ticket, one.answer) for one in of(Answered, self.said)]

    def errors(self) -> dict[str, str]:
        """The errors among them, by ticket."""
        return {ticket: answer.error for ticket, answer in self.answers()}

    def texts(self) -> list[str]:
        return [frame["text"] for frame in self.frames() if frame["type"] == "message"]

    def _say(self, actions: list[Action]) -> list[Action]:
        self.said = list(actions)
        self.all += actions
        return self.said


def of(kind: type[A], actions: list[Action]) -> list[A]:
    return [one for one in actions if isinstance(one, kind)]


def types(actions: list[Action]) -> list[str]:
    """Actions in short: `Connect(2)`, `Report(connected)`, `Publish(hello)`."""
    words = []
    for action in actions:
        match action:
            case Connect(link) | Close(link) | Send(link, _):
                words.append(f"{type(action).__name__}({link})")
            case Report(state, _, _):
                words.append(f"Report({state})")
            case Publish(frame, _):
                words.append(f"Publish({frame.type})")
            case Emit(kind, _):
                words.append(f"Emit({kind})")
            case _:
                words.append(type(action).__name__)
    return words
