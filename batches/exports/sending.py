"""An export on its way to whoever asked, noted in Activity."""

import hashlib
from collections.abc import Iterator

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header

from batches import exports
from batches.actions import activity
from batches.exports import options as choices
from batches.models import Activity, Batch
from batches.streaming import stream
from cardocr_site.accounts.models import User

NO_STORE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"}


def headers(filename: str) -> dict[str, str]:
    return NO_STORE | {"Content-Disposition": str(content_disposition_header(True, filename))}


def streamed(batch: Batch, user: User, form: exports.Format, options: exports.Options) -> StreamingHttpResponse:
    """The first cards are on their way before the last ones are read from the database."""
    entry = activity.record(
        batch,
        user,
        "export",
        format=form.key,
        which=options.which,
        settings=choices.settings_of(options, form.key),
        version=batch.version,
    )
    body = stream(_summed(form.write(batch, options), entry))
    named = headers(exports.filename(batch, form.key))
    return StreamingHttpResponse(body, content_type=form.content_type, headers=named)


def _summed(parts: Iterator[bytes], entry: Activity | None) -> Iterator[bytes]:
    """The same, with size and checksum noted once the last byte has left."""
    size, checksum = 0, hashlib.sha256()
    for part in parts:
        size += len(part)
        checksum.update(part)
        yield part
    if entry is not None:
        Activity.objects.filter(pk=entry.pk).update(what=entry.what | {"size": size, "sha256": checksum.hexdigest()})
