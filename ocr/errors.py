"""Why a card could not be read. Each error carries its consequence; nobody compares strings."""

import httpx

from ocr.reading import Usage


class ExtractionError(Exception):
    """A card could not be read. `reason` is stored; the flags decide what happens next.

    retryable: asking again may help. counts: the call counts against `options.retries`.
    pauses: the whole batch waits with this pause reason, no card is charged.
    """

    reason = "error"
    retryable = False
    counts = True
    pauses: str | None = None

    def __init__(
        self,
        message: str = "",
        *,
        raw: str = "",
        usage: Usage | None = None,
        finish_reason: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.raw = raw
        self.usage = usage or Usage()
        self.finish_reason = finish_reason
        self.retry_after = retry_after  # seconds

    @property
    def no_connection(self) -> bool:
        """Refused, or no such host: nothing of the card has left, so it cannot be at fault."""
        return False


class EngineUnreachable(ExtractionError):
    reason, retryable = "engine_unreachable", True

    @property
    def no_connection(self) -> bool:
        return isinstance(self.__cause__, httpx.ConnectError | httpx.ConnectTimeout)


class EngineTimeout(ExtractionError):
    reason, retryable = "engine_timeout", True


class EngineFailed(ExtractionError):
    """The endpoint answered 5xx."""

    reason, retryable = "engine_failed", True


class RateLimited(ExtractionError):
    """429: waiting, not a try; the engine rests for `retry_after` seconds."""

    reason, retryable, counts = "rate_limited", True, False


class CredentialsRefused(ExtractionError):
    """401, 402 or 403: the batch waits until a person has changed something."""

    reason, counts, pauses = "credentials_refused", False, "credentials"


class RequestRefused(ExtractionError):
    """The endpoint answered another 4xx: asking again would give the same."""

    reason = "request_refused"


class ReplyInvalid(ExtractionError):
    """Not JSON, or JSON of another shape than asked for."""

    reason, retryable = "reply_invalid", True


class ReplyTruncated(ReplyInvalid):
    reason = "reply_truncated"


class ReplyEmpty(ReplyInvalid):
    """No content, or refused by the model or its filter."""

    reason = "reply_empty"


class UnreadableImage(ExtractionError):
    reason = "unreadable_image"


class EngineMissing(ExtractionError):
    """The engine is not configured, or its key cannot be opened: the batch waits."""

    reason, counts, pauses = "engine_missing", False, "credentials"


class CallWithheld(ExtractionError):
    """Nobody wants the answer any more (paused, stopped): the call was not made."""

    reason, counts = "call_withheld", False


class EngineCrashed(ExtractionError):
    """Reading the card ended the process that read it, twice, alone."""

    reason = "engine_crashed"


class ReplyLooping(ReplyInvalid):
    """The model repeats itself until it is stopped."""

    reason = "reply_looping"


class ReplyOnlyThought(ReplyEmpty):
    """The model thought, and said nothing."""
