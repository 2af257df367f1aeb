"""The site under load: its data folder, its database, its endpoint, its processes, filled and started."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks import common
from benchmarks.load import weighing
from tests import postgres_server, redis_server
from tests.site import processes

THREADS = 16
# As somebody would run it; those of the tests wait for no disk.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "shared_buffers": "256MB"}
NO_LIMIT = {"CARDOCR_MAX_STREAMS": "0", "CARDOCR_RATE_REQUESTS": "0", "CARDOCR_RATE_UPLOADS": "0"}


@dataclass
class Site:
    serving: processes.Serving
    variables: dict[str, str]
    endpoint: str
    world: dict[str, Any]  # what filling made

    @property
    def url(self) -> str:
        return self.serving.url

    def check(self, done: dict[str, Any]) -> dict[str, Any]:
        """What `checking` finds."""
        found: dict[str, Any] = said(
            self.serving.data, self.variables, "benchmarks.load.checking", given=json.dumps(done)
        )
        return found

    def families(self) -> dict[str, list[int]]:
        """Each program with its processes; the decoders of both are one."""
        found: dict[str, list[int]] = {"decoders": []}
        for pid in self.serving.children():
            name = "web process" if "cardocr_site.web" in weighing.command(pid) else "consumer"
            found.setdefault(name, []).append(pid)
            found["decoders"] += weighing.descendants(pid)
        for pid in weighing.descendants(os.getpid()):
            command = weighing.command(pid)
            for name in ("postgres", "redis-server"):
                if name in command.split("\0")[0]:
                    found.setdefault(name, []).append(pid)
        return found


@contextmanager
def running(folder: Path, on: str, wanted: dict[str, Any]) -> Iterator[Site]:
    """`on`: embedded, postgres or servers. `wanted` is what filling is told."""
    with ExitStack() as stack:
        variables = {
            "CARDOCR_ADMIN_PASSWORD": processes.PASSWORD,
            "CARDOCR_ALLOW_PRIVATE_ENGINES": "127.0.0.1",
            "CARDOCR_THREADS": str(THREADS),
            "CARDOCR_TURN_SCANS": "0",
            "DJANGO_SETTINGS_MODULE": "cardocr_site.settings",
            **NO_LIMIT,
        }
        if on != "embedded":
            variables["DATABASE_URL"] = stack.enter_context(database())
        if on == "servers":
            variables["REDIS_URL"] = stack.enter_context(redis_server.running()).url
        endpoint = stack.enter_context(common.endpoint(wanted["latency"]))
        data = folder / "data"
        if on == "embedded":
            processes.with_tables(data)
        else:
            made = processes.manage(data, "prepare_database", **variables)
            assert made.returncode == 0, made.stderr
        filled = said(
            data,
            variables,
            "benchmarks.load.filling",
            json.dumps(wanted | {"endpoint": endpoint, "threads": THREADS}),
        )
        serving = stack.enter_context(processes.serve(folder, first=True, **variables))
        yield Site(serving, variables, endpoint, filled)


@contextmanager
def database(*names: str, **settings: str) -> Iterator[str]:
    """The address of the first one."""
    names = names or ("cardocr",)
    with postgres_server.running(**DURABLE, **settings) as url:
        with processes.connected(urlsplit(url)._replace(path="/postgres").geturl()) as connection:
            for name in names:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield urlsplit(url)._replace(path=f"/{names[0]}").geturl()


def said(data: Path, variables: dict[str, str], module: str, *arguments: str, given: str = "") -> Any:
    """What a module of ours prints on its last line, as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=processes.ROOT,
        env=processes.environment(data, **variables),
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
