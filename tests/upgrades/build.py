"""`python -m tests.upgrades.build COMMIT`: makes tests/data/previous_release.tar.xz with the code of that commit.

To be called when a release is out, with its commit: the next one is to take over what this one has left.
"""

import lzma
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.site.processes import PASSWORD, ROOT

FIXTURE = ROOT / "tests" / "data" / "previous_release.tar.xz"


def build(commit: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        code, made = Path(folder) / "code", Path(folder) / "site.tar"
        code.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
        subprocess.run(["tar", "x"], cwd=code, input=archive.stdout, check=True)
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("CARDOCR_", "DJANGO_"))}
        there = {"PYTHONPATH": str(code), "CARDOCR_DATA_DIR": f"{folder}/data", "CARDOCR_ADMIN_PASSWORD": PASSWORD}
        stock = Path(__file__).with_name("stock.py")
        subprocess.run([sys.executable, str(stock), str(made)], cwd=code, env={**ours, **there}, check=True)
        FIXTURE.write_bytes(lzma.compress(made.read_bytes(), preset=9))
    sys.stdout.write(f"{FIXTURE.relative_to(ROOT)}: {FIXTURE.stat().st_size} bytes, by {commit}\n")


if __name__ == "__main__":
    build(sys.argv[1])
