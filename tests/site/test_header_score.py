"""What Mozilla's HTTP Observatory would give the pages behind TLS.

Its rules as they stand in `src/grader/charts.js` and `src/analyzer/` of github.com/mdn/mdn-http-observatory (2026),
written anew here. It begins with 100. What is bad is taken off; what is better than needed is added only where at least
90 are left. Being in the browsers' own list of HSTS hosts is worth 5 more, which is nothing that a page could bring.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from cardocr_site.accounts.models import User
from tests.site.processes import ROOT, environment

HOST = "cards.example.org"
BROAD = {"ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"}
UNSAFE = {"'unsafe-inline'", "'unsafe-eval'", "data:"}
PRIVATE_REFERRERS = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
SIX_MONTHS = 15_768_000
CODE = """
import json
from cardocr_site import settings
wanted = ("SECURE_", "SESSION_", "CSRF_", "LANGUAGE_COOKIE", "X_FRAME", "ALLOWED_HOSTS")
print(json.dumps({name: value for name, value in vars(settings).items() if name.startswith(wanted)}))
"""


@pytest.fixture
def behind_tls(tmp_path: Path, settings: Any) -> Client:
    """Pages with the settings that CARDOCR_URL=https://… brings."""
    variables = environment(tmp_path, CARDOCR_URL=f"https://{HOST}")
    answer = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=variables, capture_output=True, check=True)
    for name, value in json.loads(answer.stdout).items():
        setattr(settings, name, tuple(value) if name == "SECURE_PROXY_SSL_HEADER" else value)
    return Client(headers={"Host": HOST, "X-Forwarded-Proto": "https"})


def directives(policy: str) -> dict[str, set[str]]:
    parts = [part.split() for part in policy.split(";") if part.strip()]
    return {name.lower(): set(sources) for name, *sources in parts}


def of_policy(response: Any) -> int:
    found = directives(response.headers.get("Content-Security-Policy", ""))
    if not found:
        return -25
    usual = found.get("default-src", {"*"})
    scripts, objects, styles = (found.get(name, usual) for name in ("script-src", "object-src", "style-src"))
    if scripts & (BROAD | UNSAFE) or objects & BROAD:
        return -20
    if any(source.startswith("http:") for sources in found.values() for source in sources):
        return -20
    if styles & (BROAD | UNSAFE):
        return 0
    narrow = found.get("default-src") == {"'none'"} and found.get("form-action", {"*"}) <= {"'none'", "'self'"}
    return 10 if narrow else 5


def of_cookies(response: Any) -> int:
    cookies = list(response.cookies.values())
    if not cookies:
        return 0
    if not all(cookie["secure"] for cookie in cookies):
        return -40
    if not all(cookie["httponly"] for cookie in cookies if re.search("sess|login", cookie.key, re.IGNORECASE)):
        return -30
    if any(re.search("csrf", cookie.key, re.IGNORECASE) and not cookie["samesite"] for cookie in cookies):
        return -20
    if any(cookie["samesite"] not in {"", "Lax", "Strict"} for cookie in cookies):
        return -20
    return 5 if all(cookie["samesite"] for cookie in cookies) else 0


def of_shared_access(response: Any) -> int:
    allowed = response.headers.get("Access-Control-Allow-Origin")
    return -50 if allowed and response.headers.get("Access-Control-Allow-Credentials") == "true" else 0


def of_resource_policy(response: Any) -> int:
    found = response.headers.get("Cross-Origin-Resource-Policy", "cross-origin")
    return {"same-origin": 10, "same-site": 10, "cross-origin": 0}.get(found, -5)


def of_referrers(response: Any) -> int:
    found = response.headers.get("Referrer-Policy")
    return 0 if found is None else 5 if found.split(",")[-1].strip() in PRIVATE_REFERRERS else -5


def of_transport(response: Any) -> int:
    found = re.search(r"max-age=(\d+)", response.headers.get("Strict-Transport-Security", ""))
    return -20 if found is None else 0 if int(found[1]) >= SIX_MONTHS else -10


def of_scripts(response: Any) -> int:
    """Scripts of one's own host need no checksum; those of others cost."""
    sources = re.findall(r"<script[^>]+src=\"([^\"]*)\"", response.text)
    return (
        -50 if any(source.startswith(("//", "http:")) for source in sources) else -5 * any("://" in s for s in sources)
    )


def of_types(response: Any) -> int:
    return 0 if response.headers.get("X-Content-Type-Options") == "nosniff" else -5


def of_frames(response: Any) -> int:
    if directives(response.headers.get("Content-Security-Policy", "")).get("frame-ancestors", {"*"}) <= {
        "'none'",
        "'self'",
    }:
        return 5
    return 0 if response.headers.get("X-Frame-Options") in {"DENY", "SAMEORIGIN"} else -20


def of_redirection(plain: Any) -> int:
    """Of an answer by plain HTTP."""
    if plain.status_code not in {301, 302, 307, 308}:
        return -20
    where = plain.headers["Location"]
    return 0 if where.startswith(f"https://{HOST}/") else -5 if where.startswith("https://") else -20


RULES = (of_policy, of_cookies, of_shared_access, of_resource_policy, of_referrers, of_transport, of_scripts, of_types)


def score(response: Any, plain: Any) -> int:
    found = [rule(response) for rule in (*RULES, of_frames)] + [of_redirection(plain)]
    base = 100 + sum(number for number in found if number < 0)
    return base + (sum(number for number in found if number > 0) if base >= 90 else 0)


def plainly(address: str) -> Any:
    return Client(headers={"Host": HOST}).get(address)


@pytest.mark.parametrize(
    "address", ["/accounts/login/", "/batches/", "/admin/", "/admin/accounts/user/", "/nothing/", "/api/v1/docs"]
)
def test_the_score_of_pages_and_of_the_administration(behind_tls: Client, administrator: User, address: str):
    behind_tls.force_login(administrator)
    response = behind_tls.get(address)
    assert response.status_code in {200, 404}
    assert score(response, plainly(address)) >= 110


def test_the_score_of_a_sign_in(behind_tls: Client, user: User):
    page = behind_tls.get("/accounts/login/")
    assert {cookie for cookie in page.cookies if not cookie.startswith("__Host-")} == set()
    assert score(page, plainly("/accounts/login/")) == 135
    signed_in = behind_tls.post("/accounts/login/", {"username": "ingrid", "password": "curator-of-cards"})
    assert {"__Host-sessionid", "__Host-csrftoken"} <= set(signed_in.cookies)
    for cookie in signed_in.cookies.values():
        assert (cookie["path"], cookie["domain"], cookie["secure"]) == ("/", "", True)
    assert of_cookies(signed_in) == 5


@pytest.mark.parametrize(
    ("header", "value", "rest"),
    [
        ("Content-Security-Policy", "default-src 'none'; script-src 'self' 'unsafe-inline'", 80),
        ("Content-Security-Policy", "", 75),
        ("Strict-Transport-Security", "", 80),
        ("Strict-Transport-Security", "max-age=3600", 125),
        ("Cross-Origin-Resource-Policy", "cross-origin", 125),
        ("Referrer-Policy", "unsafe-url", 125),
        ("X-Content-Type-Options", "", 130),
    ],
)
def test_what_is_missing_costs(behind_tls: Client, db: None, header: str, value: str, rest: int):
    page = behind_tls.get("/accounts/login/")
    page.headers[header] = value
    assert score(page, plainly("/accounts/login/")) <= rest
