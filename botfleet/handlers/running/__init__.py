"""Handlers as Celery tasks: how they are made, run, tried again and counted. Only this knows Celery."""
