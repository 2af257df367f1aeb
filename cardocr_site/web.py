"""The web process: daphne, without Twisted's own reading of forms. `python -m cardocr_site.web HOST PORT`."""

import os
import sys
import tempfile
from typing import Any

from django.conf import settings

from cardocr_site import lifeline

BESIDE = 16_000_000  # bytes of a request that are no file
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def replace_request() -> None:
    """Let Django alone parse what is posted.

    Twisted would read every multipart body first: 1,000 files in one POST took 65 s and 9.6 GB, with the loop
    standing still for 61 s. Daphne's factory looks the class up by its name in the module at each connection.
    """
    from daphne import http_protocol

    class Request(http_protocol.WebRequest):  # type: ignore[misc]
        # What daphne says by itself, before or beside Django: no inline style, since the CSP would not allow it.
        error_template = "<!doctype html><title>%(title)s</title><h1>%(title)s</h1><p>%(body)s</p>"

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "parsePOSTFormSubmission": False})
            self.room = settings.MAX_CONTAINER_BYTES + BESIDE

        def gotLength(self, length: int | None) -> None:
            super().gotLength(length)
            if length is not None and length > self.room:
                self.refuse()

        def handleContentChunk(self, data: bytes) -> None:
            self.room -= len(data)
            if self.room < 0:
                self.refuse()
            else:
                super().handleContentChunk(data)

        def refuse(self) -> None:
            """Before it is on the disk, and before anybody knows who sends it; nothing more is read."""
            self.channel.transport.write(TOO_LARGE)
            self.channel.transport.loseConnection()

    http_protocol.WebRequest = Request


def run(host: str, port: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cardocr_site.settings")
    replace_request()
    from daphne.endpoints import build_endpoint_description_strings
    from daphne.server import Server

    from cardocr_site.asgi import application

    from batches.intake import store  # isort: skip  (models load after Django is set up)

    tempfile.tempdir = str(store.part().parent)  # bodies on their way: not in memory, where that is what /tmp is
    Server(
        application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        server_name="cardocr",
        request_buffer_size=256 * 1024,  # 8 kB would be a turn of the loop for each of the 128 pieces of a scan
        # Holds for both directions: what is larger is dropped without a word, so it lies above feed.LARGEST.
        # What a browser may send is limited by the frame size, and again by the consumers.
        websocket_max_message_size=8 * 1024 * 1024,
        websocket_max_frame_size=16 * 1024,
    ).run()


if __name__ == "__main__":
    lifeline.hold()
    run(sys.argv[1], int(sys.argv[2]))
