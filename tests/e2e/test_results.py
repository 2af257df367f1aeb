"""The grid and the card page under use: nothing that was typed is lost, whatever happens around it."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Locator, Page, Response, Route, expect

from tests import vlm_server
from tests.e2e import steps
from tests.e2e.conftest import sign_in
from tests.waiting import until

OFFLINE = r"net::ERR_INTERNET_DISCONNECTED|htmx:(afterRequest|sendError)|WebSocket connection"


@pytest.fixture
def read(page: Page, vlm: vlm_server.Server, scans: Callable[..., list[Path]]) -> int:
    """A batch of four cards that have been read; its grid is open."""
    pk = sent(page, "Table", scans(4))
    page.goto(f"/batches/{pk}/")
    steps.finished(page)
    page.goto(f"/batches/{pk}/cards/")
    return pk


def sent(page: Page, name: str, paths: Sequence[Path], **more: str) -> int:
    """A started batch by the forms alone: the walk through the pages has its own tests."""
    page.goto("/batches/new/")
    headers = {"X-CSRFToken": page.locator("#card-action [name=csrfmiddlewaretoken]").input_value()}

    def post(address: str, **values: Any) -> APIResponse:
        answer = page.request.post(address, headers=headers, **values)
        assert answer.ok, answer.text()
        return answer

    found = re.search(r"/batches/(\d+)/", post("/batches/new/", form={"name": name} | more).url)
    assert found
    pk = int(found[1])
    for path in paths:
        post(f"/batches/{pk}/files/", multipart={"files": path})
    for label in ("Author", "Title", "Year"):
        post(f"/batches/{pk}/fields/add/", form={"label": label})
    post(f"/batches/{pk}/start/")
    return pk


def cell(page: Page, row: int, column: int) -> Locator:
    return page.locator("#card-rows tr").nth(row).locator("[data-cell]").nth(column)


def open_cell(page: Page, row: int, column: int) -> Locator:
    cell(page, row, column).locator(".cell--go").click()
    value = cell(page, row, column).locator("[name=value]")
    expect(value).to_be_focused()
    return value


def open_card(page: Page) -> None:
    """The page of the first card, with its scripts: keys that come before them are nobody's."""
    page.locator("#card-rows th a").first.click()
    expect(page.get_by_role("heading", name="Card 1", level=1)).to_be_visible()
    page.wait_for_load_state()


def sign_out(page: Page) -> None:
    """As when the session has run out: the browser's cookie counts no more."""
    for cookie in page.context.cookies():
        if "session" in cookie.get("name", ""):
            page.context.clear_cookies(name=cookie.get("name", ""))


