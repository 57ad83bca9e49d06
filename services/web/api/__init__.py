"""What people read, each with their own token."""
