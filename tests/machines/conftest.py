"""An institution: two web hosts and two that read, PostgreSQL and an endpoint in the room with the switch."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
import psycopg
import pytest

from tests import hosts, postgres_server, redis_server, vlm_server
from tests.site.processes import PASSWORD, ROOT
from tests.waiting import until

PORT = 8000
AT_A_TIME = 4  # calls of each worker
ROOM_ON_DISK = "size=64m"


@dataclass
class House:
    room: hosts.Room
    database: postgres_server.Server
    redis: redis_server.Server
    endpoint: vlm_server.Server
    data: Path
    log: IO[bytes]
    variables: dict[str, str] = field(default_factory=dict)
    token: str = ""
    first: int = 0  # number of the next card: each test draws its own

    def host(self, name: str) -> hosts.Host:
        return self.room.hosts[name]

    def environment(self, **more: str) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("CARDOCR_", "DJANGO_"))}
        return {**ours, "PYTHONUNBUFFERED": "1", **self.variables, **more}

    def start(self, name: str, **more: str) -> None:
        host = self.host(name)
        role = name.partition("-")[0]
        listening = ["--host", host.address, "--port", str(PORT)] if role == "web" else []
        command = [sys.executable, "manage.py", "serve", "--only", role, *listening]
        host.run(command, self.environment(**more), self.log, ROOT)

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def batch(self, cards: int) -> int:
        """Started; its cards are `first` and the next ones."""
        made = int(self.manage("-m", "tests.processes.driver", "make", str(cards), str(self.first)))
        self.first += cards
        return made

    def url(self, web: str) -> str:
        return f"http://{self.host(web).address}:{PORT}"

    def ask(self, web: str, path: str, **more: Any) -> Any:
        answer = httpx.get(
            f"{self.url(web)}/api/v1{path}", headers={"Authorization": f"Bearer {self.token}"}, timeout=10, **more
        )
        answer.raise_for_status()
        return answer.json()["data"]

    def send(self, web: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.post(f"{self.url(web)}/api/v1{path}", headers=headers, timeout=20, **more)

    def rows(self, query: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.database.url, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()

    def sign_in(self, web: str) -> None:
        given = {"username": "admin", "password": PASSWORD}
        answer = httpx.post(f"{self.url(web)}/api/v1/auth/login", json=given, timeout=20)
        self.token = answer.json()["data"]["token"]

    def is_up(self, web: str) -> bool:
        try:
            return httpx.get(f"{self.url(web)}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def logged(self) -> str:
        return Path(self.log.name).read_text(errors="replace")

    def workers(self) -> set[str]:
        """The hosts that read, by the database; not those of which it does not know yet that their process is gone."""
        told = self.rows("SELECT host, pid FROM batches_worker")
        return {host for host, pid in told if pid in self.host(host).pids()}


def _mounted(stack: ExitStack) -> Path:
    """A disk of its own that can be full."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cardocr-shared-")))
    subprocess.run(["mount", "-t", "tmpfs", "-o", ROOM_ON_DISK, "cards", folder], check=True)
    stack.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
    return folder


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    servers = postgres_server.programs() and redis_server.program()
    lacks = hosts.missing() or ("" if servers else "PostgreSQL or Redis is not installed: make servers")
    if lacks:
        if os.environ.get("CARDOCR_REQUIRE_SERVERS"):
            pytest.fail(lacks)
        pytest.skip(lacks)
    with built(tmp_path_factory.mktemp("house") / "serve.log") as house:
        yield house


@contextmanager
def built(told: Path) -> Iterator[House]:
    with ExitStack() as stack:
        room = stack.enter_context(hosts.network())
        database = stack.enter_context(postgres_server.serving(hosts.ROOM, f"{hosts.NETWORK}.0/24"))
        redis = stack.enter_context(redis_server.running(hosts.ROOM))
        endpoint = stack.enter_context(vlm_server.running(delay=0.5, host=hosts.ROOM))
        with database.connected() as connection:
            connection.execute(f"CREATE DATABASE cardocr OWNER {postgres_server.USER} TEMPLATE template0")
        data = _mounted(stack)
        log = stack.enter_context(told.open("w+b"))
        house = House(room, database, redis, endpoint, data, log)
        for name in ("web-1", "web-2", "worker-1", "worker-2"):
            room.host(name)
        house.variables = {
            "CARDOCR_DATA_DIR": str(data),
            "CARDOCR_URL": ",".join(house.url(web) for web in ("web-1", "web-2")),
            "CARDOCR_VLM_URL": endpoint.url,
            "CARDOCR_VLM_MODEL": "test-model",
            "CARDOCR_ADMIN_PASSWORD": PASSWORD,
            "CARDOCR_THREADS": str(AT_A_TIME),
            "CARDOCR_MIN_FREE_MB": "8",
            "DATABASE_URL": database.url,
            "REDIS_URL": redis.url,
        }
        house.manage("manage.py", "prepare_database")
        for name in room.hosts:
            house.start(name)
        everybody(house)
        house.sign_in("web-1")
        yield house
        for host in room.hosts.values():
            host.shut_down()


def everybody(house: House) -> None:
    """All four are there."""
    try:
        until(lambda: house.is_up("web-1") and house.is_up("web-2"), 90, every=0.2)
        until(lambda: house.workers() == {"worker-1", "worker-2"}, 60, every=0.2)
    except AssertionError as error:
        error.add_note(f"Cards are read by {house.workers()}. What all of them have logged at last:")
        error.add_note("\n".join(house.logged().splitlines()[-60:]))
        raise


@pytest.fixture(autouse=True)
def sound(house: House) -> Iterator[None]:
    """Whatever the test before has left."""
    yield
    house.database.go_on()
    if not house.redis.answers():
        house.redis.start()
    for name, host in house.room.hosts.items():
        host.mend()
        if not host.pids():
            house.start(name)
    everybody(house)
