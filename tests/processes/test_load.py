"""The load run finds nothing wrong on a site that is sound, and finds what was made wrong."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from benchmarks.load import __main__ as load
from benchmarks.load import people, report, site
from benchmarks.load.line import Closed, Line

pytestmark = [pytest.mark.processes, pytest.mark.embedded]

TINY = (
    "--minutes 0.05 --cards 60 --people 3 --think 0.2 --viewers 4 --uploads 1 --files 6 --rest 1 --running 2"
    " --latency 0.2"
)


def test_a_sound_site_has_no_error_and_what_is_spoilt_is_found(tmp_path):
    options = load.arguments(TINY.split())
    with site.running(tmp_path, "embedded", load.world_of(options)) as place:
        run = load.Load(options, place)
        asyncio.run(run.work())
        run.judge()
        told = "\n".join(report.lines("tiny", run.record, run.scales, run.seconds))
        assert not run.record.faults, place.serving.log.read_text()
        assert run.record.saved
        assert run.record.sent
        assert all(row in told for row in ("Errors: 0", "| upload: a file |", "| web process |"))
        spoil(run, place)
        run.judge()
    found = {fault.split(":")[0].split()[0] for fault in run.record.faults}
    assert found == {"nowhere", "card", "upload", "edit", "batch", "row"}
    assert {fault for fault in run.record.faults if fault.startswith("row")} == {"row: missed", "row: doubled"}


def spoil(run: load.Load, place: site.Site) -> None:
    """One of each kind of fault."""
    next(place.serving.data.glob("**/0-1-0.jpg")).unlink()
    with closing(sqlite3.connect(Path(place.serving.data) / "cardocr.sqlite3", timeout=20)) as database:
        database.execute("DELETE FROM batches_fieldrevision WHERE card_id = ?", [run.record.saved[0][0]])
        card = "SELECT min(id) FROM batches_card WHERE batch_id = ?"
        database.execute(f"UPDATE batches_card SET status = 'failed' WHERE id = ({card})", [run.world.running[0]])
        database.commit()
    body = b'{"url": "data:image/jpeg;base64,AAAA"}'
    for _ in range(2):
        httpx.post(f"{place.endpoint}/chat/completions", content=body)
    first, second = run._viewers[:2]
    first.seen.popitem()
    card, (version, _at) = next(iter(second.seen.items()))
    row = {"id": f"card-{card}", "html": f'<tr data-version="{version}">'}
    second.take({"version": [version, card], "fragments": [], "rows": [row], "reload": False}, 0.0)
    asyncio.run(astray(run, place))


async def astray(run: load.Load, place: site.Site) -> None:
    """A page and a socket that are not there."""
    session = tuple(place.world["people"][0])
    async with run.world.browser(session) as browser:
        assert await people.asked(run.world, browser, "nowhere", "GET", "/nowhere/") is None
    with pytest.raises(Closed):
        await Line.open(place.url, "/ws/nowhere/", "=".join(session))
