"""The main job in a real browser: scans in, checked table out."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests import vlm_server
from tests.e2e import steps
from tests.e2e.conftest import sign_in


def test_scans_in_checked_table_out(
    new_context: Callable, console, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    page: Page = new_context(signed_in=False, accept_downloads=True).new_page()
    console.watch(page)
    sign_in(page)
    vlm.fail(3, "400")
    paths = scans(5)
    pk = steps.begun(page, "Journey", paths)

    expect(page.locator("#live-rows tr")).to_have_count(5)
    expect(page.locator("#live-rows")).to_contain_text("author 1")
    expect(page.locator("#run-problems")).to_be_visible()

    vlm.heal()
    page.locator("#run-retry").click()
    expect(page.locator("#live-rows")).to_contain_text("author 3")
    expect(page.locator("#run-problems")).to_be_hidden()

    page.goto(f"/batches/{pk}/cards/")
    rows = page.locator("#card-rows tr")
    expect(rows).to_have_count(5)
    first = rows.nth(0)
    first.get_by_role("link", name="author 1").click()
    field = first.get_by_role("textbox")
    field.fill("Grieg, Edvard")
    field.press("Enter")
    expect(rows.nth(0)).to_contain_text("Grieg, Edvard")
    expect(rows.nth(0)).to_contain_text("author 1")  # the machine's reading stays beside it

    page.goto(f"/batches/{pk}/export/")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Export 5 cards").click()
    text = Path(taken.value.path()).read_text("utf-8-sig")
    table = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [row["Author"] for row in table] == ["Grieg, Edvard", "author 2", "author 3", "author 4", "author 5"]
    assert {row["status"] for row in table} == {"completed"}
