"""The web process: daphne, without Twisted's own reading of forms. `python -m cardocr_site.web HOST PORT`."""

import errno
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

from cardocr_site import access_log, handler, lifeline, log_lines, slow_readers

IN_MEMORY = 100_000  # bytes; larger bodies lie on the disk
BESIDE = 16_000_000  # bytes of a request that are no file
TOO_LARGE, FULL, BROKEN = (
    b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status
    for status in (b"413 Content Too Large", b"507 Insufficient Storage", b"500 Internal Server Error")
)


class Body(io.BufferedRandom):
    """A large body on the disk: a file of its own that a view may move away. What is left goes when it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        super().__init__(io.FileIO(descriptor, "r+"))

    def close(self) -> None:
        super().close()
        self.path.unlink(missing_ok=True)


class OnDisk:
    """What a request of ours does with its body: it goes to the disk once, as the file that it may become."""

    channel: Any
    content: io.BytesIO | Body
    room: int

    def gotLength(self, length: int | None) -> None:
        from batches.intake import store

        self.content = io.BytesIO()
        self.room = settings.MAX_CONTAINER_BYTES + BESIDE
        if length is not None and length > self.room:
            self.refuse()
        elif length is None or length > IN_MEMORY:
            with self._written():
                self.content = Body(store.part())

    def handleContentChunk(self, data: bytes) -> None:
        self.room -= len(data)
        if self.room < 0:
            self.refuse()
            return
        with self._written():
            self.content.write(data)

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.room = -1
            self.refuse(FULL if error.errno in {errno.ENOSPC, errno.EDQUOT} else BROKEN)

    def refuse(self, answer: bytes = TOO_LARGE) -> None:
        """Before it is on the disk, and before anybody knows who sends it; nothing more is read."""
        self.channel.transport.write(answer)
        self.channel.transport.loseConnection()

    def give_body(self) -> io.BytesIO | Body:
        """To Django, which closes it: daphne would copy it, piece by piece, through the loop."""
        body, self.content = self.content, io.BytesIO()
        return body


def replace_request() -> None:
    """Let Django alone parse what is posted.

    Twisted would read every multipart body first: 1,000 files in one POST took 65 s and 9.6 GB, with the loop
    standing still for 61 s. Daphne's factory looks the class up by its name in the module at each connection.
    """
    from daphne import http_protocol

    class Request(OnDisk, http_protocol.WebRequest):  # type: ignore[misc]
        # What daphne says by itself, before or beside Django: no inline style, since the CSP would not allow it.
        error_template = "<!doctype html><title>%(title)s</title><h1>%(title)s</h1><p>%(body)s</p>"

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "parsePOSTFormSubmission": False})

        told: Mapping[str, Any] = {}

        def handle_reply(self, message: Mapping[str, Any]) -> None:
            self.told = message.get(handler.TOLD, self.told)
            super().handle_reply(message)

        def finish(self) -> None:
            if self.producer is not None:
                self.unregisterProducer()
            super().finish()
            access_log.answered(self, self.told)

    http_protocol.WebRequest = Request


def server(application: Any, host: str, port: int) -> Any:
    """Daphne's, with bodies that lie on the disk, and never more on its way than is read."""
    from daphne.endpoints import build_endpoint_description_strings
    from daphne.server import Server

    replace_request()
    paces = slow_readers.Paces()

    class OurServer(Server):  # type: ignore[misc]
        def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
            if hasattr(protocol, "give_body"):
                scope[handler.BODY] = protocol.give_body()
            return super().create_application(protocol, scope)

        async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
            if protocol not in self.connections or self.connections[protocol].get("disconnected"):
                return
            pace = paces.before(protocol, message)
            await super().handle_reply(protocol, message)
            if pace is not None and not await pace.taken():
                slow_readers.cut_off(protocol)

    return OurServer(
        application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        server_name="cardocr",
        action_logger=access_log.socket,
        application_close_timeout=60,  # what waits for a thread cannot be killed; it would be told of each second
        # Holds for both directions: what is larger is dropped without a word, so it lies above feed.LARGEST.
        # What a browser may send is limited by the frame size, and again by the consumers.
        websocket_max_message_size=8 * 1024 * 1024,
        websocket_max_frame_size=16 * 1024,
    )


def run(host: str, port: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cardocr_site.settings")

    from cardocr_site.asgi import application

    from batches.drain.watch import Watch  # isort: skip  (models load after Django is set up)
    from batches.intake import store  # isort: skip
    from cardocr_site import upgrades  # isort: skip

    log_lines.take_over()
    upgrades.exit_from_other()
    Watch().start()
    tempfile.tempdir = str(store.part().parent)  # bodies on their way: not in memory, where that is what /tmp is
    server(application, host, port).run()


if __name__ == "__main__":
    lifeline.hold()
    run(sys.argv[1], int(sys.argv[2]))
