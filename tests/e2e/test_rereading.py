"""Scans that were read before are told and skipped; cards are read again, and a person decides between two readings."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests import vlm_server
from tests.e2e import steps
from tests.e2e.axe import violations

PICTURES = os.environ.get("CARDOCR_TEST_PICTURES", "")  # a folder: what the pages look like is kept there

FIRST = 901  # of the test's own cards: other batches may still be read


def look(page: Page, name: str) -> None:
    """No rule of accessibility broken, nothing wider than the narrowest screen, in either scheme."""
    assert violations(page) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{name}-{scheme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}-narrow.png", full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})


def test_what_was_read_before_is_skipped_and_a_second_reading_waits_for_a_person(
    page: Page, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    def calls() -> int:
        return sum(FIRST <= call.card < FIRST + 4 for call in vlm.calls)

    paths = scans(4, first=FIRST)
    first = steps.begun(page, "Read once", paths[:3])
    steps.finished(page)
    before_it = calls()

    second = steps.new_batch(page, "Read twice")
    steps.add_scans(page, paths[1:])
    steps.name_fields(page, ("Author", "Title", "Year"))
    page.get_by_role("link", name="Next: check and start").click()
    before = page.locator("#read-before")
    expect(before).to_contain_text("2 of them stand in other batches already")
    expect(before.get_by_role("link", name="Read once")).to_have_attribute("href", f"/batches/{first}/cards/")
    expect(page.locator(".go__n")).to_contain_text(re.compile(r"^1\s*cards? to read"), use_inner_text=True)
    look(page, "confirm")
    before.get_by_label("Read again and keep both").check()
    expect(page.locator(".go__n")).to_contain_text(re.compile(r"^3\s*cards? to read"), use_inner_text=True)
    before.get_by_role("link", name="See the 2").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    look(page, "read-before")
    page.get_by_role("link", name="Back to the start").click()
    page.get_by_role("button", name="These fields are right, read 1 card").click()
    steps.finished(page)
    assert calls() == before_it + 1
    page.goto(f"/batches/{second}/cards/")
    page.locator("#card-rows tr").first.get_by_role("link").first.click()
    expect(page.locator("main")).to_contain_text("Not read here: taken over from Read once, card 2")
    look(page, "taken-over")

    page.goto(f"/batches/{second}/cards/?q=author 903")
    page.get_by_role("link", name="Read these again…").click()
    expect(page.locator("#reread-plan")).to_contain_text("1 card to read again")
    page.get_by_role("radio", name=re.compile("OCR")).check()
    expect(page.locator("#reread-plan")).to_contain_text("The scans stay on this machine.")
    page.get_by_role("radio", name=re.compile("Vision")).check()
    look(page, "reread")
    vlm.answer({"title": "Another title {number}"})
    page.get_by_role("button", name="Read 1 card again").click()
    page.wait_for_url(f"**/batches/{second}/")
    steps.finished(page)
    vlm.answer({})
    expect(page.locator("#run-reread")).to_contain_text("1 differs or is new")
    page.reload()  # a row that has just arrived is still fading in
    look(page, "batch")

    page.goto(f"/batches/{second}/cards/")
    page.get_by_role("link", name=re.compile("Check again 1")).click()
    expect(page.locator("#card-rows tr")).to_have_count(1)
    look(page, "again")
    page.get_by_role("link", name=re.compile("^Compare")).click()
    expect(page.locator("#readings")).to_contain_text("1 field differs")
    look(page, "candidate")
    page.get_by_role("button", name="Take the ticked values").click()
    expect(page.locator("#value-title")).to_have_value("Another title 903")
    expect(page.get_by_role("heading", name="Other readings")).to_be_visible()
    look(page, "taken")
    page.get_by_role("button", name="Use this one").click()
    expect(page.locator("#value-title")).to_have_value("title 903")
