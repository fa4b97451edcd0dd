"""mybot's settings: botfleet's (`botfleet_…`) and Celery's own, side by side.

Each `botfleet_NAME` can also be set in the environment, as BOTFLEET_NAME, which wins. `botfleet settings`
lists all of them.
"""

# Where Celery's messages wait; `botfleet up` starts a server of its own where this is not set.
# botfleet_broker_url = "redis://127.0.0.1:6379/0"

# The modules with your handlers.
botfleet_handlers = ["tasks"]
