"""Uploading in a real browser: a folder, a refused file, a duplicate, a connection that is lost, and a clean list."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, Route, expect

from batches.intake import sniff
from tests import vlm_server
from tests.e2e import steps
from tests.e2e.conftest import Console
from tests.waiting import until

FOLDER = "input[data-pick][webkitdirectory]"
FILES = "input[data-pick]:not([webkitdirectory])"
DRAWN_ANEW = """() => new Promise((drawn) => {
    document.addEventListener("htmx:beforeSwap", ({ detail }) => detail.target.id === "files" && setTimeout(drawn));
    document.dispatchEvent(new Event("scans-changed"));
})"""


def test_a_folder_with_a_bad_file_over_a_bad_network_ends_with_a_clean_list(
    page: Page, scans: Callable[..., list[Path]], tmp_path: Path, console: Console
) -> None:
    console.ignore(r"Failed to load resource: net::ERR_")
    folder = tmp_path / "Kasten 7"
    folder.mkdir()
    for number, path in enumerate(scans(4), 9):
        path.rename(folder / f"{number}.png")
    shutil.copy(folder / "10.png", folder / "copy of 10.png")
    (folder / "notes.docx").write_bytes(b"words" * 500)
    steps.new_batch(page, "A bad network")
    _lose_the_first_answers(page.context, 2)

    page.set_input_files(FOLDER, folder)
    expect(page.locator("#offline")).to_be_visible()
    page.context.set_offline(False)

    expect(page.locator("#sum-count")).to_have_text("Files added: 4. Not added: 2", timeout=60_000)
    expect(page.locator("#offline")).to_be_hidden()
    rows = page.locator("#upload-rows tr")
    refused, duplicate = rows.filter(has_text="notes.docx"), rows.filter(has_text="Duplicate")
    expect(refused).to_contain_text("Refused")
    expect(duplicate).to_contain_text(re.compile("same content as Kasten 7/(copy of )?10.png; not added"))
    names = page.locator("#scans .card__name > span")
    expect(names).to_have_count(4)
    others = names.filter(has_text=re.compile("^(9|11|12).png"))  # of the twins, whichever came first
    expect(others).to_have_text([f"{number}.png" for number in (9, 11, 12)])

    page.reload()
    expect(page.locator("#files")).to_contain_text("1 duplicate, not added")
    expect(page.locator("#files")).to_contain_text("left on the disk")
    duplicate.get_by_role("button", name="Add all the same").click()
    expect(names).to_have_count(5)
    refused.get_by_role("button", name="Take Kasten 7/notes.docx off the list").click()
    expect(rows).to_have_count(5)
    expect(page.locator("#upload-rows tr[data-status=done]")).to_have_count(5)


def test_what_is_decided_is_shown_though_the_list_is_drawn_anew_meanwhile(
    page: Page, scans: Callable[..., list[Path]], tmp_path: Path
) -> None:
    notes = tmp_path / "notes.docx"
    notes.write_bytes(b"words" * 500)
    steps.new_batch(page, "Two at a time")
    page.set_input_files(FILES, [*scans(1), notes])
    expect(page.locator("#sum-count")).to_have_text("Files added: 1. Not added: 1")
    page.reload()
    rows = page.locator("#upload-rows tr")
    expect(rows).to_have_count(2)
    held: list[Route] = []
    page.route("**/decide/", lambda route: held.append(route))
    page.get_by_role("button", name="notes.docx off the list").click()
    until(lambda: page.wait_for_timeout(20) or held)
    page.evaluate(DRAWN_ANEW)
    held[0].continue_()
    expect(rows).to_have_count(1)


def _lose_the_first_answers(context: BrowserContext, number: int) -> None:
    """The server has the file, the browser does not hear of it, and then there is no network for a moment."""
    left = iter(range(number))

    def lose(route: object, request: object) -> None:
        if next(left, None) is None:
            route.continue_()  # type: ignore[attr-defined]
            return
        context.set_offline(True)
        route.fetch()  # type: ignore[attr-defined]
        route.abort("internetdisconnected")  # type: ignore[attr-defined]

    context.route("**/files/", lose)


def test_a_file_that_cannot_be_read_takes_no_other_with_it(page: Page, console: Console) -> None:
    steps.new_batch(page, "Locked")
    page.evaluate(
        """() => {
          const file = (name, read) => ({ isFile: true, name, file: read });
          const good = new File(["no image"], "2.jpg");
          const children = [file("1.jpg", (_, no) => no(new Error("locked"))), file("2.jpg", (yes) => yes(good))];
          const readEntries = (yes) => yes(children.splice(0));
          const box = { isFile: false, name: "Box", createReader: () => ({ readEntries }) };
          const event = new Event("drop", { cancelable: true });
          const items = [{ webkitGetAsEntry: () => box }];
          event.dataTransfer = { types: ["Files"], items };
          document.dispatchEvent(event);
        }"""
    )
    expect(page.locator("#sending-rows")).to_contain_text("Box/1.jpg")
    expect(page.locator("#sending-rows")).to_contain_text("cannot read this file")
    expect(page.locator("#upload-rows")).to_contain_text("Box/2.jpg")


def test_it_can_be_paused_and_goes_on_through_a_restart_behind_a_proxy(
    page: Page, scans: Callable[..., list[Path]], console: Console
) -> None:
    console.ignore(r"Failed to load resource: .* 503")
    steps.new_batch(page, "Paused")
    page.locator("#pause").evaluate("button => button.click()")
    page.set_input_files(FILES, scans(2))
    expect(page.locator("#sum-left")).to_have_text("Paused")
    expect(page.locator("#sum-count")).to_have_text("Files added: 0 of 2")
    alone = re.compile(r"/files/$|favicon")
    page.route(alone, lambda route: route.fulfill(status=503, body="Back in a moment"))
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#offline")).to_be_visible()
    page.unroute(alone)
    expect(page.locator("#sum-count")).to_have_text("All files added: 2")


def test_a_large_file_goes_up_in_parts_and_on_after_a_reload(page: Page, tmp_path: Path, console: Console) -> None:
    console.ignore(r"Failed to load resource: net::ERR_")
    large = tmp_path / "ledger.tif"
    with large.open("wb") as file:
        file.write(vlm_server.card_image(1, (640, 400), kind="TIFF"))
        file.truncate(110_000_000)
    assert sniff.sniff(large.read_bytes()[:1024]) is sniff.TIFF
    steps.new_batch(page, "A large file")
    parts: list[str] = []
    page.on("request", lambda request: parts.append(request.headers["upload-offset"]) if _is_part(request) else None)
    page.context.route("**/parts/*/", lambda route, request: _break_off(route, request, "48000000"))

    page.set_input_files(FILES, large)
    expect(page.locator("#sending-rows")).to_contain_text(re.compile("4[0-9] %"), timeout=60_000)
    page.on("dialog", lambda dialog: dialog.accept())
    page.context.unroute("**/parts/*/")
    page.reload()
    expect(page.locator("#upload-rows")).to_contain_text("Choose the same file again")
    before = len(parts)
    page.set_input_files(FILES, large)

    expect(page.locator("#sum-count")).to_have_text("All files added: 1", timeout=60_000)
    expect(page.locator("#scans .card")).to_have_count(1)
    assert int(parts[before]) >= 48_000_000, "what had come is not sent again"


def _is_part(request: object) -> bool:
    return request.method == "PATCH"  # type: ignore[attr-defined, no-any-return]


def _break_off(route: object, request: object, offset: str) -> None:
    if request.headers.get("upload-offset") == offset:  # type: ignore[attr-defined]
        return  # never answered
    route.continue_()  # type: ignore[attr-defined]


def test_cards_are_laid_in_another_order_by_keyboard(page: Page, scans: Callable[..., list[Path]]) -> None:
    steps.new_batch(page, "Another order")
    steps.add_scans(page, scans(3))
    names = page.locator("#scans .card__name > span")
    page.get_by_role("link", name="Change the order").click()
    page.get_by_role("button", name="Move scan-3.png up").press("Enter")
    expect(names).to_have_text(["scan-1.png", "scan-3.png", "scan-2.png"])
    expect(page.get_by_role("button", name="Move scan-3.png up")).to_be_focused()
    place = page.get_by_label("Place of scan-1.png")
    place.fill("3")
    place.press("Enter")
    expect(names).to_have_text(["scan-3.png", "scan-2.png", "scan-1.png"])
    page.get_by_role("button", name="Natural order again").click()
    expect(names).to_have_text(["scan-1.png", "scan-2.png", "scan-3.png"])


def test_a_scan_is_turned_twice_by_keyboard(page: Page, scans: Callable[..., list[Path]]) -> None:
    steps.new_batch(page, "Upside down")
    steps.add_scans(page, scans(1))
    picture = page.locator("#scans .card__pic img")
    expect(picture).to_be_visible(timeout=30_000)
    turn = page.get_by_role("button", name="Turn scan-1.png to the right")
    for degrees in (90, 180):
        turn.press("Enter")
        expect(picture).to_have_attribute("src", re.compile(f"r={degrees}"))
        expect(turn).to_be_focused()
