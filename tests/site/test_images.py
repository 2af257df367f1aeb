"""The Dockerfile and the Compose file. No image is built here: they are read, and what they copy is tried."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.site.processes import ROOT
from tests.site.test_locks import EXTRAS

DEPLOY = ROOT / "deploy"
OF_A_SERVICE = {
    *("build", "cap_drop", "command", "depends_on", "environment", "healthcheck", "image", "init", "networks", "ports"),
    *("profiles", "read_only", "restart", "secrets", "security_opt", "stop_grace_period", "tmpfs", "volumes"),
}


def steps() -> list[tuple[str, str]]:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def copied() -> list[str]:
    given = [told.split()[:-1] for step, told in steps() if step == "COPY" and not told.startswith("--from")]
    return [name for names in given for name in names]


@cache
def compose() -> dict[str, Any]:
    told: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    return told


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def test_the_image_runs_as_nobody_with_rights_and_is_stopped_in_order():
    told = dict(steps())
    assert told["USER"] == "10001:10001"
    assert told["STOPSIGNAL"] == "SIGTERM"
    assert [step for step, _ in steps()].index("USER") < [step for step, _ in steps()].index("ENTRYPOINT")
    assert "deploy/healthcheck.py" in told["HEALTHCHECK"]
    assert all(
        ":" in image or image == "build" for image in re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text())
    )


def test_everything_is_installed_by_hashes_for_each_extra():
    installs = [told for step, told in steps() if step == "RUN" and "pip install" in told]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0]
    assert {f"requirements-{extra}.lock" for extra in EXTRAS} <= set(copied())


def test_what_is_copied_is_there_and_comes_into_the_build():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    for name in copied():
        assert (ROOT / name).exists(), name
        assert name in kept or (name.endswith(".lock") and "requirements*.lock" in kept), name


def test_what_is_copied_is_enough_to_run(tmp_path: Path):
    """As the image has it: from a folder that is read alone, into a data folder."""
    program = tmp_path / "program"
    for name in copied():
        if not name.endswith(".lock"):
            target = program / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(ROOT / name, target)
    given = {"CARDOCR_DATA_DIR": str(tmp_path / "data"), "CARDOCR_URL": "https://cards.example.org"}
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("CARDOCR_", "DJANGO_"))}
    for command in (["check", "--deploy", "--fail-level", "WARNING"], ["collectstatic", "--noinput", "-v", "0"]):
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=program,
            env={**plain, **given, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/static/staticfiles.json").is_file()
    assert not list(program.rglob("__pycache__")), "it wrote beside its data folder"


def test_compose_says_what_compose_knows():
    told = compose()
    assert {name for name in told if not name.startswith("x-")} == {
        "name",
        "services",
        "networks",
        "volumes",
        "secrets",
    }
    for name, service in services().items():
        assert set(service) <= OF_A_SERVICE, name
        assert set(service["profiles"]) <= {"desk", "server"}
        assert set(service.get("networks", ())) <= set(told["networks"])
        assert set(service.get("secrets", ())) <= set(told["secrets"])
        assert set(service.get("depends_on", ())) <= set(services())
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in told["volumes"], volume


def test_images_are_of_a_version():
    for service in services().values():
        name, _, version = service["image"].partition(":")
        assert re.match(r"\d", version), name
    version = re.search(r'__version__ = "(.+)"', (ROOT / "cardocr_site/__init__.py").read_text())
    assert version is not None
    assert services()["web"]["image"] == f"cardocr:{version[1]}"


def test_each_setting_exists_and_each_secret_lies_in_a_file():
    known = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    for name in ("desk", "web", "worker"):
        service = services()[name]
        for setting, value in service["environment"].items():
            assert setting.removesuffix("_FILE") in known, setting
            if setting.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]
        assert service["read_only"]
        assert service["stop_grace_period"] == "40s"
    assert services()["database"]["environment"]["POSTGRES_INITDB_ARGS"].endswith("--locale=C.UTF-8")


def test_only_the_proxy_can_be_reached_from_elsewhere():
    reached = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert set(reached) == {"desk", "proxy"}
    assert all(port.startswith("127.0.0.1:") for port in reached["desk"])
    assert compose()["networks"]["inside"]["internal"]
    assert services()["database"]["networks"] == services()["redis"]["networks"] == ["inside"]


def test_the_proxy_of_compose_finds_the_web_server():
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("caddy is not installed: make servers")
    given = {
        **os.environ,
        "CARDOCR_NAME": "one.example.org",
        "CARDOCR_WEB": services()["proxy"]["environment"]["CARDOCR_WEB"],
    }
    command = [caddy, "adapt", "--config", str(DEPLOY / "Caddyfile")]
    adapted = subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout
    assert '"dial":"web:8000"' in adapted
    assert '"host":["one.example.org"]' in adapted


class Web(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = (self.path, self.headers["Host"], self.headers["X-Forwarded-Proto"])
        self.send_response(200 if asked == ("/cards/health", "example.org", "https") else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(("url", "ends"), [("https://example.org/cards", 0), ("https://example.org", 1)])
def test_the_health_check_asks_as_the_proxy_does(web: int, url: str, ends: int):
    command = [sys.executable, str(DEPLOY / "healthcheck.py"), str(web)]
    done = subprocess.run(command, env={"CARDOCR_URL": url}, capture_output=True, text=True, check=False)
    assert done.returncode == ends, done.stderr
