"""What the scheduler would act on, in one small question: batches and engines are loaded only where it has changed."""

from typing import Any

from django.db import connection

_SQL = (
    "SELECT b.id, b.status, b.options, b.model, b.rereading_id,"
    " e.id, e.updated_at, e.rest_until, e.profile, o.id, o.updated_at, o.rest_until, o.profile, b.pending"
    " FROM batches_batch b LEFT JOIN ocr_engine e ON e.id = b.engine_id"
    " LEFT JOIN batches_rereading r ON r.id = b.rereading_id LEFT JOIN ocr_engine o ON o.id = r.engine_id"
    " WHERE b.deleted_at IS NULL AND ((b.status IN ('queued', 'running') AND b.compared_upto IS NULL)"
    " OR (b.status = 'paused' AND b.pause_reason IN ('endpoint', 'credentials')))"
)


class Glances:
    """`pending`: how many cards of each batch wait, by the last glance."""

    def __init__(self, batch_id: int | None = None) -> None:
        self._sql, self._values = (
            (_SQL + " ORDER BY b.id", []) if batch_id is None else (_SQL + " AND b.id = %s", [batch_id])
        )
        self._seen: list[tuple[Any, ...]] | None = None
        self.pending: dict[int, int] = {}

    def changed(self) -> bool:
        """Whether something is unlike the last time. What waits for its endpoint may go on at any time."""
        with connection.cursor() as cursor:
            cursor.execute(self._sql, self._values)
            found = cursor.fetchall()
        self.pending = {row[0]: row[-1] for row in found}
        before, self._seen = self._seen, [row[:-1] for row in found]
        return self._seen != before or any(row[1] == "paused" for row in found)
