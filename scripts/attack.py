"""Lets wapiti go everywhere on a site of its own, signed in as administrator: about half an hour. `make attack`."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.servers import attacking
from tests.servers import site as sites

STARTS = ("batches/", "collections/", "search/?q=author", "statistics/", "webhooks/", "admin/", "accounts/profile/")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cardocr-attack-") as name, sites.running(Path(name)) as site:
        batch = site.read("Drawer 1", 3)
        draft = site.call("POST", "/batches", json={"name": "Drawer 2", "fields": sites.FIELDS})["id"]
        starts = (*STARTS, f"batches/{batch}/", f"batches/{draft}/fields/")
        report = attacking.attack(site, Path(name), *starts, depth=3, crawl=300, each=300)
        said = (site.data.parent / "serve.log").read_text()
    failures = [line for line in said.splitlines() if "Internal Server Error" in line]
    print(f"{report.addresses} addresses and forms, {len(report.found)} findings, {len(failures)} errors of ours")
    print("\n".join([*report.found, *failures]))
    if report.found or failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
