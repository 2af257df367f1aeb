"""The list of what cardocr consists of: all of the locks, with hashes and licences, and the same each time."""

import json
import re
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from tests.site.processes import ROOT

PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)
EXTRAS = ("ldap", "oidc", "postgres", "redis", "s3")


@cache
def written(*extras: str) -> str:
    given = [part for extra in extras for part in ("--extra", extra)]
    command = [sys.executable, "scripts/sbom.py", *given]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("extras", [(), EXTRAS], ids=["plain", "extras"])
def test_each_locked_package_is_in_it_with_hashes_and_a_licence(extras: tuple[str, ...]):
    told: dict[str, Any] = {part["purl"]: part for part in json.loads(written(*extras))["components"]}
    locks = [
        (ROOT / name).read_text() for name in ("requirements.lock", *(f"requirements-{one}.lock" for one in extras))
    ]
    wanted = {(canonicalize_name(name), version) for lock in locks for name, version in PIN.findall(lock)}
    assert len(wanted) > 60
    for name, version in wanted:
        part = told[f"pkg:pypi/{name}@{version}"]
        assert part["hashes"], name
        assert part["licenses"], name
        assert all(any(f"sha256:{one['content']}" in lock for lock in locks) for one in part["hashes"]), name


def test_it_names_itself_and_what_is_no_package():
    told = json.loads(written())
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.5")
    assert told["metadata"]["component"]["name"] == "cardocr"
    assert "htmx.org" in {part["name"] for part in told["components"]}
    references = [part["bom-ref"] for part in told["components"]]
    assert len(set(references)) == len(references)


def test_it_is_the_same_each_time():
    again = subprocess.run([sys.executable, "scripts/sbom.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert again.stdout == written()
    assert json.loads(written())["serialNumber"] != json.loads(written(*EXTRAS))["serialNumber"]
