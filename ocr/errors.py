"""Why a card could not be read. Each error carries its consequence and its words; nobody compares strings.

This is the whole catalogue: docs/errors.md is written from it by `manage.py error_table`. A new class needs a `reason`
of its own with `sentence` and `advice`, or it is told as the class above it.
"""

from collections.abc import Iterator

import httpx

from ocr.reading import Usage


def gettext_noop(text: str) -> str:
    """Marks a text for the translators; it is translated where it is shown."""
    return text


class ExtractionError(Exception):
    """A card could not be read. `reason` is stored; the flags decide what happens next.

    retryable: asking again may help. counts: the call counts against `options.retries`.
    pauses: the whole batch waits with this pause reason, no card is charged.
    ladder: what is asked differently within the same try, in this order (ocr/engines/ladder.py).
    others_may: the card is sound, so another engine or model may read it; a person decides.
    sentence, advice: for the curator, and for whoever looks after the engine.
    """

    reason = "error"
    retryable = False
    counts = True
    pauses: str | None = None
    ladder: tuple[str, ...] = ()
    others_may = False
    sentence = gettext_noop("Something unexpected went wrong with this card.")
    advice = gettext_noop("Retry. If it happens again, the log says more.")

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


# The endpoint


class EngineUnreachable(ExtractionError):
    reason, retryable = "engine_unreachable", True
    sentence = gettext_noop("The reading engine could not be reached.")
    advice = gettext_noop("Retry. If it happens again: is the engine running, and is its address right?")

    @property
    def no_connection(self) -> bool:
        return isinstance(self.__cause__, httpx.ConnectError | httpx.ConnectTimeout)


class EngineTimeout(ExtractionError):
    reason, retryable = "engine_timeout", True
    sentence = gettext_noop("The reading engine took too long to answer.")
    advice = gettext_noop("Retry. If it happens often, allow the engine more seconds, or fewer calls at a time.")


class EngineFailed(ExtractionError):
    """The endpoint answered 5xx."""

    reason, retryable = "engine_failed", True
    sentence = gettext_noop("The reading engine reported an error of its own.")
    advice = gettext_noop("Retry. If it happens again, look into the engine's log.")


class RateLimited(ExtractionError):
    """429: waiting, not a try; the engine rests for `retry_after` seconds."""

    reason, retryable, counts = "rate_limited", True, False
    sentence = gettext_noop("The reading engine asked us to slow down.")
    advice = gettext_noop("It goes on by itself. If it stays slow, allow the engine fewer calls at a time.")


class EngineBusy(RateLimited):
    """It loads its model, or has a queue that is full: waiting is no try."""

    reason = "engine_busy"
    sentence = gettext_noop("The reading engine is busy: it is loading its model, or others are ahead of us.")
    advice = gettext_noop("It goes on by itself. If it stays so, allow the engine fewer calls at a time.")


class CredentialsRefused(ExtractionError):
    """401, 402 or 403: the batch waits until a person has changed something."""

    reason, counts, pauses = "credentials_refused", False, "credentials"
    sentence = gettext_noop("The reading engine refuses our key.")
    advice = gettext_noop("Check the engine's key and whether its bill is paid, then resume.")


class EngineMissing(ExtractionError):
    """The engine is not configured, or its key cannot be opened: the batch waits."""

    reason, counts, pauses = "engine_missing", False, "credentials"
    sentence = gettext_noop("The reading engine is not set up completely.")
    advice = gettext_noop("Complete the engine's address, model and key in the administration, then resume.")


class RequestRefused(ExtractionError):
    """The endpoint answered another 4xx: asking again would give the same."""

    reason = "request_refused"
    sentence = gettext_noop("The reading engine refused the request.")
    advice = gettext_noop("Look at the attempt's reply: often the model does not exist or takes no images.")


class ParameterRefused(RequestRefused):
    """It names a setting that it does not take, and that we cannot leave out."""

    reason, others_may = "parameter_refused", True
    sentence = gettext_noop("The reading engine does not take one of our settings.")
    advice = gettext_noop("The attempt's reply names it. Test the engine in the administration, or try another model.")


