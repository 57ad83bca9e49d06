"""Tells people when something is wrong, and when it is over, without a Prometheus.

`rules` judges what `read_alerts` has read, `notifier` is the worker's chore, `outage` is for when
nothing can be read, `messages` and `targets` are what is sent and where.
"""
