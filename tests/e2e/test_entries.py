"""Several entries of a card as rows of the table, under use."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests import vlm_server
from tests.e2e import steps
from tests.e2e.conftest import ROOT, Site
from tests.e2e.test_results import cell, open_cell, sent

SEVERAL = """
import sys
from batches.models import Card

card = Card.objects.filter(batch=int(sys.argv[1])).order_by("position").select_related("result").first()
first = card.result.fields
second = {key: {**stored, "value": f"{key} 1 b", "verbatim": f"{key} 1 b"} for key, stored in first.items()}
card.result.entries = [first, second]
card.result.save()
"""


def test_entries_are_acted_on_where_they_stand(
    page: Page, site: Site, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    pk = sent(page, "Entries", scans(2))
    page.goto(f"/batches/{pk}/")
    steps.finished(page)
    code = f"import sys; sys.argv = ['x', '{pk}']\n{SEVERAL}"
    settings = {**os.environ, "CARDOCR_DATA_DIR": str(site.data), "DJANGO_SETTINGS_MODULE": "cardocr_site.settings"}
    subprocess.run([sys.executable, "manage.py", "shell", "-c", code], cwd=ROOT, env=settings, check=True)
    page.goto(f"/batches/{pk}/cards/")
    under = page.locator("#card-rows .under")
    expect(under).to_have_count(1)
    expect(under).to_contain_text("author 1 b")

    under.get_by_role("button", name="Entry is right").click()
    expect(under.get_by_role("button", name="Not checked")).to_be_focused()
    expect(under).to_contain_text("Checked")
    under.get_by_role("button", name="Up").click()
    expect(cell(page, 0, 0)).to_contain_text("author 1 b")
    expect(under).to_have_count(1)

    open_cell(page, 0, 0).fill("Grieg")  # the card is drawn anew, by the answer and by the socket: its entries once
    page.keyboard.press("Enter")
    expect(cell(page, 0, 0)).to_contain_text("Grieg")
    expect(under).to_have_count(1)
    under.get_by_role("button", name="Add an entry").click()
    page.get_by_label("Author").fill("Sinding")
    page.get_by_role("button", name="Save this entry").click()
    expect(under).to_have_count(2)
    expect(under.nth(1)).to_contain_text("Sinding")
    under.nth(1).get_by_role("button", name="Take out").click()
    expect(under).to_have_count(1)
