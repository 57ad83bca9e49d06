"""How much is too much, and where it is counted."""