def test_the_grid_by_keyboard_alone(page: Page, read: int) -> None:
    cell(page, 0, 0).locator(".cell--go").focus()
    page.keyboard.press("ArrowDown")
    expect(cell(page, 1, 0).locator(".cell--go")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("F2")
    expect(cell(page, 1, 1).locator("[name=value]")).to_be_focused()
    page.keyboard.type("Spring")
    page.keyboard.press("Escape")
    expect(cell(page, 1, 1)).to_contain_text("title 2")
    expect(cell(page, 1, 1).locator(".cell--go")).to_be_focused()

    page.keyboard.press("Enter")
    expect(cell(page, 1, 1).locator("[name=value]")).to_be_focused()
    page.keyboard.type("Spring")
    page.keyboard.press("Tab")
    expect(cell(page, 1, 2).locator("[name=value]")).to_be_focused()
    expect(cell(page, 1, 1)).to_contain_text("Spring")
    page.keyboard.press("Shift+Tab")
    expect(cell(page, 1, 1).locator("[name=value]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(cell(page, 1, 1).locator(".cell--go")).to_be_focused()


def test_ctrl_enter_says_that_a_card_is_right_and_goes_on(page: Page, read: int) -> None:
    open_card(page)
    page.get_by_role("textbox", name="Author").fill("Grieg")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    expect(page.locator("#messages")).to_contain_text("Saved: card 1.")
    page.locator("#previous-card").click()
    expect(page.get_by_role("textbox", name="Author")).to_have_value("Grieg")
    expect(page.get_by_role("button", name="Not checked")).to_be_visible()


def test_another_cell_opened_saves_what_was_typed(page: Page, read: int) -> None:
    open_cell(page, 0, 0).fill("Grieg")
    cell(page, 0, 1).locator(".cell--go").click()
    expect(cell(page, 0, 1).locator("[name=value]")).to_be_focused()
    expect(cell(page, 0, 0)).to_contain_text("Grieg")
    expect(page.locator("form[data-edit]")).to_have_count(1)


def test_a_filter_a_search_and_card_is_right_save_what_was_typed(page: Page, read: int) -> None:
    open_cell(page, 0, 0).fill("Grieg")
    page.locator("#card-chips").get_by_role("link", name="Problems").click()
    expect(page.get_by_role("heading", name="No card fits this filter")).to_be_visible()
    page.get_by_role("link", name="Show all cards").click()
    expect(cell(page, 0, 0)).to_contain_text("Grieg")

    open_cell(page, 0, 0).fill("Nordraak")
    page.get_by_role("button", name="Card is right card 1").click()
    expect(page.locator("#card-rows tr").nth(0)).to_contain_text("Checked")
    expect(cell(page, 0, 0)).to_contain_text("Nordraak")

    open_cell(page, 1, 0).fill("Svendsen")
    page.get_by_role("searchbox", name="Text in these cards").fill("svendsen")
    expect(page.locator("#card-rows tr")).to_have_count(1)
    expect(cell(page, 0, 0)).to_contain_text("Svendsen")


def test_a_row_that_waits_for_an_answer_is_not_drawn_by_the_socket(page: Page, read: int) -> None:
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))))
    page.reload()
    held: list[Route] = []
    page.route("**/reviewed/**", lambda route: held.append(route))
    open_cell(page, 0, 0).fill("Nordraak")
    page.get_by_role("button", name="Card is right card 1").click()
    until(lambda: page.wait_for_timeout(20) or (held and any("Nordraak" in frame for frame in frames)))
    held.pop().continue_()
    expect(page.locator("#card-rows tr").nth(0)).to_contain_text("Checked")
    expect(page.locator("#card-chips")).to_contain_text("Checked 1")


def test_a_row_that_somebody_presses_on_is_not_drawn_by_the_socket(page: Page, read: int) -> None:
    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))))
    page.reload()
    expect(page.locator("#card-rows tr")).to_have_count(4)
    other = page.context.new_page()
    other.goto(page.url)
    open_cell(other, 0, 0).fill("Nordraak")
    page.bring_to_front()
    cell(page, 0, 1).locator(".cell--go").hover()
    page.mouse.down()
    other.keyboard.press("Enter")
    until(lambda: page.wait_for_timeout(20) or any("Nordraak" in frame for frame in frames))
    page.mouse.up()
    expect(cell(page, 0, 1).locator("[name=value]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(cell(page, 0, 0)).to_contain_text("Nordraak")


def test_keys_pass_over_a_column_that_was_taken_out(page: Page, read: int) -> None:
    page.locator("#columns > summary").click()
    page.get_by_role("checkbox", name="Title").uncheck()
    expect(cell(page, 0, 1)).to_be_hidden()
    cell(page, 0, 0).locator(".cell--go").focus()
    page.keyboard.press("ArrowRight")
    expect(cell(page, 0, 2).locator(".cell--go")).to_be_focused()
    open_cell(page, 0, 0).fill("Grieg")
    page.keyboard.press("Tab")
    expect(cell(page, 0, 2).locator("[name=value]")).to_be_focused()
    page.keyboard.press("Escape")
    page.get_by_role("searchbox", name="Text in these cards").fill("grieg")
    expect(page.locator("#card-rows tr")).to_have_count(1)
    expect(cell(page, 0, 1)).to_be_hidden()


def test_a_column_moves_by_keys_and_rows_of_the_socket_and_of_an_answer_follow(page: Page, read: int) -> None:
    def row(tab: Page = page) -> list[str]:
        return tab.locator("#card-rows tr").first.locator("[data-cell]").evaluate_all("all => all.map(one => one.id)")

    frames: list[str] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(str(data))))
    page.reload()
    usual = row()
    page.locator("#columns > summary").press("Enter")
    step = page.get_by_role("button", name="Move Author down")
    step.focus()
    for number in (3, 4):
        step.press("Enter")
        expect(page.locator("#live-status")).to_have_text(f"Author is column {number} of 7")
        expect(step).to_be_focused()
    moved = [*usual[1:], usual[0]]
    until(lambda: row() == moved)
    other = page.context.new_page()
    other.goto(page.url)
    open_cell(other, 0, 0).fill("Nordraak")
    other.keyboard.press("Enter")
    expect(cell(other, 0, 0)).to_contain_text("Nordraak")  # the third column, as its address says
    until(lambda: row(other) == moved)
    until(lambda: page.wait_for_timeout(20) or any("Nordraak" in frame for frame in frames))
    expect(page.locator("#card-rows tr").first).to_contain_text("Nordraak")
    until(lambda: row() == moved)