class ImageTooLarge(RequestRefused):
    """Asked again with a smaller image, as long as small type stays legible."""

    reason, others_may = "image_too_large", True
    ladder = ("smaller",)
    sentence = gettext_noop("The image is too large for the reading engine, even reduced.")
    advice = gettext_noop("Give the model a longer context, or use another model.")


class CallWithheld(ExtractionError):
    """Nobody wants the answer any more (paused, stopped): the call was not made."""

    reason, counts = "call_withheld", False
    sentence = gettext_noop("The card was not read: its batch was paused or stopped.")
    advice = gettext_noop("Nothing is wrong, and nothing was paid. Resume the batch to read the card.")


class StorageUnreachable(ExtractionError):
    """The scan cannot be fetched from where scans are kept, which says nothing about it: the batch waits."""

    reason, counts, pauses = "storage_unreachable", False, "disk"
    sentence = gettext_noop("The storage that holds the scans does not answer.")
    advice = gettext_noop("It goes on by itself. If it stays so: `manage.py doctor` says what the storage answers.")


# The model's reply


class ReplyInvalid(ExtractionError):
    """Not JSON, or JSON of another shape than asked for."""

    reason, retryable, others_may = "reply_invalid", True, True
    ladder: tuple[str, ...] = ("corrected",)
    sentence = gettext_noop("The model's answer could not be understood.")
    advice = gettext_noop("Retry. If it happens often, another model may keep to the asked-for form.")


class ReplyTruncated(ReplyInvalid):
    reason = "reply_truncated"
    ladder = ("room", "quiet")
    sentence = gettext_noop("The model's answer was cut off.")
    advice = gettext_noop("Retry. If it happens again, ask for fewer fields or use a model that may answer at length.")


class ReplyLooping(ReplyInvalid):
    """The model repeats itself until it is stopped."""

    reason = "reply_looping"
    ladder = ("0.1", "0.5", "free")
    sentence = gettext_noop("The model repeated itself instead of reading the card.")
    advice = gettext_noop("It was asked in several ways. Enter the values by hand or use another model.")


class ReplyEmpty(ReplyInvalid):
    """No content, or refused by the model or its filter."""

    reason = "reply_empty"
    ladder = ("reworded",)
    sentence = gettext_noop("The model gave no answer for this card.")
    advice = gettext_noop("Retry. If it happens again, enter the values by hand or use another model.")


class ReplyOnlyThought(ReplyEmpty):
    """The model thought, and said nothing."""


# The card


class UnreadableImage(ExtractionError):
    """The same comes of the same bytes: the card fails at once."""

    reason = "unreadable_image"
    sentence = gettext_noop("The image cannot be opened.")
    advice = gettext_noop(
        "The file is damaged or not an image: scan the card again, or enter the values by hand. Retrying cannot help."
    )


class MarkedUnreadable(ExtractionError):
    """A person has looked at what was read, and at the scan."""

    reason = "marked_unreadable"
    sentence = gettext_noop("Somebody has said that this card cannot be read.")
    advice = gettext_noop("Scan the card again, or enter the values by hand.")


class EngineCrashed(ExtractionError):
    """Reading the card ended the process that read it, twice, alone."""

    reason, others_may = "engine_crashed", True
    sentence = gettext_noop("Reading this card ended the program that read it, twice.")
    advice = gettext_noop("Enter the values by hand, and send the scan to whoever looks after cardocr.")


class BrokenOff(ExtractionError):
    """A try whose process ended: it is not begun again by itself, it may be what ended it."""

    reason, retryable = "broken_off", False
    sentence = gettext_noop("The program that read this card has ended meanwhile.")
    advice = gettext_noop(
        "Try again. If it happens again, leave this card out and send its scan to whoever looks after cardocr."
    )


def catalogue(kind: type[ExtractionError] = ExtractionError) -> Iterator[type[ExtractionError]]:
    """Every class that has a reason of its own, each before those below it."""
    if "reason" in vars(kind):
        yield kind
    for below in kind.__subclasses__():
        yield from catalogue(below)


def of_reason(reason: str) -> type[ExtractionError]:
    """The class that a stored reason belongs to; the general one where none does any more."""
    return next((kind for kind in catalogue() if kind.reason == reason), ExtractionError)
