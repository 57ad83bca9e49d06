"""A net below the run: no secret that a test gives to a service is in a log or row after it."""
