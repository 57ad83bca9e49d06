"""The inbox as it is read: which events, what is told of them, what they would do again."""
