"""Uploads: folders of scans, sent as the upload page sends them, a few files at once, one folder after the other."""

import asyncio
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import httpx

from benchmarks.load.people import World, asked

AT_ONCE = 4  # as static/js/upload.js
_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_UID = re.compile(r'name="uid" value="([^"]+)"')


class Sender:
    def __init__(
        self, world: World, session: tuple[str, str], number: int, picture: bytes, files: int, rest: float
    ) -> None:
        self._world, self._browser = world, world.browser(session)
        self._number, self._picture, self._files, self._rest = number, picture, files, rest
        self.over: Callable[[], bool] = lambda: False

    async def work(self) -> None:
        """Folder after folder, until it is over: the last one is sent to its end."""
        async with self._browser:
            folder = 0
            while not self.over():
                folder += 1
                await self._send(folder)
                if not self.over():
                    await asyncio.sleep(self._rest)

    async def _send(self, folder: int) -> None:
        world, browser = self._world, self._browser
        form = await asked(world, browser, "upload: new batch", "GET", "/batches/new/")
        if form is None:
            return
        token, uid = (_of(pattern, form.text) for pattern in (_CSRF, _UID))
        given = {"csrfmiddlewaretoken": token, "uid": uid, "name": f"Folder {self._number}.{folder}"}
        made = await asked(world, browser, "upload: new batch", "POST", "/batches/new/", fine=302, data=given)
        if made is None:
            return
        batch = int(made.headers["location"].split("/")[-3])
        page = await asked(world, browser, "upload: page", "GET", f"/batches/{batch}/upload/")
        if page is None:
            return
        names = iter([f"{self._number}-{folder}-{n}.jpg" for n in range(self._files)])
        taken = world.record.sent.setdefault(batch, {})
        await asyncio.gather(*(self._line(batch, names, _of(_CSRF, page.text), taken) for _ in range(AT_ONCE)))

    async def _line(self, batch: int, names: Iterator[str], token: str, taken: dict[str, int]) -> None:
        for name in names:
            data = self._picture + name.encode()
            headers = {
                "Content-Type": "application/octet-stream",
                "X-File-Path": quote(name),
                "X-Client-Key": quote(f"{name}|{len(data)}"),
                "X-CSRFToken": token,
            }
            answer = await asked(
                self._world,
                self._browser,
                "upload: a file",
                "POST",
                f"/batches/{batch}/files/",
                fine=httpx.codes.NO_CONTENT,
                headers=headers,
                content=data,
            )
            if answer is not None:
                taken[name] = len(data)


def _of(pattern: re.Pattern[str], page: str) -> str:
    found = pattern.search(page)
    return found[1] if found else ""
