"""What the threads hand to the collector."""

import threading
from dataclasses import dataclass
from datetime import datetime

from batches.models import Batch, Card
from batches.queries.means import Setup
from ocr.errors import ExtractionError
from ocr.reading import Reading


@dataclass(slots=True)
class Start:
    """A call starts. `decided` is set once the mark stands, `refused` where the card is not ours any more."""

    card: Card
    at: datetime
    decided: threading.Event | None = None  # only an engine inside this process waits for it
    refused: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of a claimed card: a reading, or an error, or neither (it goes back)."""

    card: Card
    batch: Batch  # as it was when the card was claimed; for its frozen settings alone
    setup: Setup
    reading: Reading | None = None
    error: ExtractionError | None = None
    started_at: datetime | None = None  # None: no call was made
    duration: float = 0.0
    retry_in: float = 0.0


@dataclass(slots=True)
class Refund:
    """Calls that a card was charged with, and that were the endpoint's fault after all."""

    card: Card
    tries: int


Event = Start | Outcome | Refund
