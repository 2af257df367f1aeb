"""Two cards on a sheet: found, a cut moved by mouse and keys, cut, and made whole again."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.batches.intake.test_sheets import DARK, drawn, laid
from tests.e2e import axe, steps


def test_a_cut_is_moved_by_mouse_and_keys_and_undone(page: Page, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    laid([drawn((450, 280))] * 2, 1, DARK)[0].save(sheet)
    pk = steps.new_batch(page, "Two on a sheet")
    steps.add_scans(page, [sheet])
    page.get_by_role("link", name="Several cards on one sheet").click()
    page.get_by_role("button", name="Look for the cards on each page").click()
    expect(page.get_by_text("2 cards found")).to_be_visible(timeout=60_000)  # by itself
    expect(page.locator("#look-again")).to_have_count(0)  # and then it asks no more
    assert axe.violations(page) == []
    page.get_by_role("link", name="sheet.png").click()
    left = page.locator("#cut-rows [name=left]").first
    before = int(left.input_value())
    cut = page.locator("#sheet-picture rect").first
    expect(cut).to_be_visible()
    box = cut.bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 60, steps=3)
    page.mouse.up()
    dragged = int(left.input_value())
    assert dragged > before
    page.keyboard.press("ArrowRight")  # the cut that was dragged has the focus
    assert int(left.input_value()) > dragged
    page.get_by_role("button", name="Add a cut").click()
    expect(page.locator("#cut-rows tr")).to_have_count(3)
    page.keyboard.press("Delete")
    expect(page.locator("#cut-rows tr")).to_have_count(2)
    assert axe.violations(page) == []
    moved = left.input_value()
    page.get_by_role("button", name="Cut this sheet").click()
    expect(page.get_by_text("cut: 2 cards")).to_be_visible()
    page.goto(f"/batches/{pk}/upload/")
    expect(page.locator("#scans .card")).to_have_count(2)
    page.get_by_role("link", name="Several cards on one sheet").click()
    page.get_by_role("link", name="sheet.png").click()
    expect(left).to_have_value(moved)
    page.get_by_role("button", name="Make it whole again").click()
    expect(page.get_by_text("2 cards found")).to_be_visible()
