"""All that an installation without internet needs, in one archive: `make bundle`, or with extras
`python scripts/bundle.py --extra postgres --extra redis`.

It is for the Python and the kind of machine that it was made with; `install` in it says so elsewhere.
"""

import argparse
import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

import sbom

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = ("tests/", "benchmarks/", ".ci/", "requirements-dev.lock")
OF_SCRIPTS = {"scripts/install.py"}
OLDER_NAMES = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extra", action="append", default=[], help="an extra of pyproject.toml, such as postgres")
    parser.add_argument("--to", type=Path, default=ROOT / "dist", help="the folder for the archive (default: dist)")
    asked = parser.parse_args()
    for extra in asked.extra:
        if not lock(extra).is_file():
            parser.error(f"There is no extra {extra}: {lock(extra).name} is missing.")
    asked.to.mkdir(parents=True, exist_ok=True)
    print(made(asked.to, sorted(set(asked.extra))))


def lock(extra: str) -> Path:
    return ROOT / f"requirements-{extra}.lock"


def made(to: Path, extras: list[str]) -> Path:
    version = version_of(ROOT)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    name = f"cardocr-{version}-python{python}-{sysconfig.get_platform()}"
    with tempfile.TemporaryDirectory(dir=to) as scratch:
        folder = Path(scratch) / name
        folder.mkdir()
        wheels = collect_wheels(folder / "wheels", extras)
        (folder / "wheels.lock").write_text(pins(wheels))
        copy_program(folder / "program")
        (folder / "sbom.json").write_text(sbom.written(extras))
        shutil.copyfile(ROOT / "scripts/install.py", folder / "install")
        (folder / "install").chmod(0o755)
        told = {
            "version": version,
            "python": python,
            "implementation": sys.implementation.name,
            "platform": sysconfig.get_platform(),
            "glibc": ".".join(map(str, needed_glibc(wheels))),
            "extras": extras,
        }
        (folder / "bundle.json").write_text(json.dumps(told, indent=2) + "\n")
        (folder / "SHA256SUMS").write_text(sums(folder))
        archive = to / f"{name}.tar"
        with tarfile.open(archive, "w") as tar:  # wheels are packed already
            tar.add(folder, name, filter=anonymous)
    (to / f"{name}.tar.sha256").write_text(f"{sha256(archive)}  {archive.name}\n")
    return archive


def version_of(program: Path) -> str:
    found = re.search(r'__version__ = "([^"]+)"', (program / "cardocr_site/__init__.py").read_text())
    if found is None:
        sys.exit("cardocr_site/__init__.py does not say its version.")
    return found[1]


def collect_wheels(to: Path, extras: list[str]) -> list[Path]:
    """By the hashes of the locks; of what is there as source alone, a wheel is made."""
    locks = [ROOT / "requirements.lock", *map(lock, extras)]
    given = [part for path in locks for part in ("-r", str(path))]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--require-hashes", "--no-deps", "-w", str(to), *given]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"The wheels could not be fetched:\n{done.stderr[-4000:]}")
    return sorted(to.glob("*.whl"))


def pins(wheels: list[Path]) -> str:
    """The very files, so that nothing else is ever installed from the archive."""
    lines = []
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name.replace('_', '-')}=={version} --hash=sha256:{sha256(wheel)}\n")
    return "".join(lines)


def needed_glibc(wheels: list[Path]) -> tuple[int, int]:
    return max((_glibc_of(wheel) for wheel in wheels), default=(0, 0))


def _glibc_of(wheel: Path) -> tuple[int, int]:
    """The oldest that this wheel is for; one that was compiled here is for this machine's."""
    tags = wheel.stem.rsplit("-", 1)[1].split(".")
    if tags == ["any"]:
        return (0, 0)
    olds = [(int(found[1]), int(found[2])) for tag in tags if (found := re.match(r"manylinux_(\d+)_(\d+)_", tag))]
    olds += [OLDER_NAMES[tag.split("_")[0]] for tag in tags if tag.split("_")[0] in OLDER_NAMES]
    here = tuple(map(int, (platform.libc_ver()[1] or "0.0").split(".")[:2]))
    return min(olds) if olds else (here[0], here[1])


def copy_program(to: Path) -> None:
    """What is committed or waits to be, without what only tests and makers need."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        sys.exit("A bundle is made from a checkout by git, which is not here.")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if name.startswith(LEFT_OUT) or (name.startswith("scripts/") and name not in OF_SCRIPTS):
            continue
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name)


def sums(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


if __name__ == "__main__":
    main()
