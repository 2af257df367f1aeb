"""What a curator does, step by step, by the names that stand on the pages."""

import re
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, expect


def new_batch(page: Page, name: str) -> int:
    page.goto("/batches/new/")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Next: scans").click()
    page.wait_for_url("**/upload/")
    found = re.search(r"/batches/(\d+)/", page.url)
    assert found, page.url
    return int(found[1])


def add_scans(page: Page, paths: Sequence[Path]) -> None:
    page.set_input_files("input[data-pick]:not([webkitdirectory])", [str(path) for path in paths])
    expect(page.locator("#sum-count")).to_contain_text(re.compile("files added", re.IGNORECASE))
    expect(page.locator("#scans .card")).to_have_count(len(paths))


def name_fields(page: Page, labels: Sequence[str]) -> None:
    page.get_by_role("link", name="Next: fields").click()
    for label in labels:
        page.get_by_label("New field").fill(label)
        page.locator("#add-button").click()
        expect(page.get_by_role("form", name=f"Field {label}")).to_be_visible()


def start(page: Page, number: int) -> None:
    page.get_by_role("link", name="Next: check and start").click()
    cards = "card" if number == 1 else "cards"
    if number > 10:
        page.get_by_role("radio", name=f"Read all {number}").check()
    page.get_by_role("button", name=f"These fields are right, read {number} {cards}").click()
    page.wait_for_url(re.compile(r"/batches/\d+/$"))


def begun(page: Page, name: str, paths: Sequence[Path], labels: Sequence[str] = ("Author", "Title", "Year")) -> int:
    """A batch from its name to its start."""
    pk = new_batch(page, name)
    add_scans(page, paths)
    name_fields(page, labels)
    start(page, len(paths))
    return pk


def finished(page: Page, seconds: float = 60) -> None:
    expect(page.locator("#run-stop")).to_have_count(0, timeout=seconds * 1000)
