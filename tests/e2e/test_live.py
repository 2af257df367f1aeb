"""Nothing is lost or doubled: reload in mid-run, a dropped socket, a second tab, no WebSocket at all."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, Route, WebSocketRoute, expect

from tests import vlm_server
from tests.e2e import steps
from tests.waiting import until

ROWS = "#live-rows tr"
BLOCKED = """window.WebSocket = class {
  static OPEN = 1;
  readyState = 3;
  constructor() { setTimeout(() => this.onclose?.({ code: 1006 })); }
  close() {}
};"""  # as a proxy does it that lets none through


def ids(page: Page) -> list[str]:
    found: list[str] = page.locator(ROWS).evaluate_all("rows => rows.map(row => row.id)")
    return found


def test_reload_dropped_socket_and_second_tab_show_the_same_rows_once(
    page: Page, console, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    console.ignore(r"net::ERR_INTERNET_DISCONNECTED|WebSocket connection")  # the test cuts the line itself
    vlm.delay = 0.6
    pk = steps.begun(page, "Live", scans(24, first=100))
    second = page.context.new_page()
    console.watch(second)
    second.goto(f"/batches/{pk}/")

    expect(page.locator(ROWS).nth(3)).to_be_visible()
    page.reload()
    expect(page.locator(ROWS).nth(6)).to_be_visible()
    page.context.set_offline(True)
    expect(page.locator("#live-rows")).not_to_be_empty()
    page.wait_for_function("() => !navigator.onLine")
    page.context.set_offline(False)
    expect(page.locator(ROWS).nth(9)).to_be_visible()  # it follows again
    vlm.delay = 0.0

    for tab in (page, second):
        steps.finished(tab)
        expect(tab.locator(ROWS)).to_have_count(24)
        assert len(set(ids(tab))) == 24
    assert set(ids(page)) == set(ids(second))
    assert len(vlm.calls) >= 24


NOTES = """window.notes = [];
window.Notification = class extends EventTarget {
  static permission = "default";
  static async requestPermission() { window.asked = true; return (this.permission = "granted"); }
  constructor(title, options) { super(); window.notes.push([title, options.body]); }
  close() {}
};"""

SWITCH = """() => {
  const label = document.querySelector("[data-tell]").cloneNode(true);
  const box = label.querySelector("input");
  box.id = "tell-start";
  label.dataset.told = "when reading begins";
  document.querySelector("[data-tell]").before(label);
  box.checked = true;
  box.dispatchEvent(new Event("change", { bubbles: true }));
}"""  # switched on as it stands there while a batch waits for others


def test_who_asked_for_it_is_told_when_it_is_done(
    new_context: Callable[..., BrowserContext], console, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    context = new_context()
    context.add_init_script(NOTES)
    page = context.new_page()
    console.watch(page)
    elsewhere = new_context().new_page()
    elsewhere.clock.install()
    vlm.delay, vlm.held = 1.0, True
    steps.begun(page, "Told", scans(24, first=1200))
    elsewhere.goto("/notices/")
    unread = int(elsewhere.locator("#bell").get_attribute("data-unseen") or "")
    elsewhere.locator("#bell").focus()
    assert page.evaluate("window.asked") is None, "a page never asks by itself"
    page.locator("#tell-me").check()
    page.locator("#run-toggle").click()
    expect(page.locator("#run-toggle")).to_contain_text("Resume")
    vlm.held = False
    until(lambda: not vlm.in_flight)
    until(lambda: page.evaluate("window.notes"))  # it is paused
    page.evaluate(SWITCH)
    expect(page.locator("#toasts")).to_contain_text("when reading begins")
    vlm.held = True  # it begins, and is not through before the page is told not to follow
    page.locator("#run-toggle").click()
    until(lambda: ["Reading has begun."] in [note[1:] for note in page.evaluate("window.notes")])
    page.evaluate("window.notes = []")
    page.locator("#follow").uncheck()
    vlm.held = False
    expect(page.locator("#held-rows")).to_be_visible()
    expect(page.locator("#favicon")).to_have_attribute("href", re.compile(r"^data:image/svg\+xml"))
    held: list[Route] = []  # what this page shows counts as seen, once it has asked: after the other has looked
    page.route("**/notices/bell/**", lambda route: held.append(route))
    vlm.delay = 0.0
    steps.finished(page)
    elsewhere.clock.run_for(80_000)  # a minute, and the tick after it
    expect(elsewhere.locator("#bell-said")).to_have_text(f"{unread + 1} unread notice{'s' * bool(unread)}")
    expect(elsewhere.locator("#bell .count")).to_have_text(str(unread + 1))
    expect(elsewhere.locator("#bell")).to_be_focused()
    for route in held:
        route.continue_()
    notes = until(lambda: page.evaluate("window.notes"))
    assert [title for title, _ in notes] == ["Finished · Told"]
    expect(page.locator("#live-status")).to_have_text(notes[0][1])
    shown = page.locator(ROWS).count()
    assert shown < 24
    page.locator("[data-show-held]").click()
    expect(page.locator(ROWS)).to_have_count(24)
    expect(page.locator("#favicon")).not_to_have_attribute("href", re.compile("^data:"))


def test_a_proxy_that_cuts_sockets_loses_and_doubles_nothing(
    page: Page, console, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    """Each socket is cut after its second message, as some proxies do it with long answers."""
    sockets = []

    def cut(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        messages = []

        def passed_on(message: str) -> None:
            messages.append(message)
            route.send(message)
            if len(messages) == 2:
                server.close()
                route.close(code=1001)

        sockets.append(route)
        server.on_message(passed_on)

    page.route_web_socket(re.compile(r"/ws/batches/\d+/"), cut)
    vlm.delay = 0.5
    steps.begun(page, "Cut", scans(24, first=1000))
    until(lambda: page.wait_for_timeout(50) or len(sockets) > 2)
    vlm.delay = 0.0
    steps.finished(page)
    expect(page.locator(ROWS)).to_have_count(24)
    assert len(set(ids(page))) == 24


def test_a_machine_that_slept_asks_once_and_shows_no_old_time(
    page: Page, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    page.clock.install()
    vlm.delay = 1.0
    steps.begun(page, "Asleep", scans(40, first=1100))
    expect(page.locator("#time-left")).to_contain_text("left", timeout=60_000)
    page.locator("#run-toggle").click()
    expect(page.locator("#run-toggle")).to_contain_text("Resume")
    page.locator("#time-left").evaluate("it => { it.textContent = 'About 6 minutes left'; it.dataset.seconds = 360 }")
    opened = []
    page.on("websocket", lambda one: opened.append(one))
    with page.expect_websocket():
        page.clock.fast_forward("08:00:00")
    expect(page.locator("#time-left")).not_to_contain_text("6 minutes")
    expect(page.locator("#live-light")).to_be_visible()
    assert len(opened) == 1
    vlm.delay = 0.0
    page.locator("#run-toggle").click()
    steps.finished(page, 150)  # a socket that says nothing is given up after 45 s


def test_without_websocket_the_page_lives_by_asking(
    new_context: Callable[..., BrowserContext], console, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    """A proxy that lets no WebSocket through: after 10 s the page polls."""
    vlm.delay = 1.0
    context = new_context()
    context.add_init_script(BLOCKED)
    page = context.new_page()
    console.watch(page)
    steps.begun(page, "Without sockets", scans(30, first=200))
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/live/" in request.url else None)
    until(lambda: page.wait_for_timeout(50) or asked)
    expect(page.locator(ROWS).nth(1)).to_be_visible()
    vlm.delay = 0.0
    expect(page.locator(ROWS)).to_have_count(30)
    steps.finished(page)


def test_pause_and_stop_and_the_rest_later(
    page: Page, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    vlm.delay = 1.0
    pk = steps.begun(page, "Pauses", scans(48, first=300))
    expect(page.locator(ROWS).nth(0)).to_be_visible()
    page.locator("#run-toggle").click()
    expect(page.locator("#run-toggle")).to_contain_text("Resume")
    vlm.held = True  # it is not through before it is stopped
    page.locator("#run-toggle").click()
    expect(page.locator("#run-toggle")).to_contain_text("Pause")
    page.locator("#run-stop").click()
    page.get_by_role("button", name="Stop reading", exact=True).click()
    vlm.held = False
    expect(page.get_by_role("button", name=re.compile("Read the other"))).to_be_visible()
    page.reload()
    page.get_by_role("button", name=re.compile("Read the other")).click()
    vlm.delay = 0.0
    steps.finished(page)
    page.goto(f"/batches/{pk}/cards/")
    expect(page.locator("#card-rows tr")).to_have_count(48)


def test_the_list_of_batches_follows_by_itself(
    page: Page, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    vlm.delay = 0.4
    pk = steps.begun(page, "Followed", scans(12, first=400))
    page.goto("/batches/")
    row = page.locator(f"#batch-{pk}")
    expect(row).to_contain_text("100 %", timeout=60_000)


def test_new_rows_do_not_make_the_grid_jump(
    page: Page, vlm: vlm_server.Server, scans: Callable[..., list[Path]]
) -> None:
    vlm.held = True  # until the page is there: what it shows already is not newer
    pk = steps.begun(page, "Newer", scans(20, first=500))
    page.goto(f"/batches/{pk}/cards/?filter=check")
    vlm.held, vlm.delay = False, 0.4
    expect(page.locator("#newer-rows")).to_be_visible(timeout=30_000)
    shown = page.locator("#card-rows tr").count()
    assert shown <= 20
    vlm.delay = 0.0
    expect(page.locator("#newer-rows")).to_contain_text(re.compile(r"\d+ newer"))


FIRST_FRAME = """([pk, after]) => new Promise((done, fail) => {
  const socket = new WebSocket(`ws://${location.host}/ws/batches/${pk}/?after=${after}&view=live&lang=en`);
  socket.onmessage = (event) => {
    const rows = JSON.parse(event.data).rows ?? [];
    if (rows.length) { socket.close(); done([event.data.length, rows.length]); }
  };
  setTimeout(() => fail(new Error("nothing came")), 30000);
})"""


def test_a_large_frame_arrives(page: Page, vlm: vlm_server.Server, scans: Callable[..., list[Path]]) -> None:
    """daphne drops what is above its limit without a word: a viewer that was away for long would see nothing."""
    vlm.held = True
    pk = steps.begun(page, "Burst", scans(30, first=900))
    after = page.locator("#live").get_attribute("data-after")
    vlm.held = False
    steps.finished(page)
    size, rows = page.evaluate(FIRST_FRAME, [pk, after])
    assert rows == 30
    assert size > 16 * 1024
