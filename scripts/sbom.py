"""What cardocr consists of, as CycloneDX 1.5: `make sbom`. From the lock files alone, so that it is always the same.

Licences come from what is installed beside it; where a package is not, or names none, it has none here.
"""

import argparse
import json
import re
import sys
import tomllib
import uuid
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)")
# Of what says its licence in words, or only by a classifier.
NAMES = {
    "MIT License": "MIT",
    "MIT": "MIT",
    "BSD License": "BSD-3-Clause",
    "BSD-3-Clause": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD-2-Clause": "BSD-2-Clause",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
}

# Looked up by hand: of what says none where it could be read, and of what is needed on other systems alone.
BY_HAND = {
    "async-timeout": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "django-auth-ldap": "BSD-2-Clause",
    "huey": "MIT",
    "pyasn1": "BSD-2-Clause",
    "pyasn1-modules": "BSD-2-Clause",
    "python-ldap": "python-ldap",
    "tzdata": "Apache-2.0",
    "u-msgpack-python": "MIT",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extra", action="append", default=[], help="an extra of pyproject.toml, such as postgres")
    sys.stdout.write(written(sorted(set(parser.parse_args().extra))))


def written(extras: list[str]) -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    parts = [component(*entry) for entry in locked(extras)]
    ours = {"type": "application", "bom-ref": "cardocr", "name": project["name"], "version": project["version"]}
    told: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": ours | {"licenses": [{"license": {"id": project["license"]}}]}},
        "components": parts + vendored(),
    }
    named = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(told, sort_keys=True))  # the same parts, the same number
    return json.dumps({**told, "serialNumber": f"urn:uuid:{named}"}, indent=2, ensure_ascii=False) + "\n"


def locked(extras: list[str]) -> list[tuple[str, str, list[str]]]:
    """Name, version and the hashes of each file that may be installed."""
    found: dict[tuple[str, str], set[str]] = {}  # some have another version for another Python
    for name in ["requirements.lock", *(f"requirements-{extra}.lock" for extra in extras)]:
        digests: set[str] = set()
        for line in (ROOT / name).read_text().splitlines():
            if entry := ENTRY.match(line):
                digests = found.setdefault((re.sub(r"[-_.]+", "-", entry[1]).lower(), entry[2]), set())
            digests.update(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
    return [(name, version, sorted(digests)) for (name, version), digests in sorted(found.items())]


def component(name: str, version: str, digests: list[str]) -> dict[str, Any]:
    address = f"pkg:pypi/{name}@{version}"
    told: dict[str, Any] = {"type": "library", "bom-ref": address, "name": name, "version": version, "purl": address}
    told["hashes"] = [{"alg": "SHA-256", "content": digest} for digest in digests]
    if licences := licences_of(name):
        told["licenses"] = licences
    return told


def licences_of(name: str) -> list[dict[str, Any]]:
    if name in BY_HAND:
        return [{"license": {"id": BY_HAND[name]}}]
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return []
    if expression := about.get("License-Expression"):
        return [{"expression": expression}]
    classified = [one.rsplit(" :: ", 1)[1] for one in about.get_all("Classifier", []) if one.startswith("License ::")]
    said = [one for one in [(about.get("License") or "").strip(), *classified] if one and "\n" not in one]
    known = next((NAMES[one] for one in said if one in NAMES), "")
    if known:
        return [{"license": {"id": known}}]
    return [{"license": {"name": said[0]}}] if said else []


def vendored() -> list[dict[str, Any]]:
    """htmx, which django-htmx brings along; other scripts of others are not in here."""
    try:
        import django_htmx
    except ImportError:
        return []
    script = Path(django_htmx.__file__).parent / "static/django_htmx/htmx-2.min.js"
    version = re.search(r'version:\s*"(\d[^"]*)"', script.read_text())
    if version is None:
        sys.exit(f"{script} does not say its version.")
    address = f"pkg:npm/htmx.org@{version[1]}"
    told = {"type": "library", "bom-ref": address, "name": "htmx.org", "version": version[1], "purl": address}
    return [told | {"licenses": [{"license": {"id": "0BSD"}}]}]


if __name__ == "__main__":
    main()
