"""A scanner of others finds nothing on the pages that show what cards say; `make attack` lets it go everywhere."""

import httpx
import pytest

from tests.servers import attacking
from tests.servers import site as sites

pytestmark = [pytest.mark.servers, pytest.mark.processes]

QUICK = "csrf,xss,permanentxss"  # cookies and headers: tests/site/test_header_score.py


@pytest.fixture
def own_site(tmp_path):
    """Nobody else's: what is posted here stays here."""
    with sites.running(tmp_path) as site:
        yield site


def test_a_scanner_finds_nothing(own_site, tmp_path):
    batch = own_site.read("Drawer 1", 1)
    starts = f"batches/{batch}/settings/", f"batches/{batch}/cards/", "search/?q=author", "templates/"
    report = attacking.attack(own_site, tmp_path, *starts, depth=0, crawl=10, each=20, modules=QUICK)
    assert report.found == []
    assert report.addresses > 4
    assert httpx.get(f"{own_site.url}/health", trust_env=False, timeout=30).status_code == 200
