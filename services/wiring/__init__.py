"""The only place where the parts meet: `web` the service, `worker` the worker and its chores."""
