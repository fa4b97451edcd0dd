"""A holder without sockets and threads: bots' sessions, which speak with a sandbox in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..clock import Clock
from ..errors import SlackError
from ..holder.roster import Step, decide
from ..holder.teller import Publish, Teller
from ..model import Bot, Command, Status
from ..sandbox.dialogue import Dialogue
from ..sandbox.hub import texts
from ..sandbox.model import Token
from ..sandbox.service import Sandbox
from ..secrets import Seal
from ..slack import session as rtm
from ..slack.envelope import Origin
from ..slack.frames import decode
from ..store.base import Store
from ..webapi import SlackApi

#: Who the statuses say has the bots.
NAME = "test"
#: Nothing waits for its turn on the socket: time stands still, and the test wants to see it all.
_TIMING = rtm.Timing(send_rate=1e6, send_burst=1_000_000)
#: Seconds for which an answer waits for who asked; nobody is slow here.
_ANSWERS_KEPT = 60.0


class Wire:
    """A connection as the sandbox has it, without a socket.

    Args:
        token: whose it is.
        heard: takes what Slack sends, frame by frame.
        gone: told when Slack ends it, and how.
    """

    def __init__(self, token: Token, heard: Callable[[bytes], None], gone: Callable[[str], None]) -> None:
        self.token = token
        self._heard = heard
        self._gone = gone
        self._muted = False

    def send(self, frames: bytes) -> asyncio.Future[None] | None:
        """Hands frames to the bot."""
        for text in texts(frames) if not self._muted else ():
            self._heard(text)
        return None

    def sever(self, *, reset: bool = False) -> None:
        """Is cut."""
        self._gone("closed without a word")

    @property
    def is_muted(self) -> bool:
        """Whether it is silent."""
        return self._muted

    def mute(self, muted: bool) -> None:
        """Falls silent, or speaks again."""
        self._muted = muted

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Is closed by Slack."""
        self._gone(str(code or 1005))


class Line:
    """One bot's session, and what it is connected with.

    Args:
        bot: whose.
        holder: whom it belongs to.
    """

    def __init__(self, bot: Bot, holder: Holder) -> None:
        self.rename(bot)
        self.failing = False
        self.session = rtm.Session(_TIMING)
        self._holder = holder
        self._links: dict[int, tuple[Wire, Dialogue]] = {}

    def rename(self, bot: Bot) -> None:
        """Takes over the bot as it is now."""
        self.bot = bot
        self.origin = Origin.of(bot)

    def do(self, actions: list[rtm.Action]) -> None:
        """Does what the session wants."""
        for action in actions:
            match action:
                case rtm.Publish(frame, raw):
                    self._holder.publish(self.origin, frame, raw, "")
                case rtm.Send(link, text):
                    self._links[link][1].take(text)
                case rtm.Connect(link):
                    self._connect(link)
                case rtm.Close(link):
                    self._drop(link)
                case rtm.Report():
                    self._holder.report(self, action)
                case rtm.Emit():
                    self._holder.teller.emit(self, action)
                case rtm.Answered(ticket, answer):
                    self._holder.store.put_answers({ticket: answer}, _ANSWERS_KEPT)
                case rtm.Refused(reason):
                    self._holder.refused(SlackError("not_sent", detail=reason))

    def tick(self, now: float) -> None:
        """Does what is due."""
        while (deadline := self.session.deadline) is not None and deadline <= now:
            self.do(self.session.tick(now))

    def close(self) -> None:
        """Ends its connections."""
        for link in list(self._links):
            self._drop(link)

    def _connect(self, link: int) -> None:
        holder = self._holder
        try:
            opened = holder.api.rtm_connect(holder.seal.open(self.bot.sealed_token))
        except SlackError as exc:
            self.do(self.session.failed(link, exc, holder.clock()))
            return
        ticket = holder.sandbox.hub.redeem(opened.url.rpartition("/")[2], holder.clock())
        assert ticket is not None, "the URL was made just now"
        wire = Wire(ticket.token, lambda raw: self._hear(link, raw), lambda reason: self._end(link, reason))
        dialogue = Dialogue(holder.sandbox, wire)
        self._links[link] = wire, dialogue
        self.do(self.session.opened(link, holder.clock()))
        holder.sandbox.hub.add(wire)
        dialogue.greet(ticket)

    def _hear(self, link: int, raw: bytes) -> None:
        frame = decode(raw)
        if frame is None:
            self.session.heard(link, self._holder.clock())
        else:
            self.do(self.session.received(link, frame, raw, self._holder.clock()))

    def _end(self, link: int, reason: str) -> None:
        self._drop(link)
        self.do(self.session.closed(link, reason, self._holder.clock()))

    def _drop(self, link: int) -> None:
        if link in self._links:
            self._holder.sandbox.hub.remove(self._links.pop(link)[0])


class Holder:
    """Keeps the bots' lines in line with the registry, and passes commands on to them.

    Args:
        store, seal, api, sandbox, clock: the fleet's.
        publish: takes what the bots hear.
        refused: told what was not sent.
    """

    def __init__(
        self,
        store: Store,
        seal: Seal,
        api: SlackApi,
        sandbox: Sandbox,
        clock: Clock,
        publish: Publish,
        refused: Callable[[Exception], None],
    ) -> None:
        self.store = store
        self.seal = seal
        self.api = api
        self.sandbox = sandbox
        self.clock = clock
        self.publish = publish
        self.refused = refused
        self.teller = Teller(publish, lambda key: True)
        self._lines: dict[str, Line] = {}

    def collect(self) -> None:
        """Takes what waits in the shards' queues, and passes it on."""
        while commands := self.store.receive(range(self.store.shards), 0.0):
            for command in commands:
                self._take(command)

    def tick(self) -> None:
        """Does what is due by now."""
        for line in list(self._lines.values()):
            line.tick(self.clock())

    def report(self, line: Line, report: rtm.Report) -> None:
        """Writes a bot's status, and tells of trouble."""
        now, bot = self.clock(), line.bot
        status = Status(
            state=report.state,
            since=now,
            holder=NAME,
            error=report.error,
            retry_at=now + report.retry_in if report.retry_in is not None else 0.0,
            generation=bot.generation,
        )
        self.store.put_statuses({bot.key: status})
        self.teller.watch(line, status)

    def _take(self, command: Command) -> None:
        line = self._lines.get(command.key)
        if command.happening is not None:
            self.teller.tell(command.happening)
        elif command.op == "sync":
            self._sync(command.key)
        elif line is not None:
            line.do(line.session.send(command, self.clock()))

    def _sync(self, key: str) -> None:
        wanted, line = self.store.bot(key), self._lines.get(key)
        step = decide(wanted, self.store.status(key), line.bot if line else None)
        if step is Step.REMOVE and line is not None:
            self._lines.pop(key).close()
        elif step is Step.ADD and wanted is not None:
            line = self._lines[key] = Line(wanted, self)
            line.do(line.session.stop() if wanted.desired == "stopped" else line.session.start(self.clock()))
        elif line is not None and wanted is not None:
            self._change(line, wanted, step)

    def _change(self, line: Line, wanted: Bot, step: Step) -> None:
        line.rename(wanted)
        if step is Step.STOP:
            line.do(line.session.stop())
        elif step is Step.START:
            line.do(line.session.start(self.clock()))
        elif step is Step.RESTART:
            line.do(line.session.restart(self.clock()))
