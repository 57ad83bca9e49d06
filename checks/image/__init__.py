"""The image without a container engine: performs the Dockerfile's steps, and runs what comes of it.

`python -m checks.image FOLDER` builds into that folder. It needs Linux, root and util-linux.

What it does as an engine would: the official grammar of Dockerfiles; only what .dockerignore lets
through; each stage in a root of its own, entered by chroot in a mount and a PID namespace; users,
owners, modes; cache mounts; a root file system that cannot be written; all capabilities dropped.
What it cannot: fetch the base image. This machine's /usr and Python, read-only, stand in for it.
"""
