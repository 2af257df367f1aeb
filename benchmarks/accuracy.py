"""How much the local engine reads right on the 16 museum cards, field by field: `python -m benchmarks.accuracy`."""

import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ocr import coercion, pipeline
from ocr.engines.base import EngineAdapter, EngineConfig, Prepared, ReadTask
from ocr.engines.local import LocalAdapter, words
from ocr.fields import FieldSpec
from ocr.reading import FieldReading, Reading

ROOT = Path(__file__).resolve().parent.parent
CARDS = Path(os.environ.get("CARDOCR_TEST_CARDS") or ROOT.parent / "shared" / "cards")
TEMPLATE = ROOT / "tests" / "data" / "gbif_template.json"
FIRM = ("card_number", "sea", "date", "coordinates")
LOOSE = ("station", "gear")


@dataclass(slots=True)
class Score:
    """One field over all cards: values that are there, of those right, wrong and left out; and values invented."""

    there: int = 0
    right: int = 0
    wrong: int = 0
    left_out: int = 0
    invented: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.there + other.there,
            self.right + other.right,
            self.wrong + other.wrong,
            self.left_out + other.left_out,
            self.invented + other.invented,
        )

    @property
    def share(self) -> float:
        return self.right / self.there if self.there else 1.0


def truth(folder: Path, prefix: str = "") -> list[dict[str, Any]]:
    lines = (folder / "truth.jsonl").read_text("utf-8").splitlines()
    return [card for card in map(json.loads, lines) if card["file"].startswith(prefix)]


def specs(template: Path = TEMPLATE) -> tuple[FieldSpec, ...]:
    return tuple(FieldSpec.from_dict(field) for field in json.loads(template.read_text("utf-8"))["fields"])


def read(files: Iterable[Path], fields: tuple[FieldSpec, ...], engine: EngineAdapter) -> dict[str, Reading]:
    """The cards as they are scanned, two at a time."""

    def one(path: Path) -> Reading:
        return pipeline.read(Prepared(path, "", 0, 0), ReadTask(fields), engine)

    files = list(files)
    with ThreadPoolExecutor(2) as threads:
        return {path.name: reading for path, reading in zip(files, threads.map(one, files), strict=True)}


def same(spec: FieldSpec, wanted: str, reading: FieldReading) -> bool:
    """After normalisation: the field's own, then case, punctuation, spaces and accents left out."""
    value, _ = coercion.normalise(spec, wanted)
    return words.squashed(value or "") == words.squashed(reading.value or "")


def score(spec: FieldSpec, cards: Iterable[Mapping[str, Any]], readings: Mapping[str, Reading]) -> Score:
    result = Score()
    for card in cards:
        wanted, reading = card["fields"][spec.key], readings[card["file"]].fields[spec.key]
        if not wanted:
            result.invented += reading.value is not None
            continue
        right = same(spec, wanted, reading)
        result.there += 1
        result.right += right
        result.left_out += reading.value is None
        result.wrong += reading.value is not None and not right
    return result


def together(scores: Mapping[str, Score], keys: Iterable[str]) -> Score:
    return sum((scores[key] for key in keys), Score())


def table(scores: Mapping[str, Score]) -> str:
    lines = [f"{'field':<34}{'there':>7}{'right':>7}{'wrong':>7}{'left out':>10}{'invented':>10}{'share':>8}"]
    sums = {", ".join(keys): together(scores, keys) for keys in (FIRM, LOOSE, (*FIRM, *LOOSE))}
    sums["all"] = sums.pop(", ".join((*FIRM, *LOOSE)))
    for name, each in {**scores, **sums}.items():
        lines.append(
            f"{name:<34}{each.there:>7}{each.right:>7}{each.wrong:>7}{each.left_out:>10}{each.invented:>10}"
            f"{each.share:>8.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    cards, fields = truth(CARDS, "gbif"), specs()
    engine = LocalAdapter(EngineConfig(kind="local", name="local"))
    started, cpu = time.perf_counter(), time.process_time()
    readings = read([CARDS / card["file"] for card in cards], fields, engine)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(table({spec.key: score(spec, cards, readings) for spec in fields}))
    for card in cards:
        for spec in fields:
            reading, wanted = readings[card["file"]].fields[spec.key], card["fields"][spec.key]
            if not same(spec, wanted, reading):
                sure = f"{reading.confidence or 0:.2f}"
                print(f"{card['file']} {spec.key}: {wanted!r} read as {reading.verbatim!r} ({sure})")
    load = os.getloadavg()[0]
    print(
        f"{len(cards)} cards, two at a time: {len(cards) / wall:.2f} cards/s, {cpu / len(cards):.2f} CPU-s a card "
        f"({os.cpu_count()} cores, load {load:.1f})"
    )


if __name__ == "__main__":
    main()
