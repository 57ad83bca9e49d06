"""Conversations that people start here: whose they are, and what is heard in them."""
