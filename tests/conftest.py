"""Fixtures of all tests."""

from tests.stack import _db, _stack

__all__ = ["_db", "_stack"]
