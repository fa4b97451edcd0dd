"""Templates of messages where no file can be opened; in processes of their own, whose limit is lowered."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import resource, sys
from celery import Celery
from botfleet.configuration import celery_defaults
from botfleet.errors import PublishError
from botfleet.model import Subscription
from botfleet.publishing.template import Template
from botfleet.settings import Settings

url = "redis://127.0.0.1:1/0"
app = Celery("test", set_as_current=False)
app.conf.update(celery_defaults(Settings(broker_url=url, store_url=url)))
{before}
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(open("/dev/null"))
except OSError:
    pass
found = []
for _ in range(2):
    try:
        found.append(Template(app, Subscription(task="t", types=("message",)), "q").queue)
    except PublishError as exc:
        found.append(type(exc.__cause__).__name__)
    while held:
        held.pop().close()
print(*found)
"""


@pytest.mark.parametrize(
    ("before", "found"),
    [
        # What a worker has loaded by itself when its first event comes.
        ("app.backend, app.amqp.send_task_message", "q q"),
        ("", "OSError q"),
    ],
)
def test_a_template_without_a_free_file(before: str, found: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(before=before)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == found
