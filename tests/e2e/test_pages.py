"""Each page: axe in light and dark, the strict policy, a telephone's width; and the main job without JavaScript."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import httpx
import pytest
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import RequestFactory
from playwright.sync_api import Browser, BrowserContext, Page, expect

from cardocr_site.accounts.joining_views import AccountForm, InvitedForm
from cardocr_site.accounts.reset_views import ForgottenForm
from tests import vlm_server
from tests.e2e import steps
from tests.e2e.axe import ALL, COLOURS, violations
from tests.e2e.conftest import PASSWORD, Console, Site
from tests.waiting import until

PAGES = {
    "list": "/batches/",
    "new batch": "/batches/new/",
    "a draft's name": "/batches/{draft}/settings/",
    "upload": "/batches/{draft}/upload/",
    "chosen scans": "/batches/{draft}/upload/?only=chosen",
    "no scan": "/batches/{draft}/upload/?name=nothing-like-this",
    "fields": "/batches/{draft}/fields/",
    "cards to try": "/batches/{draft}/try/cards/",
    "tried cards": "/batches/{tried}/fields/",
    "tried, last look": "/batches/{tried}/confirm/",
    "confirm": "/batches/{draft}/confirm/",
    "empty draft": "/batches/{empty}/upload/",
    "empty draft's fields": "/batches/{empty}/fields/",
    "empty draft's last look": "/batches/{empty}/confirm/",
    "collections": "/collections/",
    "collection": "/collections/Music/",
    "collection's cards": "/collections/Music/cards/",
    "no card of a collection": "/collections/Music/cards/?q=nothing-like-this",
    "a collection's columns": "/collections/Music/cards/?columns=open",
    "an act on a collection's cards": "/collections/Music/cards/act/?do=review&card={card}",
    "a collection's cards read again": "/collections/Music/reread/?cards={card}",
    "collection's export": "/collections/Music/export/?cards={card}",
    "review of a collection": "/collections/Music/review/?queue=",
    "nothing to review in a collection": "/collections/Music/review/?queue=again",
    "run": "/batches/{batch}/",
    "settings": "/batches/{batch}/settings/",
    "no batch": "/batches/?q=nothing-like-this",
    "whose key": "/batches/{batch}/key/?do=batch_resume",
    "rest": "/batches/{batch}/rest/",
    "stop": "/batches/{batch}/?stop=1",
    "review": "/batches/{batch}/review/?queue=&card={card}",
    "review of a failed card": "/batches/{batch}/review/?queue=problems&card={failed}",
    "nothing to review": "/batches/{batch}/review/?queue=again",
    "reviews": "/review/",
    "keys": "/help/keys/",
    "search": "/search/",
    "search with hits": "/search/?q=author",
    "search without": "/search/?q=nothing-like-this",
    "activity": "/activity/",
    "activity of a batch": "/batches/{batch}/activity/",
    "audit log": "/audit/",
    "audit log of a batch": "/audit/?object=batch:{batch}",
    "nothing in the audit log": "/audit/?name=nothing-like-this",
    "nothing old": "/old/",
    "an act on cards": "/batches/{batch}/cards/act/?do=review&card={card}",
    "notices": "/notices/",
    "webhooks": "/webhooks/",
    "webhook": "/webhooks/{hook}/",
    "results": "/batches/{batch}/cards/",
    "narrowed results": "/batches/{batch}/cards/?q=author&in=author&below=99",
    "columns": "/batches/{batch}/cards/?columns=open",
    "removing a view": "/views/{view}/delete/?back=/batches/{batch}/cards/",
    "no results": "/batches/{batch}/cards/?q=nothing-like-this",
    "card": "/batches/{batch}/cards/{card}/",
    "erasing a card": "/batches/{batch}/cards/{card}/erase/",
    "failed card": "/batches/{batch}/cards/{failed}/",
    "problems": "/batches/{batch}/problems/",
    "frozen fields": "/batches/{batch}/fields/",
    "export": "/batches/{batch}/export/",
    "statistics": "/batches/{batch}/statistics/",
    "all statistics": "/statistics/",
    "delete": "/batches/{batch}/delete/",
    "trash": "/trash/",
    "templates": "/templates/",
    "template": "/templates/1/?batch={batch}",
    "template's instructions": "/templates/1/?beside=instructions",
    "template's columns": "/templates/1/?beside=export",
    "versions": "/templates/1/compare/",
    "going back": "/templates/1/back/1/",
    "prompt": "/batches/{draft}/fields/prompt/",
    "new template": "/templates/new/",
    "delete template": "/templates/1/delete/",
    "password": "/accounts/password/",
    "profile": "/accounts/profile/",
    "people": "/accounts/people/",
    "nobody of that name": "/accounts/people/?q=nothing-like-this",
    "invite": "/accounts/people/invite/",
    "not found": "/batches/999999/",
    "admin": "/admin/",
    "admin's errors": "/admin/errors/?days=0",
    "admin's error": "/admin/errors/{failed}/",
    "admin's engines": "/admin/ocr/engine/",
    "admin's engine": "/admin/ocr/engine/add/",
    "admin's cards": "/admin/batches/card/",
    "admin's users": "/admin/accounts/user/",
}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
RULES = {"light": ALL, "dark": COLOURS}  # as tests.site.test_rules holds: no more than colours changes
FADED = """Promise.all(document.getAnimations().filter(one => one instanceof CSSTransition)
  .map(one => one.finished.catch(() => null)))"""  # the admin's colours pass into those of the other scheme
ADMIN = {name for name in PAGES if name.startswith("admin")}


@pytest.fixture(scope="module")
def places(site: Site, state: Path, vlm: vlm_server.Server, browser: Browser, tmp_path_factory) -> dict[str, int]:
    """A draft, an empty draft, and a batch that was read but for one card."""
    folder = tmp_path_factory.mktemp("scans")
    paths = []
    for n in range(600, 604):
        path = folder / f"scan-{n}.png"
        path.write_bytes(vlm_server.card_image(n, kind="PNG"))
        paths.append(path)
    context = browser.new_context(base_url=site.url, storage_state=state)
    page = context.new_page()
    vlm.fail(602, "400")
    batch = steps.begun(page, "Musikhandschriftensammlungsverzeichnis, Lade 7", paths)  # a word wider than a telephone
    expect(page.locator("#live-rows tr")).to_have_count(4)
    page.goto(f"/batches/{batch}/settings/")
    page.get_by_label("Collection").fill("Music")
    page.get_by_label("Tags").fill("print, 1900–1940")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#messages")).not_to_be_empty()  # it is saved
    page.goto(f"/batches/{batch}/cards/")
    cards = [
        int(row.removeprefix("card-")) for row in page.locator("#card-rows tr").evaluate_all("r => r.map(x => x.id)")
    ]
    page.goto(f"/batches/{batch}/cards/?filter=problems")
    page.locator("#views > summary").click()
    page.get_by_label("Save this view as").fill("Problems alone")
    page.locator("#views-form").get_by_role("button", name="Save").click()
    expect(page.locator("#views")).to_contain_text("Problems alone")
    page.locator("#views > summary").click()
    page.get_by_role("link", name="Remove the view Problems alone").click()
    page.wait_for_url("**/views/*/delete/**")
    view = int(page.url.partition("/views/")[2].partition("/")[0])
    draft = steps.new_batch(page, "Musikhandschriftensammlungsverzeichnis, Lade 8")
    steps.add_scans(page, paths[:2])
    steps.name_fields(page, ["Author", "Year", "Accession number"])
    accession = page.get_by_role("form", name="Field Accession number")
    for change in (
        lambda: accession.locator("select[name=type]").select_option(label="Number or id"),
        lambda: accession.locator("input[name=required]").check(),
    ):
        with page.expect_response(lambda answer: answer.request.method == "POST"):
            change()
    tried = steps.new_batch(page, "A draft with tried cards")
    steps.add_scans(page, paths[:2])
    steps.name_fields(page, ["Author", "Year"])
    page.locator("#try-now").click()
    expect(page.locator("#try-on")).to_contain_text("with these fields")
    empty = steps.new_batch(page, "An empty draft")
    page.goto("/webhooks/")
    page.get_by_label("Address").fill("https://93.184.215.14/told")
    for event in ("is finished", "is paused", "to check"):  # it is never called
        page.get_by_label(event).uncheck()
    page.get_by_role("button", name="Add").click()
    page.get_by_role("link", name="https://93.184.215.14/told").click()
    page.wait_for_url("**/webhooks/*/")
    hook = int(page.url.partition("/webhooks/")[2].partition("/")[0])
    context.close()
    vlm.heal()
    found = {"batch": batch, "draft": draft, "tried": tried, "empty": empty, "view": view, "hook": hook}
    return found | {"card": cards[0], "failed": cards[2]}


def test_axe_finds_nothing_in_light_and_in_dark(
    new_context: Callable[..., BrowserContext], console: Console, places: dict[str, int]
) -> None:
    console.ignore("404")  # the page that is not there
    page = new_context(reduced_motion="reduce").new_page()
    console.watch(page)
    found = {}
    for name, address in PAGES.items():
        page.goto(address.format(**places))
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.evaluate(FADED)
            if problems := violations(page, RULES[scheme]):
                found[name, scheme] = problems
    assert found == {}


def test_the_sign_in_page_is_clean(new_context: Callable[..., BrowserContext], console: Console) -> None:
    console.ignore("422")  # a refused form; the browser notes the status
    page = new_context(signed_in=False).new_page()
    console.watch(page)
    page.goto("/accounts/login/")
    assert violations(page) == []
    page.get_by_label("User name").fill("nobody")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []


DRAWN = {
    "403": {},
    "403_csrf": {},
    "429": {"said": "Go on in 12 seconds."},
    "500": {},
    "registration/login": {"oidc": "Stadtbibliothek", "vouched_for": "anna.of.the.reading.room", "go_on": "/batches/"},
    "registration/register": {"form": AccountForm({})},
    "registration/password_forgotten": {"form": ForgottenForm({})},
    "registration/invitation": {
        "form": InvitedForm(),
        "by_mail": True,
        "invited": {"made_by": {"get_full_name": "Eva Lund", "username": "eva"}},
    },
    "registration/invitation_gone": {},
    "registration/reset": {},
}


def test_what_a_test_cannot_bring_about_is_clean_too(
    new_context: Callable[..., BrowserContext], console: Console, site: Site
) -> None:
    """Pages of what went wrong, and the door with single sign-on: drawn here, looked at with the site's own files."""
    page = new_context(signed_in=False, reduced_motion="reduce", viewport={"width": 320, "height": 640}).new_page()
    console.watch(page)
    request = RequestFactory().get("/batches/")
    request.user = AnonymousUser()
    drawn = {name: render_to_string(f"{name}.html", context, request) for name, context in DRAWN.items()}
    asked: list[str] = []
    page.route("**/drawn/", lambda route: route.fulfill(body=drawn[asked[-1]], content_type="text/html"))
    found, wide = {}, {}
    for name in drawn:
        asked.append(name)
        page.goto("/drawn/")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            if problems := violations(page, RULES[scheme]):
                found[name, scheme] = problems
        if (width := page.evaluate("document.documentElement.scrollWidth")) > 320:
            wide[name] = width
    assert found == {}
    assert wide == {}


