from collections.abc import Callable

import pytest

from batches.intake import adding
from batches.models import Batch, Card
from tests.batches.intake import pictures


@pytest.fixture
def add(batch: Batch) -> Callable[..., list[Card]]:
    def add_file(name: str = "card.jpg", data: bytes | None = None, **options: str) -> list[Card]:
        return adding.add_file(batch, name, [pictures.jpeg() if data is None else data], **options).cards

    return add_file


@pytest.fixture
def scan(add: Callable[..., list[Card]]) -> Card:
    """A card with its file."""
    return add()[0]
