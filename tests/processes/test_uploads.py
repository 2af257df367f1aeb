"""The web process is killed in mid-upload: no file that was answered is lost, no row is without its file."""

import hashlib
import random
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import vlm_server
from tests.processes.test_kills import csrf, drive, kill, passed, rows, sign_in
from tests.site.processes import Serving, serve
from tests.waiting import until

pytestmark = pytest.mark.processes

AT_A_TIME = 4  # uploads, as upload.js does it
BETWEEN = 4  # answers, at least, from a kill to the next
IN_PARTS = 3  # every third file
PART = 150_000  # bytes
A_SITE = 3  # kills, before it is started anew: the back-off of its restarts grows


def test_kills_in_mid_upload_lose_no_file_and_leave_no_row_without_one(tmp_path):
    drawer = upload_through_kills(tmp_path, 5)
    assert drawer.cut_off
    assert drawer.in_parts


@dataclass
class Drawer:
    """What the senders know. A number is answered once the site has said that it has the file."""

    answered: dict[int, str] = field(default_factory=dict)  # number: sha256
    cut_off: int = 0  # uploads, or parts of one, without an answer, sent again
    in_parts: int = 0  # files that were sent so
    orphans: int = 0  # files without a row
    parts: int = 0
    offsets: dict[int, int] = field(default_factory=dict)  # number: bytes that the site has said it has
    next: int = 0
    over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> int | None:
        with self.lock:
            if self.over:
                return None
            self.next += 1
            return self.next - 1


def scan(number: int) -> bytes:
    return vlm_server.card_image(number, (320, 240)) + bytes(400_000)  # large enough to be on its way for a while


def upload_through_kills(folder: Path, kills: int) -> Drawer:
    data, drawer, chance, pk = folder / "data", Drawer(), random.Random(11), 0
    while kills > 0:
        drawer.over = False
        with serve(folder) as site:
            pk = pk or int(drive(data, "draft"))
            senders = [threading.Thread(target=send_all, args=(site, pk, drawer)) for _ in range(AT_A_TIME)]
            for sender in senders:
                sender.start()
            try:
                for _ in range(min(kills, A_SITE)):
                    before = len(drawer.answered)
                    until(lambda before=before: len(drawer.answered) >= before + BETWEEN, 60)
                    until(passed(time.monotonic() + chance.uniform(0, 0.1)), 5, every=0.002)
                    kill(site, "web")
            finally:
                drawer.over = True
                for sender in senders:
                    sender.join(60)
            kills -= A_SITE
    check(data, pk, drawer)
    return drawer


def send_all(site: Serving, pk: int, drawer: Drawer) -> None:
    with httpx.Client(base_url=site.url, timeout=30) as browser:
        until(lambda: signed_in(browser), 30, every=0.2)
        token = until(lambda: asked(browser, pk), 30, every=0.2)
        while (number := drawer.take()) is not None:
            content = scan(number)
            send = sent_in_parts if number % IN_PARTS == 0 else sent
            until(lambda: got_through(drawer, send, browser, pk, token, number, content), 60, every=0.2)  # noqa: B023
            drawer.answered[number] = hashlib.sha256(content).hexdigest()


def signed_in(browser: httpx.Client) -> bool:
    try:
        sign_in(browser)
    except (httpx.TransportError, AssertionError):
        return False
    return True


def asked(browser: httpx.Client, pk: int) -> str:
    try:
        return csrf(browser.get(f"/batches/{pk}/upload/").text)
    except (httpx.TransportError, AssertionError):
        return ""


def got_through(drawer: Drawer, send: Callable[..., bool], *about: Any) -> bool:
    try:
        return send(drawer, *about)
    except httpx.ConnectError:
        return False
    except httpx.TransportError:
        with drawer.lock:
            drawer.cut_off += 1
        return False


def sent(_drawer: Drawer, browser: httpx.Client, pk: int, token: str, number: int, content: bytes) -> bool:
    """As upload.js sends a file: with a key, under which it stands once however often it is sent."""
    about = {"X-CSRFToken": token, "X-Client-Key": f"key-{number}", "X-File-Path": f"drawer%2F{number}.jpg"}
    headers = about | {"Content-Type": "application/octet-stream"}
    answer = browser.post(f"/batches/{pk}/files/", content=content, headers=headers)
    assert answer.status_code == 204, answer.text
    return True


def sent_in_parts(drawer: Drawer, browser: httpx.Client, pk: int, token: str, number: int, content: bytes) -> bool:
    """As upload.js sends a large one: what has been answered is not sent again."""
    tus = {"Tus-Resumable": "1.0.0", "X-CSRFToken": token, "Upload-Length": str(len(content))}
    about = {"filename": f"drawer/{number}.jpg", "client_key": f"key-{number}"}
    tus["Upload-Metadata"] = ",".join(f"{key} {b64encode(text.encode()).decode()}" for key, text in about.items())
    made = browser.post(f"/batches/{pk}/parts/", headers=tus)
    assert made.status_code == 201, made.text
    offset, answered = _offset(browser.head(made.headers["Location"], headers=tus)), drawer.offsets.get(number, 0)
    assert offset >= answered, "a part that was answered is lost"
    while True:
        part = content[offset : offset + PART]
        headers = tus | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        answer = browser.patch(made.headers["Location"], content=part, headers=headers)
        if answer.status_code == 409:  # the one that was cut off is being written still
            return False
        offset = drawer.offsets[number] = _offset(answer)
        if offset == len(content):
            break
    with drawer.lock:
        drawer.in_parts += 1
    return True


def _offset(answer: httpx.Response) -> int:
    assert answer.status_code in {200, 204}, answer.text
    return int(answer.headers["Upload-Offset"])


def check(data: Path, pk: int, drawer: Drawer) -> None:
    found = rows(
        data,
        "SELECT c.original_name, c.source, c.sha256, b.uid FROM batches_card c"
        " JOIN batches_batch b ON b.id = c.batch_id WHERE b.id = ?",
        pk,
    )
    kept = {int(name.removeprefix("drawer/").removesuffix(".jpg")): sha256 for name, _source, sha256, _uid in found}
    assert len(kept) == len(found), "no file stands twice"
    assert kept == drawer.answered
    noted = rows(data, "SELECT status, count(*) FROM batches_upload WHERE batch_id = ? GROUP BY status", pk)
    assert noted == [("done", len(found))], "each file has one row, and each row its file"
    uid = found[0][-1]
    for name, source, sha256, _uid in found:
        content = (data / "temp" / uid / source).read_bytes()
        assert hashlib.sha256(content).hexdigest() == sha256, name
    sources = {source for _name, source, _sha256, _uid in found}
    drawer.orphans = sum(path.is_file() and path.name not in sources for path in (data / "temp" / uid).iterdir())
    drawer.parts = len(list((data / "temp" / "_parts").glob("*.part")))
