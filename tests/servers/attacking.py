"""wapiti, let loose on a site of ours that it has signed in to as its administrator."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.servers import programs
from tests.servers.site import Site
from tests.site.processes import PASSWORD

# Those that ask no other host; `cms`, `nikto` and their like look for programs of others.
MODULES = "csrf,cookieflags,csp,http_headers,redirect,crlf,sql,xss,permanentxss,upload,file,exec"
LEFT_ALONE = ("accounts/login/*", "accounts/logout/", "admin/logout/", "admin/accounts/user/*", "static/*")

# Findings by their kind, with the reason why they are none.
EXPLAINED = {
    "Secure Flag cookie": "the site under attack speaks plain HTTP; behind TLS every cookie is secure and __Host-",
}


@dataclass(frozen=True)
class Report:
    addresses: int  # and forms
    found: list[str]  # what nobody has explained

    @classmethod
    def read(cls, path: Path) -> "Report":
        told = json.loads(path.read_text())
        found = [
            f"{kind}: {one['method']} {one['path']} {one['parameter']}: {one['info']}"
            for part in ("vulnerabilities", "anomalies")
            for kind, ones in told[part].items()
            for one in ones
            if kind not in EXPLAINED
        ]
        return cls(told["infos"]["crawled_pages_nbr"], found)


def attack(site: Site, folder: Path, *starts: str, depth: int, crawl: int, each: int, modules: str = MODULES) -> Report:
    """From these addresses on; at most `crawl` seconds to look around, and `each` for each kind of attack."""
    report = folder / "report.json"
    command = [programs.program("wapiti", "wapiti"), "--url", f"{site.url}/", "--scope", "folder", "-m", modules]
    command += ["--form-url", f"{site.url}/accounts/login/", "--form-user", "admin", "--form-password", PASSWORD]
    command += [part for path in starts for part in ("--start", f"{site.url}/{path}")]
    command += [part for path in LEFT_ALONE for part in ("--exclude", f"{site.url}/{path}")]
    command += ["--skip", "csrfmiddlewaretoken", "--depth", str(depth), "--max-files-per-dir", "25"]
    command += ["--max-scan-time", str(crawl), "--max-attack-time", str(each), "--timeout", "30"]
    command += ["--store-session", str(folder / "session"), "--store-config", str(folder / "config")]
    command += ["--no-bugreport", "--dns-endpoint", "localhost", "--format", "json", "--output", str(report)]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", "NO_COLOR": "1"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    assert "Login success" in ran.stdout, ran.stdout[:2000]
    return Report.read(report)
