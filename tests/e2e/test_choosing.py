"""Which cards are read: ticked by mouse, a range with Shift, from box to box by keys, with a second tab beside."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e import steps


def test_ticks_are_saved_as_they_are_made(page: Page, scans: Callable[..., list[Path]]) -> None:
    steps.new_batch(page, "Some of them")
    steps.add_scans(page, scans(6))
    boxes = page.locator("#scans .card .box")
    said = page.locator("#chosen")
    expect(said).to_have_text("6 of 6 chosen")

    boxes.nth(1).click()
    boxes.nth(4).click(modifiers=["Shift"])  # from the second to the fifth
    expect(said).to_have_text("2 of 6 chosen")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    expect(said).to_have_text("3 of 6 chosen")
    page.reload()
    ticked = boxes.evaluate_all("all => all.map((box) => box.checked)")
    assert ticked == [True, False, False, True, False, True]

    other = page.context.new_page()
    other.goto(page.url)
    other.locator("#scans .card .box").nth(0).click()
    expect(other.locator("#chosen")).to_have_text("2 of 6 chosen")
    with page.expect_response("**/choose/"):  # draws the buttons anew, while one is asked
        boxes.nth(1).click()  # drawn before: what it does not know of stays
        page.get_by_role("button", name="Choose all").click()
    expect(said).to_have_text("3 of 6 chosen")
    page.get_by_role("button", name="Continue").click()  # three were left out one by one
    expect(said).to_have_text("6 of 6 chosen")
    page.get_by_role("searchbox", name="Name of a scan").fill("scan-3")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Leave these out").click()
    expect(said).to_have_text("5 of 6 chosen")

    other.close()
    steps.name_fields(page, ["Author"])
    steps.start(page, 5)
    steps.finished(page)
    page.get_by_role("link", name="Look at 1", exact=True).click()
    page.get_by_role("button", name="Read this card").click()
    expect(page.locator("#live-rows tr")).to_have_count(6)
    steps.finished(page)