def test_a_double_click_says_it_once(page: Page, read: int) -> None:
    page.get_by_role("button", name="Card is right card 1").dblclick(delay=40)
    undo = page.get_by_role("button", name="Not checked card 1")
    expect(undo).to_be_visible()
    page.reload()
    expect(undo).to_be_visible()


def test_two_tabs_with_the_same_cell_keep_both_values(page: Page, console, read: int) -> None:
    console.ignore("409")
    other = page.context.new_page()
    console.watch(other)
    other.goto(f"/batches/{read}/cards/")
    open_cell(page, 0, 0).fill("Mine")
    open_cell(other, 0, 0).fill("Theirs")
    other.keyboard.press("Enter")
    expect(cell(other, 0, 0)).to_contain_text("Theirs")
    expect(cell(page, 0, 0).locator("[name=value]")).to_have_value("Mine")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Somebody else")
    page.get_by_role("heading", name="Table").click()
    expect(cell(page, 0, 0).locator("[name=value]")).to_have_value("Mine")
    page.get_by_role("button", name="Keep mine").click()
    expect(cell(page, 0, 0)).to_contain_text("Mine")
    expect(cell(other, 0, 0)).to_contain_text("Mine")


def test_the_network_gone_in_mid_edit_loses_nothing(page: Page, console, read: int) -> None:
    console.ignore(OFFLINE)
    value = open_cell(page, 0, 0)
    value.fill("Grieg")
    page.context.set_offline(True)
    value.press("Enter")
    expect(page.locator("#toasts")).to_contain_text("The server did not answer")
    expect(value).to_have_value("Grieg")
    page.context.set_offline(False)
    value.press("Enter")
    expect(cell(page, 0, 0)).to_contain_text("author 1")
    expect(cell(page, 0, 0)).to_contain_text("Grieg")

    open_card(page)
    field = page.get_by_role("textbox", name="Author")
    field.fill("Nordraak")
    page.context.set_offline(True)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#live-banner")).to_contain_text("Connection lost.")
    expect(field).to_have_value("Nordraak")
    page.context.set_offline(False)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#messages")).to_contain_text("Saved: card 1.")


