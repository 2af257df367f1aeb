"""A file that has come gets its row and its cards. Those that come at the same moment share one transaction."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from batches import changes, rows
from batches.intake import adding, names, store
from batches.intake.receiving import Received, Refused
from batches.models import Batch, Card, Upload
from batches.states import UploadStatus as S
from cardocr_site.accounts.models import User


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends files, and what is noted of those that are taken in, in their transaction."""

    by: User
    note: Callable[[User, Sequence[Upload]], None]


def stands(upload: Upload) -> bool:
    """Sent again it changes nothing. What was refused, or taken out again, is looked at anew."""
    if upload.status == S.DONE:
        return upload.cards_made > 0
    return upload.status in {S.OPENING, S.DUPLICATE} and not upload.dismissed


class Entry:
    """One file on its way in: makes its row under the batch's lock, finds that there is one, or holds the file back."""

    def __init__(
        self, batch: Batch, name: str, key: str, *, row: Upload | None = None, sender: Sender | None = None
    ) -> None:
        self.batch, self.name, self.key = batch, name, key
        self.own = row  # a file in parts has its row from its first part on
        self.sender = sender
        self.upload: Upload | None = None
        self.is_new = False

    @property
    def row(self) -> Upload:
        assert self.upload is not None  # noqa: S101
        return self.upload

    def make(self, there: "_There", received: Received, cards: int) -> dict[str, Any] | None:
        """Its row, with so many cards; None: none are to be made of it."""
        if self._stands(there, received) or self._is_twin(there, received):
            return None
        self._save(there, S.DONE, cards_made=cards)
        return {"upload": self.row}

    def hold(self, received: Received) -> None:
        """It is opened step by step, as long as that takes."""
        with store.kept().arriving([received.path]), changes.locked(self.batch) as change:
            adding.refuse_unless_open(change.batch)
            there = _There(change.batch, [(self, received)])
            if not self._stands(there, received) and not self._is_twin(there, received):
                self._save(there, S.OPENING)
                store.hold(self.row, received.path)
                _tell([self])

    def _stands(self, there: "_There", received: Received) -> bool:
        """Whether the file is there already; otherwise its row is ready to be written."""
        upload = there.own.get(self.own.pk, self.own) if self.own else there.uploads.get(self.key)
        if upload is not None and stands(upload):
            if upload.sha256 == received.sha256:
                self.upload = upload
                return True
            upload, self.key = None, ""  # another file after all
        upload = self.upload = upload or Upload(batch=there.batch, client_key=self.key)
        upload.batch = there.batch
        upload.name, upload.size, upload.sha256 = names.shown(self.name) or "?", received.size, received.sha256
        upload.code, upload.message, upload.dismissed, upload.cards_made = "", "", False, 0
        upload.pages_done = upload.pages_total = 0
        return False

    def _is_twin(self, there: "_There", received: Received) -> bool:
        if twin := there.twin_of(self.row):
            self._save(there, S.DUPLICATE, message=twin)
            store.hold(self.row, received.path)
        return bool(twin)

    def _save(self, there: "_There", status: S, **fields: Any) -> None:
        upload = self.row
        upload.status = status
        for name, value in fields.items():
            setattr(upload, name, value)
        if upload.pk is None:
            rows.insert([upload])
        else:
            upload.save()
        self.is_new = True
        there.add(upload)


class _There:
    """What a batch has of files: rows with their keys, names of those with the same bytes. Asked for all at once."""

    def __init__(self, batch: Batch, coming: Iterable[tuple[Entry, Received]]) -> None:
        self.batch = batch
        coming = list(coming)
        keys = {entry.key for entry, _received in coming if entry.key and not entry.own}
        self.own = Upload.objects.in_bulk([entry.own.pk for entry, _received in coming if entry.own])
        hashes = {received.sha256 for _entry, received in coming}
        self.uploads = {row.client_key: row for row in Upload.objects.filter(batch=batch, client_key__in=keys)}
        cards = Card.objects.filter(batch=batch, sha256__in=hashes)
        self._cards = dict(cards.order_by().values_list("sha256", "original_name"))
        others = Upload.objects.filter(batch=batch, sha256__in=hashes, status__in=[S.DONE, S.OPENING])
        others = others.exclude(status=S.DONE, cards_made=0).order_by("pk")
        self._others = list(others.values_list("sha256", "pk", "name"))

    def twin_of(self, upload: Upload) -> str:
        """The name of a file in this batch that has the same bytes; empty: there is none."""
        if upload.sha256 in self._cards:
            return self._cards[upload.sha256]
        return next((name for sha256, pk, name in self._others if sha256 == upload.sha256 and pk != upload.pk), "")

    def add(self, upload: Upload) -> None:
        """What comes with it in the same transaction finds it, too."""
        if upload.client_key:
            self.uploads[upload.client_key] = upload
        if upload.status != S.DUPLICATE:
            self._others.append((upload.sha256, upload.pk, upload.name))


def _tell(entries: Sequence[Entry]) -> None:
    taken: dict[Sender, list[Upload]] = {}
    for entry in entries:
        if entry.sender is not None and entry.is_new and entry.row.status != S.DUPLICATE:
            taken.setdefault(entry.sender, []).append(entry.row)
    for sender, uploads in taken.items():
        sender.note(sender.by, uploads)


class _Waiting:
    def __init__(self, entry: Entry, ready: adding.Ready) -> None:
        self.entry, self.ready = entry, ready
        self.done = False
        self.error: BaseException | None = None


_gate, _turn = threading.Lock(), threading.Lock()
_queue: list[_Waiting] = []


def enter(entry: Entry, ready: adding.Ready) -> None:
    """Its row and cards; file and rows are kept for good when this returns. Raises Refused.

    Whoever has the turn writes down what all others wait for, so a commit is shared by those that came during the last.
    """
    mine = _Waiting(entry, ready)
    with _gate:
        _queue.append(mine)
    with _turn:
        if not mine.done:
            with _gate:
                group, _queue[:] = list(_queue), []
            _write(group)
    if mine.error is not None:
        raise mine.error


def _write(group: Sequence[_Waiting]) -> None:
    batches: dict[int, list[_Waiting]] = {}
    for one in group:
        batches.setdefault(one.entry.batch.pk, []).append(one)
    for members in batches.values():
        try:
            _write_together(members)
        except BaseException as error:  # a file that nobody has heard of again would be taken for added
            if len(members) == 1:
                members[0].error = error
            else:  # whatever is wrong with one of them, the others come in
                for one in members:
                    one.entry.upload, one.entry.is_new = None, False
                    _write([one])
        finally:
            for one in members:
                one.done = True


def _write_together(members: Sequence[_Waiting]) -> None:
    coming = {one.ready.received.path: one.entry for one in members}
    there: _There | None = None

    def make(change: changes.Change, received: Received, cards: int) -> dict[str, Any] | None:
        nonlocal there
        there = there or _There(change.batch, [(one.entry, one.ready.received) for one in members])
        return coming[received.path].make(there, received, cards)

    batch = members[0].entry.batch
    _cards, refusals = adding.keep(
        batch, [one.ready for one in members], {}, make, lambda: _tell([one.entry for one in members])
    )
    for one in members:
        for refusal in refusals:
            if refusal.ready is one.ready:
                one.error = Refused(refusal.code, refusal.message)
