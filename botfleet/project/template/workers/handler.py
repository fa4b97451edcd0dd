"""`celery -A botfleet worker --role handler`: runs what is in `tasks/`; scale it by events."""

from botfleet.roles import HANDLER

# One process per CPU; handlers that mostly wait for Slack do well with more.
role = HANDLER.but(concurrency=None)
