"""What botfleet's handlers cost over Celery's tasks."""

from __future__ import annotations

from botfleet.model import Subscription

from ..report import Report
from ..subject import Subject
from . import Options, handling

TITLE = "tasks/s of one handler process, an empty handler, beside a bare Celery worker's empty task"
#: With an event for Flower when a task comes, begins and ends.
_WATCHED = f"{handling.RATE}, Flower watching"
_OURS = Subscription(task="benchhandlers.handle", types=("message",))


def run(options: Options) -> Report:
    """Measures in alternating rounds, over the same messages."""
    report = Report("handle", TITLE)
    events = options.size(6_000, 2_500)
    with Subject(handlers="benchhandlers") as subject:
        text = handling.HANDLER.format(options="", argument="event: Event")
        (subject.folder / "benchhandlers.py").write_text(text)
        handling.write_bare(subject)
        subject.add_bots(handling.SOCKETS)
        subject.subscribe([_OURS, handling.BARE_SUBSCRIPTION])
        holder = subject.holder(handling.SOCKETS)
        for number in options.times(options.size(5, 2)):
            options.say(f"round {number + 1}")
            # A handler worker announces its own only.
            subject.subscribe([_OURS, handling.BARE_SUBSCRIPTION])
            handling.fill(subject, holder, events)
            report.add(handling.RATE, "1/s", handling.handler_rate(subject, events))
            report.add_peer(handling.BARE, handling.RATE, "1/s", handling.bare_rate(subject, events))
        subject.subscribe([_OURS, handling.BARE_SUBSCRIPTION])
        handling.fill(subject, holder, events)
        report.add(_WATCHED, "1/s", handling.handler_rate(subject, events, "--task-events"))
    report.ratio_at_least(handling.RATE, handling.BARE, 0.95)
    return report