# Words beyond a cell of a grid, or of a row, that they are in, where nothing cuts them off: they lie over the next one.
BEYOND = """() => {
    const cells = (words) => {
        const found = [];
        for (let at = words.parentElement; at.tagName !== "MAIN"; at = at.parentElement) {
            const {clipPath, display, overflowX, position} = getComputedStyle(at);
            if (clipPath !== "none" || position === "absolute" || position === "fixed") return [];
            if (overflowX !== "visible") break;
            if (display !== "contents" && /grid|flex/.test(getComputedStyle(at.parentElement).display)) found.push(at);
        }
        return found.map((cell) => cell.getBoundingClientRect());
    };
    const beyond = (words) => {
        if (!words.data.trim() || !words.parentElement.checkVisibility({visibilityProperty: true})) return false;
        const range = document.createRange();
        range.selectNodeContents(words);
        const boxes = [...range.getClientRects()];
        return cells(words).some((cell) => boxes.some((box) => box.right > cell.right + 1 || box.left < cell.left - 1));
    };
    const all = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    const found = [];
    while (all.nextNode()) if (beyond(all.currentNode)) found.push(all.currentNode.data.trim());
    return found;
}"""


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_page_scrolls_sideways_and_no_word_leaves_its_place(
    new_context: Callable[..., BrowserContext], console: Console, places: dict[str, int], language: str
) -> None:
    console.ignore("404")
    page = new_context(locale=language).new_page()
    console.watch(page)
    wide, beyond = {}, {}
    for name, address in PAGES.items():
        if name in ADMIN:
            continue
        page.goto(address.format(**places))
        for width in (320, 820, 1080, 1240):
            page.set_viewport_size({"width": width, "height": 640})
            if (drawn := page.evaluate("document.documentElement.scrollWidth")) > width:
                wide[name, width] = drawn
            if words := page.evaluate(BEYOND):
                beyond[name, width] = words
    assert (wide, beyond) == ({}, {})


