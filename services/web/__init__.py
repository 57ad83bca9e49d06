"""What the service answers over HTTP. The only package, with `app.py`, that knows Flask."""