def test_a_session_that_ends_in_mid_edit_loses_nothing(page: Page, console, read: int) -> None:
    console.ignore("40[13]|htmx:responseError|response error")
    value = open_cell(page, 0, 0)
    value.fill("Grieg")
    sign_out(page)
    value.press("Enter")
    expect(page.locator("#live-banner")).to_contain_text("You are signed out.")
    expect(value).to_have_value("Grieg")
    sign_in(page.context.new_page())
    value.press("Enter")
    expect(cell(page, 0, 0)).to_contain_text("author 1")
    expect(cell(page, 0, 0)).to_contain_text("Grieg")
    expect(page.locator("#live-banner")).to_be_empty()

    open_card(page)
    field = page.get_by_role("textbox", name="Author")
    field.fill("Nordraak")
    sign_out(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#live-banner")).to_contain_text("You are signed out.")
    expect(field).to_have_value("Nordraak")
    sign_in(page.context.new_page())
    page.keyboard.press("Control+Enter")
    expect(page.locator("#messages")).to_contain_text("Saved: card 1.")


def test_a_row_redrawn_while_it_is_edited_is_drawn_afterwards(page: Page, console, read: int) -> None:
    """The later state wins: what came during the edit never covers what was saved after it."""
    other = page.context.new_page()
    console.watch(other)
    other.goto(f"/batches/{read}/cards/")
    value = open_cell(page, 0, 0)
    value.fill("Grieg")
    open_cell(other, 0, 1).fill("Spring")
    other.keyboard.press("Enter")
    expect(cell(other, 0, 1)).to_contain_text("Spring")
    expect(value).to_have_value("Grieg")
    value.press("Enter")
    for tab in (page, other):
        expect(cell(tab, 0, 0)).to_contain_text("Grieg")
        expect(cell(tab, 0, 1)).to_contain_text("Spring")
    cell(page, 1, 0).locator(".cell--go").focus()
    expect(cell(page, 0, 0)).to_contain_text("Grieg")


def test_leaving_with_something_unsaved_is_asked_about(page: Page, read: int) -> None:
    open_cell(page, 0, 0).fill("Grieg")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.locator("#to-export").click()
    until(lambda: page.wait_for_timeout(20) or asked)
    assert asked == ["beforeunload"]
    expect(cell(page, 0, 0).locator("[name=value]")).to_have_value("Grieg")


def test_a_row_from_the_socket_keeps_the_filter_in_its_link(page: Page, console, read: int) -> None:
    page.goto(f"/batches/{read}/cards/?sort=-name")
    other = page.context.new_page()
    console.watch(other)
    other.goto(f"/batches/{read}/cards/?sort=-name")
    open_cell(other, 0, 0).fill("Grieg")
    other.keyboard.press("Enter")
    expect(cell(page, 0, 0)).to_contain_text("Grieg")
    for tab in (page, other):
        expect(cell(tab, 0, 0)).to_contain_text("Grieg")
        expect(tab.locator("#card-rows th a").first).to_have_attribute("href", re.compile(r"\?sort=-name"))


def test_tabs_and_problems_follow_what_is_done_elsewhere(
    page: Page, console, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    vlm.fail(2, "400")
    vlm.fail(3, "400")
    pk = sent(page, "Counts", scans(3))
    page.goto(f"/batches/{pk}/")
    expect(page.locator("#tab-problems")).to_have_text("2")
    steps.finished(page)
    grid = page.context.new_page()
    console.watch(grid)
    grid.goto(f"/batches/{pk}/cards/")
    page.goto(f"/batches/{pk}/problems/")
    page.get_by_role("button", name="Skip card 2").click()
    expect(page.locator("#problems .problem")).to_have_count(1)
    page.get_by_role("button", name="Retry card 3").focus()
    focused = page.locator(":focus").get_attribute("id")
    expect(grid.locator("#tab-problems")).to_have_text("1")
    grid.get_by_role("button", name="Read it after all").dblclick()
    expect(page.locator("#problems .problem")).to_have_count(2)  # it failed again
    expect(page.locator(":focus")).to_have_id(focused or "")
    vlm.heal()
    grid.get_by_role("button", name="Retry card 2").click()
    expect(page.locator("#problems .problem")).to_have_count(1)
    expect(page.locator(":focus")).to_have_id(focused or "")
    expect(grid.locator("#tab-problems")).to_have_text("1")


def test_newer_rows_come_without_a_new_page(
    page: Page, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    vlm.delay = 0.5
    pk = sent(page, "Fresh", scans(8))
    page.goto(f"/batches/{pk}/cards/?q=author")
    bar = page.locator("#newer-rows")
    expect(bar).to_contain_text("8 newer")
    expect(page.locator("#batch-state")).not_to_have_text(re.compile("Reading|Waiting"))  # a card begun is newer, too
    pages: list[Response] = []
    page.on("response", lambda one: pages.append(one) if one.request.is_navigation_request() else None)
    bar.get_by_role("link").click()
    expect(page.locator("#card-rows tr")).to_have_count(8)
    expect(page.locator("#newer-rows")).to_be_hidden()
    assert pages == []


def test_long_neighbours_do_not_cut_a_flagged_value(page: Page, read: int) -> None:
    for column in (0, 1):
        value = open_cell(page, 0, column)
        value.fill("x" * 10_000)
        value.press("Enter")
        expect(cell(page, 0, column)).to_contain_text("xxx")
    flagged = cell(page, 0, 2).locator(".is-flag")
    expect(flagged).to_have_text("year 1")
    assert flagged.evaluate("value => value.scrollWidth <= value.clientWidth")
