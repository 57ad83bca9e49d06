"""The errors that a caller is told of, each with its HTTP status.

ConvohooksError
├── Unauthorized      401
├── Malformed         400
│   └── NotJson       415
├── Forbidden         403
├── NotFound          404
├── Conflict          409
├── BodyTooLarge      413
├── Unprocessable     422
├── TooManyRequests   429, with Retry-After and RateLimit headers
├── Unavailable       503, with Retry-After
├── BadGateway        502
└── SettingsError     at start-up only
"""

from __future__ import annotations


class ConvohooksError(Exception):
    """Something went wrong; the docstring of the class is the sentence when none is given."""

    status = 500
    title = "Internal error"

    def __init__(self, detail: str | None = None) -> None:
        """Keep the sentence that says what was found and what was wanted."""
        self.detail = detail or (self.__doc__ or "").strip()
        super().__init__(self.detail)


class Unauthorized(ConvohooksError):
    """The call is not authentic."""

    status = 401
    title = "Unauthorized"


class Malformed(ConvohooksError):
    """The call is authentic but cannot be read."""

    status = 400
    title = "Bad request"


class NotJson(Malformed):
    """The body says that it is a form with files; JSON is wanted."""

    status = 415
    title = "Unsupported media type"


class Forbidden(ConvohooksError):
    """This is not for you."""

    status = 403
    title = "Forbidden"


class NotFound(ConvohooksError):
    """There is nothing here."""

    status = 404
    title = "Not found"


class Conflict(ConvohooksError):
    """This cannot be done now."""

    status = 409
    title = "Conflict"


class Unprocessable(ConvohooksError):
    """A field is wrong."""

    status = 422
    title = "Unprocessable content"


class BodyTooLarge(ConvohooksError):
    """The body is larger than the limit."""

    status = 413
    title = "Body too large"


class TooManyRequests(ConvohooksError):
    """There were too many calls."""

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, *, limit: int, retry_after: int) -> None:
        """Keep what was allowed, and in how many seconds it is allowed again."""
        super().__init__(detail)
        self.limit = limit
        self.retry_after = retry_after


class Unavailable(ConvohooksError):
    """Supabase cannot be reached; send the event again."""

    status = 503
    title = "Service unavailable"
    retry_after = 5


class TakesNothing(Unavailable):
    """Supabase answers and can write nothing: its disk is full, or it is only to be read."""


class BadGateway(ConvohooksError):
    """A service that this one needs has refused."""

    status = 502
    title = "Bad gateway"


class SettingsError(ConvohooksError):
    """A setting is missing or wrong."""
