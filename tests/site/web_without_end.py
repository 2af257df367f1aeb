"""The web entry point before an application that sends without end, and counts what it was able to hand over."""

import asyncio
import json
import os
import sys
from typing import Any

import django

from cardocr_site import lifeline, slow_readers, web

PIECE = b"x" * 65_536
handed = {"http": 0, "websocket": 0}


async def left(receive: Any) -> None:
    while not (await receive())["type"].endswith(".disconnect"):
        pass


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    kind, gone = scope["type"], asyncio.ensure_future(left(receive))
    if scope["path"] == "/handed":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(handed).encode()})
        return
    body = {"type": "http.response.body", "body": PIECE, "more_body": True}
    piece = body if kind == "http" else {"type": "websocket.send", "text": PIECE.decode()}
    opening = {"type": "http.response.start", "status": 200, "headers": []}
    await send(opening if kind == "http" else {"type": "websocket.accept"})
    left_over = 200 if scope["path"] == "/some" else -1
    while left_over and not gone.done():
        await send(piece)
        handed[kind] += len(PIECE)
        left_over -= 1
        await asyncio.sleep(0)
    if kind == "http":
        await send({"type": "http.response.body", "body": b"end"})


if __name__ == "__main__":
    lifeline.hold()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cardocr_site.settings")
    django.setup()
    slow_readers.TAKEN_WITHIN = float(sys.argv[2])
    web.server(application, "127.0.0.1", int(sys.argv[1])).run()
