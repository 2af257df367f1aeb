"""Drafts in a real browser: what people do beside the straight way."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.e2e import steps
from tests.waiting import until


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


def test_what_was_ticked_last_is_saved_however_soon_the_page_is_left(page: Page) -> None:
    pk = steps.new_batch(page, "Left at once")
    fields, held = f"/batches/{pk}/fields/", list[Route]()
    page.goto(fields)
    tick = page.get_by_label("These cards must not leave the house")
    page.route("**/engine/", lambda route: held.append(route))
    with page.expect_request("**/engine/"):
        tick.check()
    page.get_by_role("link", name="Next: check and start").click()
    assert page.url.endswith(fields), "the answer is waited for"
    until(lambda: page.wait_for_timeout(20) or held)
    held.pop().continue_()
    page.wait_for_url("**/confirm/")

    page.goto(fields)
    expect(tick).to_be_checked()
    with page.expect_request("**/engine/"):
        tick.uncheck()
    page.unroute("**/engine/")
    page.reload()  # that request is gone with the page

    def is_off() -> bool:
        page.goto(fields)
        return not tick.is_checked()

    until(is_off)
