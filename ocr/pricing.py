"""What a call cost, by the endpoint's own figure or by the engine's prices. Unknown stays unknown, never nothing."""

from dataclasses import dataclass
from decimal import Decimal

from ocr.errors import (
    CallWithheld,
    CredentialsRefused,
    EngineMissing,
    ExtractionError,
    RateLimited,
    RequestRefused,
    UnreadableImage,
)
from ocr.reading import Usage

PER = 1_000_000  # tokens that a price is for
SMALLEST = Decimal("0.000001")  # that is stored
DEAREST = Decimal(100_000)  # that a call can be; what is told beyond is no price
_TURNED_AWAY = (CallWithheld, CredentialsRefused, EngineMissing, RateLimited, RequestRefused, UnreadableImage)


@dataclass(frozen=True, slots=True)
class Prices:
    """Per million tokens; None: not known. Without one for cached tokens, they cost what the others do."""

    tokens_in: Decimal | None = None
    tokens_out: Decimal | None = None
    cached: Decimal | None = None
    free: bool = False  # read on this machine: a call costs nothing

    @property
    def known(self) -> bool:
        return self.free or (self.tokens_in is not None and self.tokens_out is not None)

    def of(self, usage: Usage) -> Decimal | None:
        """What a call cost; None: nobody knows."""
        if self.free:
            return Decimal(0)
        if usage.cost is not None and 0 <= usage.cost < DEAREST:
            return usage.cost.quantize(SMALLEST)
        if usage.tokens_in is None or usage.tokens_out is None:
            return None
        if self.tokens_in is None or self.tokens_out is None:
            return None
        cached = min(usage.tokens_cached or 0, usage.tokens_in)
        price = self.tokens_in if self.cached is None else self.cached
        total = (usage.tokens_in - cached) * self.tokens_in + cached * price + usage.tokens_out * self.tokens_out
        return (total / PER).quantize(SMALLEST) if total < DEAREST * PER else None


def may_cost(error: ExtractionError | None) -> bool:
    """Whether the endpoint may charge for a call that ended so: one that it turned away costs nothing.

    Where a reply was paid for before the card was asked again and turned away, the error has that reply's usage.
    """
    if error is not None and (error.usage.tokens_in or error.usage.tokens_out or error.usage.cost):
        return True
    return not (isinstance(error, _TURNED_AWAY) or (error is not None and error.no_connection))
