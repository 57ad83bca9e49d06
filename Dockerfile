# syntax=docker/dockerfile:1

# One image for the web service (its CMD) and for the worker (`convohooks worker`).
#
# 3.11 is the Python that the tests run with. A tag moves: pin what you have tried by its digest.
#   docker buildx imagetools inspect python:3.11-slim-bookworm --format '{{.Manifest.Digest}}'
#   docker build --build-arg BASE=python:3.11-slim-bookworm@sha256:<digest> --tag convohooks .
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /opt/convohooks
# Without pip, which nobody is to run in there.
RUN python -m venv --without-pip .venv
COPY pyproject.toml requirements.lock ./
# What a server needs, in the versions of the lock; a change of the code leaves this layer as it is.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > /tmp/requirements.in \
    && pip --python .venv/bin/python install --quiet --constraint requirements.lock --requirement /tmp/requirements.in
COPY README.md app.py gunicorn.conf.py ./
COPY services services
COPY tavus tavus
COPY deploy/healthcheck.py deploy/
# Compiled here, since nobody can write it there; a hash stays true where copies lose their times.
# A checkout under a strict umask has files that only its owner may read: here everybody may.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python .venv/bin/python install --quiet --no-deps --editable . \
    && .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash app.py services \
    && chmod -R a+rX .

FROM ${BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="convohooks" \
      org.opencontainers.image.description="The Supabase-native webhook backend for apps in which people talk to an AI." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# No home and no shell. The one folder is for the spool: mount a volume there, and name it in SPOOL_PATH.
RUN groupadd --gid 10001 convohooks \
    && useradd --uid 10001 --gid 10001 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin convohooks \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/convohooks
WORKDIR /opt/convohooks
COPY --from=build /opt/convohooks ./
ENV PATH=/opt/convohooks/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BIND=0.0.0.0 \
    PORT=8000
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "deploy/healthcheck.py"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "app:create_app()"]
