"""The reference bot: what you edit.

Every module in this folder is loaded by handler workers. A function with `@on` or `@command` becomes a
Celery task of its own, named after its module and itself.
"""
