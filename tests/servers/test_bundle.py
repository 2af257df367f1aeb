"""`make bundle`, and what is installed from it where there is no network."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.site.processes import ROOT, free_port

pytestmark = pytest.mark.servers

# A network namespace of its own, with nothing but itself in it.
ALONE = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
# Run in there: install, start, ask, stop.
WHOLE = """
import os, socket, subprocess, sys, time, urllib.request
to, port, *install = sys.argv[1:]
try:
    socket.create_connection(("192.0.2.1", 80), 2)
    sys.exit("There is a network.")
except OSError:
    pass
subprocess.run(install, check=True)
serve = subprocess.Popen([".venv/bin/python", "manage.py", "serve", "--port", port], cwd=to)
try:
    for _ in range(600):
        time.sleep(0.1)
        try:
            print("health:", urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10).read().decode())
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/accounts/login/", timeout=10).read().decode()
            print("page:", "cardocr" in page)
            break
        except OSError:
            assert serve.poll() is None
finally:
    serve.terminate()
    serve.wait(60)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Made, and unpacked as it would be there."""
    folder = tmp_path_factory.mktemp("bundle")
    made = subprocess.run(
        [sys.executable, "scripts/bundle.py", "--to", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        if os.environ.get("CARDOCR_REQUIRE_SERVERS"):
            pytest.fail(made.stderr)
        pytest.skip("The wheels cannot be fetched here.")
    archive = Path(made.stdout.strip().splitlines()[-1])
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "unpacked", filter="data")
    archive.unlink()
    (unpacked,) = (folder / "unpacked").iterdir()
    yield unpacked
    shutil.rmtree(folder)


def environment(home: Path) -> dict[str, str]:
    """uv is among what the tests are run with: it takes a tenth of pip's time."""
    return {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8"}


def install(bundle: Path, to: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(bundle / "install"), "--offline", "--to", str(to)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(to.parent))


@pytest.fixture(scope="module")
def installed(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("there") / "cardocr"
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        if os.environ.get("CARDOCR_REQUIRE_SERVERS"):
            pytest.fail("This machine makes no network namespaces: unshare -rn")
        pytest.skip("This machine makes no network namespaces: unshare -rn")
    command = [*ALONE, sys.executable, "-c", WHOLE, str(to), str(free_port())]
    command += [sys.executable, str(bundle / "install"), "--offline", "--to", str(to)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(to.parent), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is installed in" in done.stdout
    assert '"status": "ok"' in done.stdout, done.stdout
    assert "page: True" in done.stdout
    return to


def test_without_a_network_it_is_installed_and_runs(installed: Path):
    assert (installed / "data/cardocr.sqlite3").is_file()
    assert (installed / "data").stat().st_mode & 0o777 == 0o700
    assert not (installed / "tests").exists()


def test_it_tells_what_it_consists_of(bundle: Path):
    told = {part["name"] for part in json.loads((bundle / "sbom.json").read_text())["components"]}
    wheels = {
        path.name.split("-")[0].replace("_", "-").replace(".", "-").lower() for path in bundle.glob("wheels/*.whl")
    }
    assert wheels <= told


def test_a_newer_one_takes_its_place_and_data_stay(bundle: Path, installed: Path):
    mark = installed / ".cardocr-bundle.json"
    told = json.loads(mark.read_text())
    mark.write_text(json.dumps(told | {"version": "0.0.9", "files": [*told["files"], "cardocr_site/gone.py"]}))
    (installed / "cardocr_site/gone.py").write_text("")
    (installed / "manage.py").write_text("old")
    (installed / ".env").write_text("CARDOCR_URL=http://127.0.0.1:8000")
    before = (installed / "data/cardocr.sqlite3").read_bytes()
    done = install(bundle, installed)
    assert done.returncode == 0, done.stderr
    assert f"cardocr 0.0.9 in {installed} is {told['version']} now" in done.stdout
    assert (installed / "data/cardocr.sqlite3").read_bytes() == before
    assert (installed / ".env").is_file()
    assert not (installed / "cardocr_site/gone.py").exists()
    assert (installed / "manage.py").read_text() != "old"


def test_while_it_runs_nothing_is_changed(bundle: Path, installed: Path):
    with subprocess.Popen([".venv/bin/python", "manage.py", "shell"], cwd=installed, stdin=subprocess.PIPE) as one:
        done = install(bundle, installed)
        one.kill()
    assert f"cardocr runs in {installed} (process {one.pid})" in done.stderr


def test_what_was_changed_on_the_way_is_not_installed(bundle: Path, tmp_path: Path):
    copied = tmp_path / "copied"
    shutil.copytree(bundle, copied, copy_function=os.link)
    more = copied / "wheels/more.whl"
    more.touch()
    assert "more.whl does not belong here" in install(copied, tmp_path / "to").stderr
    more.unlink()
    (copied / "wheels.lock").unlink()
    (copied / "wheels.lock").write_text("django==1.0")
    done = install(copied, tmp_path / "to")
    assert done.returncode != 0
    assert "wheels.lock is missing or is not what was packed" in done.stderr
    assert not (tmp_path / "to").exists()


@pytest.fixture
def installer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("installer", ROOT / "scripts/install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def told(installer: ModuleType) -> dict[str, Any]:
    return {
        "version": "0.2.0",
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "implementation": sys.implementation.name,
        "platform": installer.sysconfig.get_platform(),
        "glibc": "2.17",
    }


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"platform": "linux-riscv64"}, "for linux-riscv64, and this machine is"),
        ({"python": "3.99"}, "for Python 3.99, and this is"),
        ({"glibc": "9.1"}, "needs glibc 9.1 or later"),
    ],
)
def test_another_machine_is_refused(installer: ModuleType, told: dict[str, Any], other: dict[str, str], sentence: str):
    installer.check_machine(told)
    with pytest.raises(SystemExit, match=sentence):
        installer.check_machine(told | other)


def test_other_folders_and_newer_programs_are_left_alone(installer: ModuleType, told: dict[str, Any], tmp_path: Path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(SystemExit, match="is not empty"):
        installer.check_target(tmp_path, told)
    (tmp_path / installer.MARK).write_text('{"version": "0.10.0"}')
    with pytest.raises(SystemExit, match=r"is 0.10.0, newer than 0.2.0"):
        installer.check_target(tmp_path, told)
