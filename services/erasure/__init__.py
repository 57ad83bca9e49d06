"""Removes a person from all that is kept here."""
