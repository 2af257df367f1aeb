"""An engine is tested in the administration, and its models are offered."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests import vlm_server
from tests.e2e import steps
from tests.e2e.axe import violations
from tests.e2e.conftest import Console


@pytest.fixture
def endpoint(vlm: vlm_server.Server) -> Iterator[vlm_server.Server]:
    before = vlm.models
    vlm.models = [{"id": "plain-7b"}, {"id": "qwen3-vl-8b"}, {"id": "stub", "capabilities": ["vision"]}]
    yield vlm
    vlm.models = before
    vlm.model.refused = set()


def names(page: Page) -> list[Any]:
    options = page.locator("datalist[id^=models-of] option")
    expect(options.first).to_be_attached()
    return list(options.evaluate_all("options => options.map(option => option.value)"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_administrator_tests_an_engine_and_reads_what_was_found(
    new_context: Callable[..., BrowserContext], console: Console, endpoint: vlm_server.Server, scheme: str
) -> None:
    endpoint.model.refused = {"temperature"}
    endpoint.delay = 0.3
    page = new_context(color_scheme=scheme, reduced_motion="reduce").new_page()
    console.watch(page)
    page.goto("/admin/ocr/engine/")
    page.get_by_role("link", name="127.0.0.1").click()
    page.get_by_role("button", name="Test this engine").click()
    panel = page.locator("#test")
    expect(panel).to_contain_text("Look again")  # the page says that it is going on
    expect(panel).to_contain_text("Cards can be read with it.", timeout=60_000)  # nobody has reloaded it

    expect(panel.get_by_role("row", name="Sees pictures")).to_contain_text("OK")
    expect(panel.get_by_role("row", name="Temperature")).to_contain_text("Warning")
    expect(panel.get_by_role("row", name="Temperature")).to_contain_text("It cannot be set and is left out.")
    assert [problem for problem in violations(page) if "tested" in problem or "models-" in problem] == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")


def test_models_are_offered_where_a_batch_names_its_engine(page: Page, endpoint: vlm_server.Server) -> None:
    steps.new_batch(page, "With another model")
    page.goto(page.url.replace("/upload/", "/fields/"))
    field = page.get_by_label("Model", exact=True)
    field.focus()
    assert names(page) == ["qwen3-vl-8b", "stub", "plain-7b"]
    expect(page.get_by_text("It has 3 models")).to_be_visible()
    field.fill("of-no-list")  # any name will do
    field.press("Tab")
    expect(page.locator("#said-engine")).to_contain_text("Saved")
    assert violations(page) == []
