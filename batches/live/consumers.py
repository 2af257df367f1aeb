"""The sockets of our pages. What they show is drawn elsewhere; here it is decided who may see it."""

import time
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils.module_loading import import_string

from batches.live import collecting, feed, listing, places
from batches.live.audience import BEAT, Access, Audience, Seat
from batches.live.collecting import Stand
from batches.live.feed import Cursor, Place
from batches.live.fragments import Role, Viewer
from batches.live.listing import Shelf
from batches.models import Batch
from batches.queries import rights
from cardocr_site import log_context

SIGNED_OUT, NOT_ALLOWED, UNKNOWN = 4401, 4403, 4404
TOO_LARGE, TOO_MANY = 4413, 4429  # the server sends 1000 and what begins with 3 or 4, and fails at all others
MESSAGE_BYTES = 16 * 1024
MESSAGES_A_MINUTE = 60
_door = ThreadPoolExecutor(2, thread_name_prefix="door")  # who comes does not wait behind what is drawn for all others

Key = TypeVar("Key")


def user_of(session_key: str | None) -> Any:
    """Whoever holds this session now, as Django's own middleware would find out; None where it has ended."""
    if not session_key:
        return None
    request = HttpRequest()
    store: type[SessionBase] = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    request.session = store(session_key)
    user = get_user(request)
    return user if user.is_authenticated and user.is_active else None


def language_of(query: dict[str, list[str]]) -> str:
    asked = query.get("lang", [""])[0]
    return asked if asked in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


class LiveConsumer(AsyncWebsocketConsumer, ABC, Generic[Key]):
    """Accepts, asks for permission, and only then joins anything. Subclasses say what is watched."""

    channel_layer_alias = "here"  # audiences listen; with Redis each socket would fall with it
    greeting = BEAT
    seat: Seat[Key] | None = None
    audience: Audience[Key] | None = None
    person: Any = None  # whose place this takes, as soon as it is known who asks
    _placed: Any = None

    @abstractmethod
    def wanted(self) -> Key:
        """What the address asks for, before anybody has allowed it."""

    @abstractmethod
    def access(self, key: Key) -> Access[Key]:
        """Whether this session may see that now. Asks the database."""

    @abstractmethod
    def join(self, seat: Seat[Key]) -> Audience[Key]: ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:  # the server may cut a socket without a word
            self.leave()

    async def connect(self) -> None:
        self._heard: deque[float] = deque(maxlen=MESSAGES_A_MINUTE)
        self.query = parse_qs(self.scope.get("query_string", b"").decode("ascii", "replace"))
        await self.accept()  # first: a close before it reaches the browser as 1006
        await self.begin()

    async def begin(self) -> None:
        await self.enter()

    async def enter(self) -> None:
        ask = database_sync_to_async(self.access, thread_sensitive=False, executor=_door)
        access = await ask(self.wanted())
        log_context.add(user=self.person, batch=self.scope.get("url_route", {}).get("kwargs", {}).get("batch_id"))
        if access.code is not None or access.key is None:
            await self.close(access.code or NOT_ALLOWED)
            return
        if not await places.take(self.person):
            await self.turn_away(TOO_MANY)
            return
        self._placed = self.person
        if self.greeting:
            await self.send(self.greeting)
        self.seat = Seat(access.key, self.tell, self.close, self.access)
        self.audience = self.join(self.seat)

    async def tell(self, text: str) -> None:
        await self.send(text)

    async def disconnect(self, code: int) -> None:
        self.leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Too much of it ends the connection."""
        now = time.monotonic()
        much = len(self._heard) == MESSAGES_A_MINUTE and now - self._heard[0] < 60
        self._heard.append(now)
        if len((text_data or "").encode()) + len(bytes_data or b"") > MESSAGE_BYTES:
            await self.turn_away(TOO_LARGE)
        elif much:
            await self.turn_away(TOO_MANY)
        else:
            await self.hear(text_data or "")

    async def hear(self, text: str) -> None:
        """Pages have nothing to say here."""

    async def turn_away(self, code: int) -> None:
        self.leave()
        await self.close(code)

    def leave(self) -> None:
        if self.seat is not None and self.audience is not None:
            self.audience.leave(self.seat)
        self.seat = self.audience = None
        if self._placed is not None:
            places.give_back(self._placed)
            self._placed = None

    @property
    def session_key(self) -> str | None:
        return getattr(self.scope.get("session"), "session_key", None)


class BatchConsumer(LiveConsumer[Place]):
    """/ws/batches/<id>/: one batch, its rows and its numbers."""

    def wanted(self) -> Place:
        view = self.query.get("view", ["live"])[0]
        viewer = Viewer(view if view in feed.VIEWS else "live", language_of(self.query), Role.READER)
        batch_id = int(self.scope["url_route"]["kwargs"]["batch_id"])
        return Place(batch_id, Cursor.parse(self.query.get("after", [""])[0]), viewer)

    def access(self, key: Place) -> Access[Place]:
        user = user_of(self.session_key)
        if user is None:
            return Access(SIGNED_OUT)
        self.person = user.pk
        batch = Batch.objects.visible_to(user).filter(pk=key.batch_id).first()
        if batch is not None:
            return Access(None, feed.seen_by(key, rights.of(user, batch)))
        hidden = self.seat is not None and Batch.objects.filter(pk=key.batch_id, deleted_at=None).exists()
        return Access(NOT_ALLOWED if hidden else UNKNOWN)  # one who never saw it is not told that it exists

    def join(self, seat: Seat[Place]) -> Audience[Place]:
        return feed.house().join(seat)


class ListConsumer(LiveConsumer[Shelf]):
    """/ws/batches/: the rows of the list that the page shows."""

    def wanted(self) -> Shelf:
        asked = listing.parse_ids(self.query.get("rows", [""])[0])
        return Shelf((), language_of(self.query), asked)

    def access(self, key: Shelf) -> Access[Shelf]:
        user = user_of(self.session_key)
        if user is None:
            return Access(SIGNED_OUT)
        self.person = user.pk
        return Access(None, listing.shelf(user, key.asked, key.language))

    def join(self, seat: Seat[Shelf]) -> Audience[Shelf]:
        return listing.join(seat)


class CollectionConsumer(LiveConsumer[Stand]):
    """/ws/collections/: the table of one collection, over all its batches."""

    def wanted(self) -> Stand:
        name = self.query.get("collection", [""])[0]
        return collecting.parse(name, language_of(self.query), self.query.get("after", [""])[0])

    def access(self, key: Stand) -> Access[Stand]:
        user = user_of(self.session_key)
        if user is None:
            return Access(SIGNED_OUT)
        self.person = user.pk
        stand = collecting.seen_by(user, key)
        return Access(UNKNOWN) if stand is None else Access(None, stand)

    def join(self, seat: Seat[Stand]) -> Audience[Stand]:
        return collecting.join(seat)
