"""People who click: lists, tables, cards, pictures, the review. Each has a browser and thinks between two clicks."""

import asyncio
import html
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from benchmarks.load.record import Record

_INPUT = re.compile(r'<(?:input|textarea)[^>]* name="((?:value|was)\.\w+|version)"([^>]*)>([^<]*)')
_VALUE = re.compile(r' value="([^"]*)"')
_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_NEXT = re.compile(r' data-next="([^"]+)"')
_CARD = re.compile(r'id="card-(\d+)"')
HOPS = 5  # cards that others have open, before one does something else
TABLES: tuple[dict[str, str], ...] = (
    {"sort": "field.author"},
    {"sort": "-field.year"},
    {"sort": "confidence"},
    {"filter": "check"},
    {"filter": "check", "sort": "field.author"},
    {"q": "rare0"},
    {"q": "*are0"},
    {"page": "2"},
    {},
)


@dataclass
class World:
    """What everybody knows of the site."""

    url: str
    read: int  # the batch that is read, and reviewed
    running: list[int]
    record: Record
    think: float  # seconds between two clicks, in the mean
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def browser(self, session: tuple[str, str]) -> httpx.AsyncClient:
        """`session`: the cookie of whoever is signed in."""
        return httpx.AsyncClient(base_url=self.url, timeout=60, cookies=[session])

    async def rest(self, share: float = 1.0) -> None:
        await asyncio.sleep(self.chance.expovariate(1 / (self.think * share)) if self.think else 0)


async def asked(
    world: World, browser: httpx.AsyncClient, kind: str, method: str, path: str, fine: int = 200, **more: Any
) -> httpx.Response | None:
    """Ask, measure, judge; None where it went wrong."""
    began = time.monotonic()
    try:
        answer = await browser.request(method, path, **more)
    except httpx.HTTPError as error:
        world.record.fault(f"{kind}: {type(error).__name__}")
        return None
    world.record.seconds[kind].append(time.monotonic() - began)
    if answer.status_code == fine:
        return answer
    world.record.fault(f"{kind}: answered {answer.status_code}, not {fine}")
    return None


class Person:
    def __init__(self, world: World, session: tuple[str, str]) -> None:
        self._world, self._browser = world, world.browser(session)
        self._number = 0
        self._acts: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (2, self._list),
            (2, self._progress),
            (5, self._table),
            (3, self._card),
            (1, self._find),
            (1, self._sides),
            (6, self._review),
        ]

    async def work(self) -> None:
        """Until somebody ends it."""
        async with self._browser:
            await asyncio.sleep(self._world.chance.uniform(0, self._world.think))
            while True:
                weights = [weight for weight, _act in self._acts]
                await self._world.chance.choices(self._acts, weights)[0][1]()
                await self._world.rest()

    async def _get(self, kind: str, path: str, **query: str) -> str:
        address = f"{path}?{urlencode(query)}" if query else path
        answer = await asked(self._world, self._browser, kind, "GET", address)
        return answer.text if answer else ""

    async def _list(self) -> None:
        await self._get("list of batches", "/batches/")

    async def _progress(self) -> None:
        await self._get("page of a running batch", f"/batches/{self._world.chance.choice(self._world.running)}/")

    async def _table(self) -> None:
        query = self._world.chance.choice(TABLES)
        await self._get("table: sort, filter, search", f"/batches/{self._world.read}/cards/", **query)

    async def _card(self) -> None:
        batch = self._world.chance.choice([self._world.read, *self._world.running])
        rows = _CARD.findall(await self._get("table: sort, filter, search", f"/batches/{batch}/cards/"))
        if not rows:
            return
        await self._world.rest()
        card = self._world.chance.choice(rows)
        await self._get("card", f"/batches/{batch}/cards/{card}/")
        if batch != self._world.read:  # the cards of that one have no files
            await self._get("picture", f"/batches/{batch}/cards/{card}/image/page/")

    async def _find(self) -> None:
        await self._get("find", "/search/", q=self._world.chance.choice(("rare0", "*are0", "rare7")))

    async def _sides(self) -> None:
        """What else one looks at."""
        batch = self._world.chance.choice(self._world.running)
        name = self._world.chance.choice(("problems", "statistics", "activity"))
        await self._get("problems, statistics, activity", f"/batches/{batch}/{name}/")

    # ---- the review: the next card, its lease, a draft, a correction, saved

    async def _review(self) -> None:
        """One whom somebody else has open is left to them, as the page says."""
        address = f"/batches/{self._world.read}/review/"
        for _ in range(HOPS):
            page = await asked(self._world, self._browser, "review: next card", "GET", address, follow_redirects=True)
            if page is None:
                return
            card, token, following = page.url.params.get("card"), _CSRF.search(page.text), _NEXT.search(page.text)
            form = read_form(page.text)
            if not card or token is None or "version" not in form:
                break
            program = {"Accept": "application/json", "X-CSRFToken": token[1], "Referer": str(page.url)}
            held = await self._post("review: lease", card, "lease", program, {})
            if held and held["mine"]:
                await self._correct(card, form, program)
                return
            self._world.record.counts["cards that somebody else had open"] += 1
            if following is None:
                break
            address = html.unescape(following[1])
        self._world.record.counts["nothing left to review"] += 1

    async def _correct(self, card: str, form: dict[str, str], program: dict[str, str]) -> None:
        world = self._world
        await world.rest(0.5)
        key = world.chance.choice([name for name in form if name.startswith("value.")]).removeprefix("value.")
        self._number += 1
        value = f"Typed {card} {id(self)} {self._number}"
        form[f"value.{key}"] = value
        await self._post("review: draft", card, "draft", program, form)
        await world.rest(0.5)
        saved = await self._post("review: save", card, "save", program, form | {"action": "right"})
        if saved is not None and "at" in saved:
            world.record.saved.append((int(card), key, value))
        elif saved is not None:
            world.record.counts["saves that met another's"] += 1

    async def _post(self, kind: str, card: str, act: str, headers: dict[str, str], form: dict[str, str]) -> Any:
        path = f"/batches/{self._world.read}/review/{card}/{act}/"
        answer = await asked(self._world, self._browser, kind, "POST", path, headers=headers, data=form)
        return answer.json() if answer else None


def read_form(page: str) -> dict[str, str]:
    """The fields of the review's form with what stands in them; they hold nothing that HTML would write otherwise."""
    found = {}
    for name, attributes, text in _INPUT.findall(page):
        value = _VALUE.search(attributes)
        found[name] = value[1] if value else text
    return found
