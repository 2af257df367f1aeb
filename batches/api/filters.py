"""Which cards of a batch are meant, as the pages' addresses say it."""

from typing import Literal

from ninja import Field

from batches.models import Batch
from batches.queries import grid
from cardocr_site.contract import Closed, Text, invalid

FilterName = Literal[
    "", "check", "empty", "again", "read", "sample", "reviewed", "problems", "skipped", "blank", "left-out", "waiting"
]


class FilterIn(Closed):
    """All that is said must hold. Nothing said: every card."""

    filter: FilterName = ""
    q: Text = Field("", max_length=200, description="Words of the values or the file name.")
    field: str = Field("", max_length=50, description="The words stand in this field.")
    below: int = Field(0, ge=0, le=99, description="The engine was less sure than so many percent.")

    def filters(self, batch: Batch) -> grid.Filters:
        """Raises Refused."""
        if self.field and self.field not in {spec.key for spec in batch.specs()}:
            raise invalid("field", self.field)
        asked = {"filter": self.filter, "q": self.q, "in": self.field, "below": str(self.below or "")}
        return grid.Filters.from_query(asked, batch)
