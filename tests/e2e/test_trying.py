"""Fields are tried on cards, changed, tried again, compared, and what was read is kept."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests import vlm_server
from tests.e2e import steps
from tests.waiting import until

FIRST = 931  # of the test's own cards: other batches may still be read
SECONDS = 60_000


def test_fields_are_tried_changed_compared_and_started(
    page: Page, scans: Callable[..., list[Path]], vlm: vlm_server.Server
) -> None:
    def calls() -> int:
        return sum(FIRST <= (call.card or 0) < FIRST + 4 for call in vlm.calls)

    steps.new_batch(page, "Tried first")
    steps.add_scans(page, scans(4, first=FIRST))
    steps.name_fields(page, ["Author", "Year"])
    panel = page.locator("#try-on")
    page.locator("#try-now").click()
    expect(panel).to_contain_text("with these fields", timeout=SECONDS)
    expect(panel.locator("thead th")).to_have_count(4)

    page.get_by_role("form", name="Field Year").get_by_label("Year: Instruction").fill("Four digits.")
    page.locator("#try-now").click()  # typed and not left: it is saved first
    until(lambda: calls() == 6)
    page.reload()
    expect(panel).to_contain_text("These readings are kept", timeout=SECONDS)

    page.get_by_role("link", name="Next: check and start").click()
    page.get_by_role("button", name="These fields are right, read 1 card").click()
    expect(page.get_by_role("checkbox", name="I have compared the 3 cards")).to_be_focused()
    page.get_by_role("checkbox", name="I have compared the 3 cards").check()
    page.get_by_role("button", name="These fields are right, read 1 card").click()
    page.wait_for_url(re.compile(r"/batches/\d+/$"))
    expect(page.locator("#live-rows tr")).to_have_count(4, timeout=SECONDS)
    assert calls() == 7