def test_forced_colours_leave_states_current_ones_and_the_focus_to_be_seen(
    new_context: Callable[..., BrowserContext], console: Console, places: dict[str, int]
) -> None:
    page = new_context(forced_colors="active", reduced_motion="reduce").new_page()
    console.watch(page)
    looks = """name => {
        const of = (one, what) => getComputedStyle(one)[what];
        const unlike = (selector, what) => {
            const all = [...document.querySelectorAll(selector)];
            const others = new Set(all.filter((one) => !one.matches("[aria-current]")).map((one) => of(one, what)));
            return all.filter((one) => one.matches("[aria-current]") && others.has(of(one, what))).length;
        };
        const states = [...document.querySelectorAll(".state")];
        const boxes = [...document.querySelectorAll(".tick, .box, .switch input")];
        return {
            states: states.filter((one) => !one.textContent.trim() || parseFloat(of(one, "borderTopWidth")) < 1).length,
            current: unlike(".nav a, .tabs a", "borderBottomColor") + unlike(".chip", "backgroundColor"),
            ticks: boxes.filter((one) => of(one, "appearance") === "none").length,
            shown: states.length,
        };
    }"""
    for name in ("run", "results", "review", "fields"):
        page.goto(PAGES[name].format(**places))
        found = page.evaluate(looks)
        assert (found["states"], found["current"], found["ticks"]) == (0, 0, 0), name
        assert found["shown"], name
        page.keyboard.press("Tab")
        assert page.locator(":focus").evaluate("one => parseFloat(getComputedStyle(one).outlineWidth)") >= 2, name
    flagged, plain = page.locator(".field--flag").first, page.locator(".field:not(.field--flag)").first
    page.goto(PAGES["review"].format(**places))
    colour = "one => getComputedStyle(one).borderInlineStartColor"
    assert flagged.evaluate(colour) != plain.evaluate(colour)


