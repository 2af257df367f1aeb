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
EXTRAS = PROJECT["project"]["optional-dependencies"]
OURS = ["requirements.lock", *(f"requirements-{name}.lock" for name in ("dev", *EXTRAS))]


def locked(name: str) -> dict[str, str]:
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in pins}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        ("requirements-dev.lock", PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]),
        *(("requirements-dev.lock", wanted) for name, wanted in EXTRAS.items() if name != "ldap"),
        *(
            (f"requirements-{name}.lock", PROJECT["project"]["dependencies"] + wanted)
            for name, wanted in EXTRAS.items()
        ),
    ],
)
def test_the_lock_satisfies_pyproject(lock: str, wanted: list[str]):
    pins = locked(lock)
    for text in wanted:
        requirement = Requirement(text)
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement.name} is missing in {lock}: make locks"
        assert requirement.specifier.contains(version), f"{text} against {version} in {lock}: make locks"


@pytest.mark.parametrize("name", ["dev", *EXTRAS])
def test_the_locks_agree(name: str):
    plain, more = locked("requirements.lock"), locked(f"requirements-{name}.lock")
    assert plain == {package: more.get(package) for package in plain}


def test_the_plain_product_has_no_extra():
    assert not {"boto3", "django-allauth", "psycopg"} & locked("requirements.lock").keys()
    assert "python-ldap" not in locked("requirements.lock").keys() | locked("requirements-dev.lock"), "it is compiled"


def test_sign_in_by_ldap_is_tried_with_what_is_installed():
    tried = locked(f"{SERVERS}/ldap.lock")
    assert "django" not in tried
    assert tried.items() <= locked("requirements-ldap.lock").items()


def of_servers(kind: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / SERVERS).glob(f"*.{kind}"))


@pytest.mark.parametrize("wanted", of_servers("in"))
def test_the_lock_of_a_server_satisfies_what_is_wanted(wanted: str):
    pins = locked(wanted.removesuffix("in") + "lock")
    for text in (ROOT / wanted).read_text().splitlines():
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), f"{text}: make locks"


@pytest.mark.parametrize(
    "lock", ["requirements.lock", *(f"requirements-{name}.lock" for name in ("dev", *EXTRAS)), *of_servers("lock")]
)
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
