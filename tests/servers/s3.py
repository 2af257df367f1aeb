"""Moto's S3 behind a door of ours, through which nothing passes where a test wants that.

CARDOCR_TEST_S3=http://KEY:SECRET@HOST:PORT takes another server in its place; the tests make a bucket
"cards" there and fill it.
"""

import http.client
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

from tests.servers import programs
from tests.site.processes import free_port

BUCKET = "cards"
OTHER = urlsplit(os.environ.get("CARDOCR_TEST_S3", ""))
KEY_ID, SECRET = OTHER.username or "AKIA-OF-THE-TESTS", OTHER.password or "secret-of-the-tests"


@dataclass
class Door:
    url: str
    behind: tuple[str, int]
    broken: str = ""  # a status, like 503; "gone": the connection is closed
    broken_for: str = ""  # this method alone
    calls: list[str] = field(default_factory=list)
    client: Any = None

    def keys(self, prefix: str = "") -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return [entry["Key"] for entry in found]

    def bytes_of(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())


class _Handler(BaseHTTPRequestHandler):
    door: Door
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        door = self.door
        door.calls.append(f"{self.command} {self.path}")
        body = self._body()
        if door.broken and door.broken_for in {"", self.command}:
            self.close_connection = True
            if door.broken.isdigit():
                self.send_response(int(door.broken))
                self.send_header("Content-Length", "0")
                self.end_headers()
            return
        there = http.client.HTTPConnection(*door.behind, timeout=30)
        there.request(self.command, self.path, body, dict(self.headers.items()))
        answer = there.getresponse()
        data = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(data)
        there.close()

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _pass

    def _body(self) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            del self.headers["Expect"]
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_expect_100(self) -> bool:
        return True

    def log_message(self, *_arguments: Any) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: Any) -> None:
        return


@contextmanager
def _behind(folder: Path) -> Iterator[tuple[str, int]]:
    if OTHER.hostname:
        yield OTHER.hostname, OTHER.port or 80
        return
    port = free_port()
    command = [programs.program("moto", "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with programs.running(command, folder, f"http://127.0.0.1:{port}/moto-api/", {}):
        yield "127.0.0.1", port


@contextmanager
def running(folder: Path) -> Iterator[Door]:
    with _behind(folder) as (host, port):
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )
        client.create_bucket(Bucket=BUCKET)
        door = Door("", (host, port), client=client)
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"door": door}))
        door.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield door
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
            with suppress(Exception):
                client.close()
