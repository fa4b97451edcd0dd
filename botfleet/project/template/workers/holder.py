"""`celery -A botfleet worker --role holder`: keeps the sockets; scale it by teams."""

from botfleet.roles import HOLDER

# Tasks at a time are the system's own (adding tokens and the like); sockets need none of them.
role = HOLDER.but(concurrency=8)
