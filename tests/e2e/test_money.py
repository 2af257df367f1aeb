"""What reading costs: told before the start, ten cards first, a limit, and the sum at the end."""

import os
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e import steps
from tests.e2e.axe import violations


def picture(page: Page, name: str) -> None:
    """For whoever wants to look: in the folder that CARDOCR_PICTURES names, in both schemes and narrow."""
    folder = os.environ.get("CARDOCR_PICTURES")
    if not folder:
        return
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=f"{folder}/{name}-{scheme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    size = page.viewport_size
    page.set_viewport_size({"width": 320, "height": 900})
    page.screenshot(path=f"{folder}/{name}-320.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    if size:
        page.set_viewport_size(size)


def test_ten_cards_are_read_first_then_the_rest_within_a_limit(page: Page, scans: Callable[..., list[Path]]) -> None:
    steps.new_batch(page, "First ten")
    steps.add_scans(page, scans(12, first=61))
    steps.name_fields(page, ("Author", "Title", "Year"))
    page.get_by_role("checkbox", name="These cards must not leave the house").check()
    expect(page.locator("#said-engine")).to_contain_text("Saved")
    picture(page, "fields")
    page.get_by_role("link", name="Next: check and start").click()

    expect(page.get_by_role("radio", name="Read ten first")).to_be_checked()
    page.get_by_role("radio", name="Read all 12").check()
    expect(page.get_by_role("button", name="These fields are right, read 12 cards")).to_be_visible()
    page.get_by_role("radio", name="Read ten first").check()
    assert violations(page) == []
    picture(page, "confirm")
    page.get_by_role("button", name="These fields are right, read the first 10 cards").click()

    report = page.locator("#run-pilot")
    expect(report).to_contain_text("The first 10 cards are there: go on?", timeout=60_000)
    expect(report).to_contain_text("$0.0039")
    expect(report).to_contain_text("The remaining 2 cards would take less than a minute and cost about $0.00078.")
    expect(page.locator("#batch-state")).to_contain_text("First cards read")
    assert violations(page) == []
    picture(page, "pilot")

    page.get_by_role("link", name="Set a limit for this batch").click()
    page.get_by_label("What this batch may cost, in USD").fill("0.01")
    picture(page, "limit")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("$0.0061 of $0.01")

    page.locator("#pilot-go-on").click()
    steps.finished(page)
    facts = page.locator("#run-facts")
    expect(facts).to_contain_text("$0.0047")
    expect(facts).to_contain_text("14,400 / 1,800")
    picture(page, "finished")
