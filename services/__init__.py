"""Convohooks: a callback comes in, rows go out, the screen updates."""
