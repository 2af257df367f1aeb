#!/usr/bin/env python3
"""Installs cardocr from this folder, without a network: ./install --offline [--to /srv/cardocr]

It looks first and touches nothing until all is well. Over an older installation it puts the new program in its place;
settings and data stay. Nothing but Python and what lies in this folder is used.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
MARK = ".cardocr-bundle.json"  # in the installation: its version, and which files are the program's
ROOM = 6  # times the size of this folder, for what is unpacked

FIRST = """\
cardocr {version} is installed in {to}.
On this desk alone:
    cd {to} && .venv/bin/python manage.py serve
As a service, as root (docs/deploy.md, in {to}, says more):
    useradd --system --home-dir {to} --shell /usr/sbin/nologin cardocr
    cp {to}/deploy/cardocr.service /etc/systemd/system/   # it names /srv/cardocr: change that where it lies elsewhere
    systemctl daemon-reload && systemctl enable --now cardocr
"""
AGAIN = """\
cardocr {old} in {to} is {version} now; settings and data are as they were. Start it again:
    systemctl start cardocr
It brings the embedded database up to date; on PostgreSQL call manage.py prepare_database before. Then:
    .venv/bin/python manage.py doctor
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offline", action="store_true", required=True, help="there is no other way from a bundle")
    parser.add_argument("--to", type=Path, default=Path("/srv/cardocr"), help="the folder (default: %(default)s)")
    asked = parser.parse_args()
    to = asked.to.resolve()
    bundle = json.loads((HERE / "bundle.json").read_text(encoding="utf-8"))
    check_files()
    check_machine(bundle)
    old = check_target(to, bundle)
    install(to, bundle, old)
    print((AGAIN if old else FIRST).format(to=to, old=old.get("version"), version=bundle["version"]))


def refuse(sentence: str) -> None:
    sys.exit(f"Nothing was changed. {sentence}")


def check_files() -> None:
    """Every file is the one that was packed, and there is none besides."""
    listed = {}
    for line in (HERE / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    there = {path.relative_to(HERE).as_posix() for path in HERE.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    wrong = [name for name, digest in listed.items() if name not in there or sha256(HERE / name) != digest]
    if wrong:
        refuse(f"{wrong[0]} is missing or is not what was packed ({len(wrong)} in all): copy the archive again.")
    if more := sorted(there - set(listed)):
        refuse(f"{more[0]} does not belong here: unpack the archive into an empty folder.")


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def check_machine(bundle: dict) -> None:
    if sysconfig.get_platform() != bundle["platform"]:
        refuse(f"This archive is for {bundle['platform']}, and this machine is {sysconfig.get_platform()}.")
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if here != bundle["python"] or sys.implementation.name != bundle["implementation"]:
        other = shutil.which(f"python{bundle['python']}")
        if other and os.environ.get("CARDOCR_INSTALL") != "again":
            os.environ["CARDOCR_INSTALL"] = "again"
            os.execv(other, [other, str(HERE / "install"), *sys.argv[1:]])
        refuse(
            f"This archive is for Python {bundle['python']}, and this is {here}; no python{bundle['python']} is here."
        )
    libc, version = platform.libc_ver()
    if bundle["glibc"] != "0.0" and (libc != "glibc" or numbers(version) < numbers(bundle["glibc"])):
        refuse(f"It needs glibc {bundle['glibc']} or later; here is {libc or 'another one'} {version}.")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        refuse("This Python cannot make environments. On Debian and Ubuntu: apt install python3-venv")


def numbers(version: str) -> list:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


def check_target(to: Path, bundle: dict) -> dict:
    """What is installed there, {} where nothing is."""
    if to == HERE or HERE in to.parents:
        refuse("Choose another folder than that of the archive: --to")
    old = {}
    if (to / MARK).is_file():
        old = json.loads((to / MARK).read_text(encoding="utf-8"))
        if numbers(old["version"]) > numbers(bundle["version"]):
            refuse(f"In {to} is {old['version']}, newer than {bundle['version']}. How to go back: docs/operating.md.")
        if running := running_in(to):
            refuse(f"cardocr runs in {to} (process {running}): make a backup, stop it, and call this again.")
    elif to.exists() and any(to.iterdir()):
        refuse(f"{to} is not empty, and was not installed from an archive: choose another folder with --to.")
    parent = next(path for path in (to, *to.parents) if path.exists())
    if not os.access(parent, os.W_OK):
        refuse(f"{parent} cannot be written: call this as root, or choose another folder with --to.")
    needed = ROOM * sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    if shutil.disk_usage(parent).free < needed:
        refuse(f"{needed // 1_000_000} MB are needed on the disk of {to}.")
    return old


def running_in(to: Path) -> str:
    """The number of a process of cardocr's with this program."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            if (process / "cwd").resolve() == to and (b"manage.py" in command or b"cardocr_site.web" in command):
                return process.name
        except OSError:
            continue
    return ""


def install(to: Path, bundle: dict, old: dict) -> None:
    os.umask(0o022)
    to.mkdir(parents=True, exist_ok=True)
    environment = to / f".venv-{bundle['version']}-{sha256(HERE / 'SHA256SUMS')[:8]}"
    if not (environment / ".whole").exists():
        make_environment(environment)
    names = put_program(to, old)
    link = to / ".venv"
    fresh = to / ".venv-next"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(environment.name)
    fresh.replace(link)
    mark = dict(bundle, files=names)
    (to / MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")
    for other in to.glob(".venv-*"):
        if other != environment:
            shutil.rmtree(other)


def make_environment(environment: Path) -> None:
    shutil.rmtree(environment, ignore_errors=True)
    print("Making the environment; that takes a minute.", flush=True)
    wanted = ["--no-index", "--find-links", str(HERE / "wheels"), "--no-deps", "--require-hashes"]
    wanted += ["-r", str(HERE / "wheels.lock")]
    python = str(environment / "bin/python")
    uv = shutil.which("uv")  # takes a tenth of the time where it is there
    call([sys.executable, "-m", "venv", *(["--without-pip"] if uv else []), str(environment)])
    if uv:
        call([uv, "pip", "install", "--quiet", "--offline", "--python", python, *wanted])
    else:
        call([python, "-m", "pip", "--isolated", "install", "--quiet", "--disable-pip-version-check", *wanted])
    (environment / ".whole").touch()


def call(command: list) -> None:
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"The environment could not be made; what was installed before is as it was.\n{done.stderr[-2000:]}")


def put_program(to: Path, old: dict) -> list:
    """Each file is replaced at once; those of the old one that are no more go. Data and settings are none of them."""
    names = []
    for source in sorted(path for path in (HERE / "program").rglob("*") if path.is_file()):
        name = source.relative_to(HERE / "program").as_posix()
        names.append(name)
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        shutil.copy2(source, part)
        part.replace(target)
    for name in set(old.get("files", ())) - set(names):
        (to / name).unlink(missing_ok=True)
    return names


if __name__ == "__main__":
    main()
