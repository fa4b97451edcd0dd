# One image for every role: the engine, installed, and the deployment's own code beside it.
#
#   docker build -t botfleet .
#   docker run botfleet worker --role holder

FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

COPY pyproject.toml README.md LICENSE /tmp/botfleet/
COPY botfleet /tmp/botfleet/botfleet
RUN pip install '/tmp/botfleet[web]' && rm -r /tmp/botfleet

# Where beat notes what it last sent; a volume made from it belongs to the user too.
RUN useradd --system --uid 10001 --no-create-home botfleet \
    && install --directory --owner botfleet /var/lib/botfleet
ENV BOTFLEET_STATE_DIR=/var/lib/botfleet

WORKDIR /srv/botfleet
COPY celeryconfig.py ./
COPY tasks ./tasks
COPY workers ./workers

USER botfleet
# Warm: tasks end, sockets are closed, what waits is sent.
STOPSIGNAL SIGTERM
ENTRYPOINT ["celery", "-A", "botfleet"]
CMD ["worker"]
