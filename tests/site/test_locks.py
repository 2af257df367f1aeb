"""The locks hold what pyproject asks for, with hashes, and name no index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
SERVERS = "tests/servers/requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, str]:
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in pins}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        ("requirements-dev.lock", PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]),
    ],
)
def test_the_lock_satisfies_pyproject(lock: str, wanted: list[str]):
    pins = locked(lock)
    for text in wanted:
        requirement = Requirement(text)
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is missing in {lock}: make locks"
        assert requirement.specifier.contains(version), f"{text} against {version} in {lock}: make locks"


def test_both_locks_agree():
    plain, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert plain == {name: dev.get(name) for name in plain}


def of_servers(kind: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / SERVERS).glob(f"*.{kind}"))


@pytest.mark.parametrize("wanted", of_servers("in"))
def test_the_lock_of_a_server_satisfies_what_is_wanted(wanted: str):
    pins = locked(wanted.removesuffix("in") + "lock")
    for text in (ROOT / wanted).read_text().splitlines():
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), f"{text}: make locks"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", *of_servers("lock")])
def test_every_pin_has_a_hash_and_no_address_is_named(lock: str):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "index-url" not in text
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        assert "--hash=sha256:" in block, block[:80]


def test_the_python_floor_is_one_and_the_same():
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    assert "--python-version 3.11" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
@pytest.mark.parametrize("floor", ["django>=5.2.19", "daphne>=4.2.3", "pillow>=13.0.0"])
def test_the_locks_name_no_version_below_the_safe_ones(lock: str, floor: str):
    requirement = Requirement(floor)
    assert requirement.specifier.contains(locked(lock)[canonicalize_name(requirement.name)])
