"""What preparation finds on the scans of a draft, in a real browser: copies, blank ones, which way up."""

import io
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect

from tests import vlm_server
from tests.e2e import steps
from tests.e2e.axe import violations


def test_a_copy_is_taken_out_a_blank_one_read_and_a_card_turned(page: Page, tmp_path: Path) -> None:
    scan = vlm_server.card_image(1)
    again = io.BytesIO()
    Image.open(io.BytesIO(scan)).resize((900, 600)).save(again, "JPEG", quality=60)
    (tmp_path / "card.jpg").write_bytes(scan)
    (tmp_path / "copy.jpg").write_bytes(again.getvalue())
    Image.new("RGB", (600, 400), "ivory").save(tmp_path / "empty.jpg")
    steps.new_batch(page, "Copies")
    steps.add_scans(page, sorted(tmp_path.glob("*.jpg")))

    expect(page.locator("#scans")).to_contain_text("Blank 1", timeout=60_000)
    page.get_by_role("checkbox", name="Read empty.jpg").check()
    expect(page.locator("#chosen")).to_have_text("3 of 3 chosen")
    page.get_by_role("button", name="Turn card.jpg to the right").click()
    turned = page.get_by_role("img", name="Scan card.jpg")
    expect(turned).to_have_attribute("src", re.compile(r"\?r=90$"), timeout=60_000)

    page.get_by_role("link", name="1 pair looks alike").click()
    expect(page.get_by_role("heading", name="Scans that look alike")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name=re.compile("Take this one out.*copy.jpg")).click()
    expect(page.locator("main")).to_contain_text("No two scans of this batch look alike")
    page.get_by_role("link", name="Back to the scans").click()
    expect(page.locator("#scans .card")).to_have_count(2)
