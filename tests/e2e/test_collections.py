"""A collection under use: its table follows its batches, its review goes through them."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e import steps
from tests.e2e.conftest import Console
from tests.e2e.test_results import cell, sent


def test_its_table_follows_what_happens_in_its_batches_and_its_review_goes_through_them(
    page: Page, scans: Callable[..., list[Path]], new_context: Callable[..., BrowserContext], console: Console
) -> None:
    drawn = scans(3)
    for name, paths in (("Shelf 1", drawn[:2]), ("Shelf 2", drawn[2:])):
        pk = sent(page, name, paths, collection="Shelves")
        page.goto(f"/batches/{pk}/")
        steps.finished(page)

    other = new_context().new_page()
    console.watch(other)
    other.goto("/collections/Shelves/cards/?filter=reviewed")
    expect(other.get_by_text("No card fits this filter")).to_be_visible()
    table = new_context().new_page()
    console.watch(table)
    table.goto("/collections/Shelves/cards/")
    expect(table.locator("#card-rows tr")).to_have_count(3)

    page.goto("/collections/Shelves/review/?queue=")
    where = page.locator(".where strong")
    expect(where).to_have_text("Shelf 1")
    expect(page.locator(".queue__pos")).to_have_text("1 of 3")
    page.get_by_role("textbox", name="Author").fill("Grieg")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".queue__pos")).to_have_text("2 of 3")
    expect(cell(table, 0, 0)).to_contain_text("Grieg")  # in its place
    expect(other.locator("#newer-rows")).to_contain_text("1 newer rows")
    page.keyboard.press("Control+Enter")
    expect(where).to_have_text("Shelf 2")
    expect(page.locator("#toasts")).to_contain_text("These are cards of “Shelf 2” now.")
    expect(page.locator(".frame--begins")).to_have_attribute("title", "Shelf 2")
    page.reload()
    expect(page.locator(".queue__pos")).to_have_text("3 of 3")
    page.keyboard.press("PageUp")
    expect(where).to_have_text("Shelf 1")
    page.go_back()
    expect(where).to_have_text("Shelf 2")
    expect(page).to_have_url(re.compile(r"collection=Shelves&queue=&"))

    other.get_by_role("link", name=re.compile("newer rows")).click()
    expect(other.locator("#card-rows tr")).to_have_count(2)
    link = other.locator("#card-rows th a").last
    expect(link).to_have_attribute("href", re.compile(r"\?collection=Shelves&filter=reviewed$"))
