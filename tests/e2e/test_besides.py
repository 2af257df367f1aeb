"""What a batch asks besides its fields: chosen, repeated before the start, shown on the card, taken away."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests import vlm_server
from tests.e2e import steps
from tests.e2e.axe import violations

WISHES = (
    "Also write down all text on the card",
    "Describe the pictures on the card",
    "Sum the card up in one sentence",
    "A card may hold several entries",
)


def test_all_that_can_be_asked_for_is_asked_shown_and_exported(
    page: Page, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    vlm.fail(33, "refusal")
    vlm.fail(34, "null_values")
    pk = steps.new_batch(page, "Several entries")
    steps.add_scans(page, scans(4, first=31))
    steps.name_fields(page, ("Author", "Title", "Year"))

    form = page.locator("#engine")
    form.get_by_text("More", exact=True).click()
    form.locator("[data-local]").check()
    expect(form.get_by_label(WISHES[0])).to_be_visible()
    expect(form.get_by_label(WISHES[3])).to_be_hidden()
    form.locator("input[name=engine]:not([data-local])").first.check()
    for wish in WISHES[:-1]:
        form.get_by_label(wish).check()
    with page.expect_response(lambda answer: "multiple_entries=on" in (answer.request.post_data or "")):
        form.get_by_label(WISHES[-1]).check()
    expect(page.locator("#said-engine")).to_contain_text("Saved")

    page.get_by_role("link", name="Next: check and start").click()
    expect(page.locator("main")).to_contain_text("A card may hold several entries, each with these fields.")
    expect(page.locator("main")).to_contain_text("Each card is summed up in one sentence.")
    page.get_by_role("button", name="These fields are right, read 4 cards").click()
    expect(page.locator("#live-rows tr")).to_have_count(3)
    steps.finished(page)

    page.goto(f"/batches/{pk}/cards/?q=entry 2")
    expect(page.locator("#card-rows tr:not(.under)")).to_have_count(2)
    expect(page.locator("#card-rows tr.under")).to_have_count(2)
    page.locator("#card-rows tr").first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Entry 2")).to_be_visible()
    for text in ("author 31, entry 2", "summary 31", "pictures 31"):
        expect(page.locator(".fields")).to_contain_text(text)
    assert violations(page) == []

    page.goto(f"/batches/{pk}/cards/")
    page.get_by_role("link", name="Nothing found 1").click()
    expect(page.locator("#card-rows tr")).to_have_count(1)
    expect(page.locator("#card-rows")).to_contain_text("scan-34.png")
    page.goto(f"/batches/{pk}/problems/")
    page.get_by_role("link", name="Choose another one").click()
    expect(page).to_have_url(re.compile(rf"/batches/{pk}/again/\?filter=problems&cause="))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    vlm.heal()

    page.goto(f"/batches/{pk}/export/")
    page.get_by_role("radio", name="Every card").check()
    page.get_by_role("checkbox", name="All text on the card").check()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Export 4 cards").click()
    table = list(csv.DictReader(io.StringIO(Path(taken.value.path()).read_text("utf-8-sig")), delimiter=";"))
    assert [(row["entry"], row["Author"]) for row in table[:2]] == [("1", "author 31"), ("2", "author 31, entry 2")]
    assert [row["entry"] for row in table] == ["1", "2", "1", "2", "", ""]
    assert table[1]["summary"] == "summary 31"
