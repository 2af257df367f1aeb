"""A batch followed over a WebSocket, in JSON."""

import asyncio
import json
from typing import Any

from channels.db import database_sync_to_async
from django.http import HttpRequest
from django.utils import translation

from batches.api import following
from batches.api.following import Caller, Follower, Form
from batches.live import places
from batches.live.audience import BEAT, Access, Audience, Seat
from batches.live.consumers import NOT_ALLOWED, SIGNED_OUT, TOO_MANY, UNKNOWN, LiveConsumer
from batches.live.feed import Cursor
from cardocr_site import origins
from cardocr_site.accounts import addresses

TOKEN_WITHIN = 10.0  # seconds
NOT_UNDERSTOOD = 4400
HEARTBEAT = '{"type": "heartbeat"}'


class ProgramConsumer(LiveConsumer[Follower]):
    """/api/v1/ws/task/<id>: a token in the header or as the first message, or a session and our own page."""

    greeting = ""
    caller = Caller()
    cursor: Cursor | None = None
    _waiting: asyncio.TimerHandle | None = None
    _turning: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        self.cursor = following.cursor_of(self.query.get("since", [""])[0][:60])
        if self.cursor is None:
            await self.close(NOT_UNDERSTOOD, "since: a version, or the “since” of the last message")
            return
        header = self._header(b"authorization")
        kind, _space, token = header.partition(" ")
        if header:
            self.caller = Caller(token=token.strip())
            await (self.enter() if kind.lower() == "bearer" and token.strip() else self.turn_away(SIGNED_OUT))
            return
        if self.scope.get(origins.OURS) and self.session_key:
            by_session = Caller(session_key=self.session_key)
            if await database_sync_to_async(by_session.user, thread_sensitive=False)() is not None:
                self.caller = by_session
                await self.enter()
                return
        if not await places.take(self._stranger()):
            await self.close(TOO_MANY)
            return
        self._waiting = asyncio.get_running_loop().call_later(TOKEN_WITHIN, self._give_up)

    def _header(self, wanted: bytes) -> str:
        return next((value.decode("latin1") for name, value in self.scope["headers"] if name.lower() == wanted), "")

    def _stranger(self) -> str:
        """Nobody yet, from that address: who opens sockets and says nothing takes no others' place."""
        request = HttpRequest()
        request.META["REMOTE_ADDR"] = (self.scope.get("client") or [""])[0]
        request.META["HTTP_X_FORWARDED_FOR"] = self._header(b"x-forwarded-for")
        return f"from:{addresses.client_address(request)}"

    def _give_up(self) -> None:
        self._stop_waiting()
        self._turning = asyncio.create_task(self.turn_away(SIGNED_OUT))

    async def hear(self, text: str) -> None:
        """The token, once; what is said later is passed over."""
        if self._waiting is None:
            return
        self._stop_waiting()
        self.caller = Caller(token=_token_of(text))
        await (self.enter() if self.caller.token else self.turn_away(SIGNED_OUT))

    def leave(self) -> None:
        self._stop_waiting()
        super().leave()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
            places.give_back(self._stranger())

    def wanted(self) -> Follower:
        return Follower(0, self.cursor or following.BEGINNING, Form.SOCKET, self._language())

    def _language(self) -> str:
        request = HttpRequest()
        request.META["HTTP_ACCEPT_LANGUAGE"] = self._header(b"accept-language")
        return translation.get_language_from_request(request)

    def access(self, key: Follower) -> Access[Follower]:
        if self.seat is not None:
            return self.caller.access(key)
        user = self.caller.user()
        if user is None:
            return Access(SIGNED_OUT)
        self.person = user.pk
        if user.must_change_password:
            return Access(NOT_ALLOWED)
        batch = following.batch_of(user, self.scope["url_route"]["kwargs"]["batch_id"])
        if batch is None:
            return Access(UNKNOWN)
        return Access(None, Follower(batch.pk, key.cursor, key.form, key.language))

    def join(self, seat: Seat[Follower]) -> Audience[Follower]:
        return following.join(seat)

    async def tell(self, text: str) -> None:
        for message in (HEARTBEAT if text == BEAT else text).split("\n"):
            await self.send(message)


def _token_of(text: str) -> str:
    """Of `{"type": "auth", "token": …}`; empty where it is something else."""
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    token = said.get("token") if isinstance(said, dict) and said.get("type") == "auth" else None
    return token.strip() if isinstance(token, str) else ""
