"""The REST API: JSON under `/api`, described by `/api/openapi.json`.

An endpoint is a function in `teams.py` or `fleet.py`, whose `@operation` says what it takes and answers;
`routes.py` gives it its address and its rights. The description is made of both.
"""