def test_every_page_comes_with_the_strict_policy(page: Page, places: dict[str, int]) -> None:
    """That the browser keeps to it without a word is seen above."""
    for name, address in PAGES.items():
        answer = page.request.get(address.format(**places))
        assert answer.status == (404 if name == "not found" else 200), name
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy, name
        assert "unsafe" not in policy, name


def test_the_main_job_works_without_javascript(
    new_context: Callable[..., BrowserContext],
    console: Console,
    vlm: vlm_server.Server,
    scans: Callable[..., list[Path]],
    tmp_path: Path,
) -> None:
    console.ignore("422")  # the file that is refused
    page = new_context(signed_in=False, java_script_enabled=False, accept_downloads=True).new_page()
    console.watch(page)
    page.goto("/accounts/login/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/batches/")

    page.goto("/batches/new/")
    page.get_by_label("Name").fill("Plain")
    page.get_by_role("button", name="Next: scans").click()
    notes = tmp_path / "notes.png"
    notes.write_text("no image")
    page.set_input_files("input[name=files]", [*map(str, scans(3, first=700)), str(notes)])
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("body")).to_contain_text("Refused")
    expect(page.locator("#scans .card")).to_have_count(3)

    page.get_by_role("link", name="Next: fields").click()
    page.get_by_label("New field").fill("Author")
    page.locator("#add-button").click()
    page.get_by_role("link", name="Next: check and start").click()
    page.get_by_role("button", name="These fields are right, read 3 cards").click()
    page.wait_for_url(re.compile(r"/batches/\d+/$"))
    batch = page.url

    def is_read() -> bool:
        page.goto(batch)
        return page.locator("#run-stop").count() == 0

    until(is_read, 60, every=0.5)
    page.goto(f"{batch}cards/")
    expect(page.locator("#card-rows tr")).to_have_count(3)
    page.get_by_role("link", name="author 700").click()
    field = page.get_by_role("textbox", name="Author").first
    field.fill("By hand")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_role("main")).to_contain_text("By hand")
    page.goto(f"{batch}export/")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Export 3 cards").click()
    table = list(csv.DictReader(io.StringIO(Path(taken.value.path()).read_text("utf-8-sig")), delimiter=";"))
    assert [row["Author"] for row in table] == ["By hand", "author 701", "author 702"]

    page.locator("#bell").click()
    expect(page.locator(".act", has_text="3 cards are read").first).to_contain_text("Plain")
    page.get_by_role("link", name="Plain", exact=True).first.click()
    expect(page).to_have_url(batch)


def test_results_and_export_answer_while_a_batch_runs(
    page: Page, site: Site, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    vlm.delay = 0.8
    pk = steps.begun(page, "Meanwhile", scans(24, first=800))
    expect(page.locator("#live-rows tr").nth(2)).to_be_visible()
    vlm.held = True
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    with httpx.Client(base_url=site.url, cookies=cookies, timeout=30) as client:
        answer = client.get(f"/batches/{pk}/export/download/?format=csv&separator=comma")
        cards = client.get(f"/batches/{pk}/cards/")
    table = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(table) == 24
    done = [row for row in table if row["status"] == "completed"]
    assert 0 < len(done) < 24
    for row in done:
        number = row["file"].removeprefix("scan-").removesuffix(".png")
        assert row["Author"] == f"author {number}"
    assert cards.status_code == 200
    assert cards.text.count('<tr id="card-') == 24
