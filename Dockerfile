# bcc_relay in a container: see docs/container.md. No package is downloaded that the lock files do not name with its hash.
FROM python:3.13-slim-bookworm AS build

WORKDIR /build
RUN python -m venv /opt/bcc-relay
ENV PATH=/opt/bcc-relay/bin:$PATH

COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY requirements-dev.lock ./
# The build backend, which stays in this stage: hatchling and what it needs, as pinned in the developers' lock file.
RUN awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' requirements-dev.lock > backend.lock \
  && python -m venv /opt/backend \
  && /opt/backend/bin/pip install --no-cache-dir --require-hashes -r backend.lock

COPY pyproject.toml README.md LICENSE ./
COPY bcc_relay ./bcc_relay
RUN /opt/backend/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
  && pip install --no-cache-dir --no-deps /wheels/*.whl \
  && pip uninstall --yes pip


FROM python:3.13-slim-bookworm

ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="bcc_relay" \
      org.opencontainers.image.description="Outgoing mail relay that makes the Bcc mistake harmless" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      org.opencontainers.image.licenses="Apache-2.0"

# Numbers, so that an orchestrator can check that this is not root. The folder's owner is what a new volume takes over.
RUN groupadd --gid 10001 bcc-relay \
  && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/bcc-relay --shell /usr/sbin/nologin bcc-relay \
  && install -d -m 0700 -o 10001 -g 10001 /var/lib/bcc-relay \
  && install -d -m 0755 /etc/bcc-relay

COPY --from=build /opt/bcc-relay /opt/bcc-relay
ENV PATH=/opt/bcc-relay/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

USER 10001:10001
WORKDIR /var/lib/bcc-relay
VOLUME ["/var/lib/bcc-relay"]
# Listeners above 1024, so that no capability is needed: publish them as 25, 587 and 465 as you like. 9125: metrics, health.
EXPOSE 2525 2587 2465 9125
STOPSIGNAL SIGTERM

# Ready means: the store answers, the listeners are up, nothing is draining. Needs metrics.bind on port 9125.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-c", "import http.client, sys; c = http.client.HTTPConnection('127.0.0.1', 9125, timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["bcc-relay"]
CMD ["serve"]
