"""What the service tells of itself: logs, counts, errors, spans, reports."""
