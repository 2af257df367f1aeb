"""The scan under the lens: what a curator does with it by mouse and keys."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e import steps
from tests.e2e.test_results import sent

REGION = """() => {
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({x: 80, y: 80, width: 10, height: 5})) mark.setAttribute(name, value);
    mark.dataset.region = "year";
    document.querySelector("[data-view] .zone").append(mark);
}"""


def test_the_scan_is_zoomed_turned_and_follows_the_field(page: Page, scans: Callable[..., list[Path]]) -> None:
    pk = sent(page, "Lens", scans(2))
    page.goto(f"/batches/{pk}/")
    steps.finished(page)
    page.goto(f"/batches/{pk}/cards/")
    page.locator("#card-rows th a").first.click()
    paper, percent = page.locator("[data-paper]"), page.locator("[data-percent]")
    expect(percent).to_have_text(re.compile(r"\d+ %"))
    whole = percent.inner_text()

    page.locator("[data-view]").focus()
    page.keyboard.press("+")
    expect(percent).not_to_have_text(whole)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("0")
    expect(percent).to_have_text(whole)

    page.get_by_role("textbox", name="Title").focus()
    page.keyboard.press("Alt+r")
    page.keyboard.press("Alt+c")
    expect(paper).to_have_attribute("style", re.compile(r"rotate\(90deg\)"))
    expect(page.get_by_role("button", name="More contrast")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("textbox", name="Title")).to_have_value("title 1")  # no key fell into it
    page.locator("#next-card").click()  # the look holds for the batch
    expect(paper).to_have_attribute("style", re.compile(r"rotate\(90deg\)"))
    page.keyboard.press("Alt+Shift+R")
    expect(paper).to_have_attribute("style", re.compile(r"rotate\(0deg\)"))

    whole = percent.inner_text()
    page.evaluate(REGION)
    page.get_by_role("textbox", name="Title").focus()
    page.get_by_role("textbox", name="Year").focus()
    expect(page.locator("[data-region=year]")).to_have_class("on")
    expect(percent).not_to_have_text(whole)
    expect(page.locator("[data-region=year]")).to_be_in_viewport(ratio=1)
    page.get_by_role("textbox", name="Title").focus()  # nobody knows where it was read: the whole scan
    expect(percent).to_have_text(whole)
    page.locator("[data-region=year]").click()
    expect(page.get_by_role("textbox", name="Year")).to_be_focused()
    page.get_by_label("Follow the field").uncheck()
    page.get_by_role("textbox", name="Title").focus()
    page.locator("[data-tool=fit]").click()
    page.get_by_role("textbox", name="Year").focus()
    expect(page.locator("[data-region=year]")).to_have_class("on")
    expect(percent).to_have_text(whole)

    page.goto(f"/templates/1/?batch={pk}")  # beside a template's fields
    page.evaluate(REGION)
    page.get_by_role("textbox", name="Year: Field").focus()
    expect(page.locator("[data-region=year]")).to_have_class("on")
    page.get_by_role("link", name="Export mapping").click()
    expect(page.get_by_role("cell", name="year_verbatim")).to_be_visible()
    expect(page.get_by_role("link", name="Export mapping")).to_be_focused()
    page.get_by_role("link", name="Sample", exact=True).click()
    expect(page.locator(".sample [data-percent]")).to_have_text(re.compile(r"\d+ %"))
