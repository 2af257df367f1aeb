"""Drafts in a real browser: what people do beside the straight way."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e import steps


def _pick(page: Page, paths: list[Path]) -> None:
    page.set_input_files("input[data-pick]:not([webkitdirectory])", [str(path) for path in paths])


def test_a_scan_that_was_removed_can_be_added_again(page: Page, scans: Callable[..., list[Path]]) -> None:
    steps.new_batch(page, "Removed and added")
    paths = scans(2)
    steps.add_scans(page, paths)
    page.get_by_role("button", name=f"Remove {paths[0].name}").click()
    page.locator("#confirm [value=yes]").click()
    expect(page.locator("#scans .card")).to_have_count(1)

    _pick(page, paths)  # the other one is there still, and is not doubled

    expect(page.locator("#sum-count")).to_have_text("All files added: 2")
    expect(page.locator("#scans .card")).to_have_count(2)


def test_all_scans_that_were_removed_can_be_added_again(page: Page, scans: Callable[..., list[Path]]) -> None:
    steps.new_batch(page, "All removed and added")
    paths = scans(2)
    steps.add_scans(page, paths)
    page.locator("#remove-all").click()
    page.locator("#confirm [value=yes]").click()
    expect(page.locator("#scans .card")).to_have_count(0)

    _pick(page, paths)

    expect(page.locator("#scans .card")).to_have_count(2)


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    steps.new_batch(page, "Too large")
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(60_000_000)

    _pick(page, [large])

    row = page.locator("#sending-rows tr")
    expect(row).to_contain_text("The file is larger than 50 MB.")
    expect(row.get_by_role("button", name="Try again")).to_have_count(0)
    row.get_by_role("button", name="Forget large.jpg").click()
    expect(page.locator("#queue")).to_be_hidden()
