"""What the worker does beside events: lost callbacks, recordings, feedback, retention."""
