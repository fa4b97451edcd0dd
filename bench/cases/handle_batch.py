"""What batches of events spare a handler."""

from __future__ import annotations

from botfleet.model import Subscription

from ..processes import Child, wait_until
from ..report import Report
from ..subject import Subject
from . import Options, handling

TITLE = "events/s of one handler process with @on(…, batch=100), beside a bare Celery worker's tasks/s"


def run(options: Options) -> Report:
    """Measures in alternating rounds, over the same events."""
    report = Report("handle-batch", TITLE)
    with Subject(handlers="benchhandlers") as subject:
        text = handling.HANDLER.format(options=", batch=100, linger=0.05", argument="events: list[Event]")
        (subject.folder / "benchhandlers.py").write_text(text)
        handling.write_bare(subject)
        subject.add_bots(handling.SOCKETS)
        ours = _declared(subject)
        subject.subscribe([*ours, handling.BARE_SUBSCRIPTION])
        holder = subject.holder(handling.SOCKETS)
        for number in options.times(options.size(3, 2)):
            options.say(f"round {number + 1}")
            _round(report, subject, holder, ours, options)
    report.ratio_at_least(handling.RATE, handling.BARE, 10.0)
    return report


def _declared(subject: Subject) -> list[Subscription]:
    """What a handler worker announces for the batch handler."""
    worker = subject.worker("handler", "--concurrency", "1")
    wait_until("the handler is announced", lambda: bool(subject.store.subscriptions()), 30, 0.1, worker)
    worker.kill()
    return [one for group in subject.store.subscriptions().values() for one in group]


def _round(
    report: Report, subject: Subject, holder: Child, ours: list[Subscription], options: Options
) -> None:
    """The batch handler empties its queue of more events than the bare task, in about the same time."""
    bare = options.size(5_000, 2_500)
    subject.subscribe([handling.BARE_SUBSCRIPTION])
    handling.fill(subject, holder, bare)
    report.add_peer(handling.BARE, handling.RATE, "1/s", handling.bare_rate(subject, bare))
    batched = options.size(60_000, 25_000)
    subject.subscribe(ours)
    handling.fill(subject, holder, batched)
    report.add(handling.RATE, "1/s", handling.handler_rate(subject, batched))
