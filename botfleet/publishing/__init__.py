"""Events in, Celery messages out: which handlers want an event, and how their messages reach the broker."""
