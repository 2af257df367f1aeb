"""What the web process does beside serving."""

import tempfile
from typing import Any

import pytest
from daphne import http_protocol, server

from batches.drain.watch import Watch
from cardocr_site import log_lines, web


def test_it_looks_at_the_disk_and_for_a_consumer(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, settings: Any) -> None:
    begun = []
    monkeypatch.setattr(Watch, "start", lambda watch: begun.append("watch"))
    monkeypatch.setattr(server.Server, "run", lambda _server: begun.append("server"))
    monkeypatch.setattr(http_protocol, "WebRequest", http_protocol.WebRequest)  # put back after it
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    monkeypatch.setattr(log_lines, "take_over", lambda: begun.append("log"))
    settings.DATA_DIR = tmp_path
    web.run("127.0.0.1", 0)
    assert begun == ["log", "watch", "server"]
