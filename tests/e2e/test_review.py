"""The review under use: by keys alone, by two people, over a network that is gone and a session that has ended."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.e2e import steps
from tests.e2e.conftest import PASSWORD, Console
from tests.e2e.test_results import OFFLINE, sent, sign_out
from tests.waiting import until


@pytest.fixture
def first(page: Page, scans: Callable[..., list[Path]]) -> str:
    """The review of a batch of three cards is open at the first one."""
    pk = sent(page, "Review", scans(3))
    page.goto(f"/batches/{pk}/")
    steps.finished(page)
    page.goto(f"/batches/{pk}/cards/")
    card = (page.locator("#card-rows tr").first.get_attribute("id") or "").removeprefix("card-")
    address = f"/batches/{pk}/review/?queue=&card={card}"
    page.goto(address)
    expect(page.get_by_role("textbox", name="Year")).to_be_focused()  # the one in doubt
    page.get_by_role("textbox", name="Author").focus()
    return address


def status(page: Page, words: str) -> None:
    expect(page.locator("#review-status")).to_contain_text(re.compile(words))


def test_a_whole_review_by_keys_alone(page: Page, first: str) -> None:
    page.keyboard.press("Control+a")
    page.keyboard.type("Grieg")
    page.keyboard.press("Enter")  # accepted; on to the next field
    expect(page.get_by_role("textbox", name="Year")).to_be_focused()
    status(page, "Saved")
    page.keyboard.press("Shift+Enter")
    expect(page.get_by_role("textbox", name="Title")).to_be_focused()
    page.keyboard.type("half ")
    status(page, "Kept")
    page.keyboard.press("Escape")  # back to what was saved, and that can be undone
    expect(page.get_by_role("textbox", name="Title")).to_have_value(re.compile("^title"))
    expect(page.locator("#review-undo")).to_be_visible()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    expect(page.get_by_role("textbox", name="Year")).to_be_focused()
    status(page, "Saved")
    page.keyboard.press("PageDown")
    expect(page.get_by_role("heading", name="Card 3", level=1)).to_be_visible()
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    expect(page.get_by_role("heading", name="Card 1", level=1)).to_be_visible()
    expect(page.get_by_role("textbox", name="Author")).to_have_value("Grieg")
    expect(page.locator("#card-pill")).to_have_text("Checked")
    page.go_back()
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    page.keyboard.press("Alt+f")
    page.get_by_label("What is to be looked at").fill("Which Grieg?")
    page.keyboard.press("Enter")
    expect(page.locator(".fields__list")).to_contain_text("Which Grieg?")
    page.locator("#card-title").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+x")
    page.keyboard.type("water")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Card 3", level=1)).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("Card 2 stands under Problems now.")
    expect(page.locator("[data-frame]").nth(1)).to_have_class(re.compile("frame--bad"))
    page.locator("#card-title").focus()
    page.keyboard.press("Control+z")
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    expect(page.locator("#messages")).to_contain_text("Undone: card 2.")
    expect(page.get_by_role("button", name="Cannot read")).to_be_visible()  # it is read, as before


def test_the_last_card_of_a_queue_can_be_taken_back(page: Page, first: str) -> None:
    page.goto(first.replace("queue=&", "queue=check&"))
    page.keyboard.press("PageDown")
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    page.keyboard.press("PageDown")
    expect(page.get_by_role("heading", name="Card 3", level=1)).to_be_visible()
    page.keyboard.press("Control+Enter")  # there is none after it: the one before begins
    expect(page.get_by_role("heading", name="Card 1", level=1)).to_be_visible()
    page.locator("#card-title").focus()
    page.keyboard.press("Control+z")
    expect(page.locator("#messages")).to_contain_text("Undone: card 3.")
    page.keyboard.press("PageUp")
    page.keyboard.press("PageUp")
    for name in ("Card 1", "Card 2", "Card 3"):
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
        page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Nothing is left to check here")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Card 3 was the last one.")).to_be_visible()
    page.reload()
    page.keyboard.press("Control+z")
    expect(page.locator("#messages")).to_contain_text("Undone: card 3.")
    expect(page.get_by_role("heading", name="Card 3", level=1)).to_be_visible()
    expect(page.locator("#card-pill")).not_to_have_text("Checked")
    expect(page.locator("#review-undo")).to_be_hidden()


def test_two_people_on_one_card_lose_nothing_though_one_is_offline(
    page: Page, first: str, new_context: Callable[..., BrowserContext], console: Console
) -> None:
    console.ignore(OFFLINE)
    other = new_context().new_page()
    console.watch(other)
    other.goto(first)
    page.context.set_offline(True)
    page.get_by_role("textbox", name="Author").fill("Mine")
    page.get_by_role("textbox", name="Title").focus()
    status(page, "Not saved, trying again")
    other.get_by_role("textbox", name="Author").fill("Theirs")
    other.keyboard.press("Enter")
    status(other, "Saved")
    page.context.set_offline(False)
    status(page, "Kept")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#review-said")).to_contain_text("Somebody else has changed this card")
    row = page.locator("[data-field-row=author]")
    expect(row).to_contain_text("Theirs")
    expect(row.get_by_role("textbox")).to_have_value("Mine")
    row.get_by_role("button", name="Keep mine").click()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    other.reload()
    expect(other.get_by_role("textbox", name="Author")).to_have_value("Mine")


def test_a_session_that_ends_asks_over_the_page_and_saves_then(page: Page, first: str, console: Console) -> None:
    console.ignore("422")  # the wrong password
    page.get_by_role("textbox", name="Author").fill("Typed before")
    sign_out(page)
    page.keyboard.press("Control+Enter")
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Password").fill("wrong")
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog).to_contain_text("That is not right")
    console.ignore(OFFLINE)
    page.context.set_offline(True)
    dialog.get_by_role("button", name="Sign in").click()
    expect(dialog.get_by_role("alert")).to_have_text(re.compile("does not answer"))  # nor is it called a wrong password
    page.context.set_offline(False)
    # One is signed in, and the page does not know it: its token is the old one. Just then it asks for the lease.
    meanwhile = """() => {
        const ask = window.fetch;
        window.fetch = async (address, what) => {
            const answer = await ask(address, what);
            if (what?.method === "POST" && String(address).includes("/accounts/login/"))
                document.dispatchEvent(new Event("visibilitychange"));
            return answer;
        };
    }"""
    page.evaluate(meanwhile)
    with page.expect_request("**/lease/**"):
        dialog.get_by_label("Password").fill(PASSWORD)
        dialog.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    page.keyboard.press("PageUp")
    expect(page.get_by_role("textbox", name="Author")).to_have_value("Typed before")
    console.ignore(r"403 .*/save/")
    page.route("**/save/**", lambda route: route.fulfill(status=403), times=1)  # somebody signed in in another tab
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    status(page, "Saved")


def test_a_save_that_waits_is_sent_with_its_own_cards_version(page: Page, first: str, console: Console) -> None:
    console.ignore(OFFLINE)
    page.wait_for_load_state("networkidle")  # the next card is fetched ahead
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("PageDown")  # while both wait
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("[data-frame]").first).to_have_class(re.compile("frame--done"))
    page.goto(first)
    expect(page.locator("#card-pill")).to_have_text("Checked")


def test_a_double_click_finds_one_card_right(page: Page, first: str) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/save/" in request.url else None)
    held: list[Route] = []
    page.route("**/save/**", lambda route: held.append(route))
    with page.expect_request("**/save/**"):
        page.locator("#card-right").click()
    page.locator("#card-right").click()  # the first one is still under way
    until(lambda: page.wait_for_timeout(20) or held)
    for route in held:
        route.continue_()
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    status(page, "Saved")
    assert len(sent) == 1


def test_the_second_of_two_quick_clicks_does_not_reach_the_next_card(page: Page, first: str) -> None:
    page.wait_for_load_state("networkidle")
    press = """() => {
        const click = (detail) => document.getElementById("card-right")
            .dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, detail }));
        click(1);
        document.addEventListener("review:shown", () => click(2), { once: true });
    }"""
    page.evaluate(press)  # as a double click of which the second press meets what has come in between
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    status(page, "Saved")
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    expect(page.locator("#card-pill")).not_to_have_text("Checked")


def test_what_could_not_be_saved_is_told_until_it_is_settled(
    page: Page, first: str, new_context: Callable[..., BrowserContext], console: Console
) -> None:
    console.ignore(OFFLINE)
    console.ignore("404")
    other = new_context().new_page()
    other.goto(first)
    page.wait_for_load_state("networkidle")  # the next card is fetched ahead
    page.context.set_offline(True)
    page.keyboard.press("Control+a")
    page.keyboard.type("Mine")
    page.keyboard.press("Control+Enter")
    page.keyboard.press("PageDown")  # while it waits
    other.get_by_role("textbox", name="Author").fill("Theirs")
    other.keyboard.press("Enter")
    status(other, "Saved")
    page.context.set_offline(False)
    line = page.locator("#unsettled .notice")
    expect(line).to_contain_text("Card 1: your value and somebody else's differ.")
    page.reload()
    line.get_by_role("link", name="Look").click()
    row = page.locator("[data-field-row=author]")
    expect(row).to_contain_text("Theirs")
    expect(row.get_by_role("textbox")).to_have_value("Mine")
    expect(line).to_have_count(0)  # the card itself says it
    page.keyboard.press("PageDown")
    expect(line).to_contain_text("Card 1")
    page.keyboard.press("PageUp")
    row.get_by_role("button", name="Keep mine").click()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
    expect(line).to_have_count(0)

    asked: list[str] = []
    page.route("**/save/**", lambda route: (asked.append(route.request.url), route.fulfill(status=404)))
    page.get_by_role("textbox", name="Title").fill("Typed for nothing")
    page.keyboard.press("Control+Enter")
    expect(line).to_contain_text("Card 2: not saved. The card is no longer there")
    status(page, "^Not saved$")
    page.keyboard.press("PageDown")
    expect(page.get_by_role("heading", name="Card 3", level=1)).to_be_visible()
    expect(line.get_by_label("What you typed")).to_have_value("Title: Typed for nothing")
    line.get_by_role("button", name="Copy").click()
    line.get_by_role("button", name="Forget it").click()
    expect(line).to_have_count(0)
    assert len(asked) == 1


def test_a_key_laid_elsewhere(page: Page, first: str) -> None:
    page.goto("/accounts/profile/")
    flag = page.get_by_label("flag with a note")
    flag.press("Alt+j")  # pressed, it writes itself
    expect(flag).to_have_value("Alt+J")
    page.get_by_label("card is right, next card").fill("F8")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("saved")
    try:
        page.goto(first)
        expect(page.get_by_role("textbox", name="Year")).to_be_focused()
        expect(page.locator("#card-right")).to_contain_text("F8")
        page.keyboard.press("Alt+f")
        page.keyboard.press("Alt+j")
        expect(page.get_by_label("What is to be looked at")).to_be_focused()
        page.keyboard.press("Escape")
        page.keyboard.press("F8")
        expect(page.get_by_role("heading", name="Card 2", level=1)).to_be_visible()
        status(page, "Saved")
    finally:
        page.goto("/accounts/profile/")
        page.get_by_role("button", name="Back to the usual keys").click()
        expect(page.locator("#messages")).to_contain_text("saved")
