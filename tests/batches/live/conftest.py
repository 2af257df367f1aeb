from collections.abc import Callable

import pytest

from batches.models import Batch, Card
from tests.batches.live.sockets import running


@pytest.fixture
def cards(batch: Batch, make_cards: Callable[..., list[Card]]) -> list[Card]:
    made = make_cards(6)
    running(batch)
    batch.refresh_from_db()
    return made
