"""The results of a collection in one file: its batches one after another, their fields united by key."""

import json as json_module
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from batches.exports import csv, json, rows, txt, xlsx
from batches.exports.options import Options
from batches.exports.table import Table
from batches.models import Batch
from batches.queries import collections, grid

Write = Callable[[Batch, Sequence[Batch], Options], Iterator[bytes]]


def having(batches: Sequence[Batch], options: Options) -> list[Batch]:
    """Of chosen cards, the batches that have any."""
    filters = options.filters
    if options.which == "found":
        return [batch for batch, _filters in collections.chosen(batches, replace(filters, cards=()))]
    if options.which == "chosen":
        return [batch for batch, _filters in collections.chosen(batches, grid.Filters(cards=filters.cards))]
    return list(batches)


class CollectedTable(Table):
    """As of one batch, with the batch's name in front; where a batch has no such field, the cell is empty."""

    def __init__(self, whole: Batch, batches: Sequence[Batch], options: Options) -> None:
        super().__init__(whole, options)
        self._batches = batches

    def head(self) -> list[str]:
        return ["batch", *super().head()]

    def rows(self) -> Iterator[list[str]]:
        for batch in self._batches:
            for card in rows.cards(batch, self._options):
                for row in self.of_card(card):
                    yield [batch.name, *row]


def _csv(whole: Batch, batches: Sequence[Batch], options: Options) -> Iterator[bytes]:
    return csv.write_table(CollectedTable(whole, batches, options), options)


def _xlsx(whole: Batch, batches: Sequence[Batch], options: Options) -> Iterator[bytes]:
    return xlsx.write_table(whole, CollectedTable(whole, batches, options), options)


def _json(whole: Batch, batches: Sequence[Batch], options: Options) -> Iterator[bytes]:
    yield f'{{"collection": {json_module.dumps(whole.name, ensure_ascii=False)}, "batches": ['.encode()
    for number, batch in enumerate(batches):
        yield b",\n" if number else b"\n"
        yield from json.write(batch, options)
    yield b"]}\n"


def _one_after_another(write: Callable[[Batch, Options], Iterator[bytes]]) -> Write:
    def written(whole: Batch, batches: Sequence[Batch], options: Options) -> Iterator[bytes]:
        for batch in batches:
            yield from write(batch, options)

    return written


WRITERS: dict[str, Write] = {
    "csv": _csv,
    "xlsx": _xlsx,
    "json": _json,
    "jsonl": _one_after_another(json.write_lines),
    "txt": _one_after_another(txt.write),
}
