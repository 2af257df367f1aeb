"""Somebody is invited, comes in, comes back in with a new password, and is shut out."""

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.axe import ALL, COLOURS, violations
from tests.e2e.conftest import Console

FIRST, SECOND = "a drawer full of cards", "another drawer of cards"


def look_at(page: Page) -> None:
    """Clean in light and dark, and no wider than a telephone."""
    for scheme, rules in (("light", ALL), ("dark", COLOURS)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert violations(page, rules) == [], scheme
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.set_viewport_size(size)


def test_from_the_invitation_to_the_end(
    new_context: Callable[..., BrowserContext], console: Console, page: Page
) -> None:
    guest = new_context(signed_in=False).new_page()
    console.watch(guest)
    page.goto("/accounts/people/")
    page.get_by_role("link", name="Invite somebody").click()
    page.get_by_label("First name").fill("Solveig")
    page.get_by_role("button", name="Make the invitation").click()
    expect(page.get_by_label("The link")).to_be_visible()
    look_at(page)
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("#link-copied")).to_have_text("Copied")

    guest.goto(page.get_by_label("The link").input_value())
    guest.get_by_label("User name").fill("solveig")
    guest.get_by_label("Password", exact=True).fill(FIRST)
    guest.get_by_role("button", name="Make the account").click()
    expect(guest).to_have_url("/batches/")

    page.goto("/accounts/people/")
    page.get_by_role("button", name="Password link solveig").click()
    guest.goto(page.get_by_label("The link").input_value())
    look_at(guest)
    for name in ("New password", "New password confirmation"):
        guest.get_by_label(name, exact=True).fill(SECOND)
    guest.get_by_role("button", name="Set the password").click()
    expect(guest.get_by_text("Your password has been set")).to_be_visible()
    guest.get_by_label("User name").fill("solveig")
    guest.get_by_label("Password", exact=True).fill(SECOND)
    guest.get_by_role("button", name="Sign in").click()
    expect(guest).to_have_url("/batches/")

    page.goto("/accounts/people/")
    page.get_by_role("link", name="Deactivate solveig").click()
    expect(page.get_by_role("button", name="Deactivate")).to_be_visible()
    look_at(page)
    page.get_by_role("button", name="Deactivate").click()
    expect(page.get_by_role("row", name="Solveig solveig")).to_contain_text("deactivated")
    guest.reload()
    expect(guest.get_by_role("button", name="Sign in")).to_be_visible()
