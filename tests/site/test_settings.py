"""Settings from the environment: each combination in a process of its own, since they are read once."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError

from cardocr_site import __version__, mail, public, secrets
from cardocr_site.management.commands import serve
from tests.site.processes import ROOT, environment, manage

NAMES = [
    "ADMIN_PASSWORD",
    "ALLOWED_HOSTS",
    "CSRF_COOKIE_NAME",
    "CSRF_COOKIE_SECURE",
    "CSRF_TRUSTED_ORIGINS",
    "DEBUG",
    "EXTRACTION_THREADS",
    "FORCE_SCRIPT_NAME",
    "SECURE_HSTS_SECONDS",
    "SECURE_SSL_REDIRECT",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_PATH",
    "SESSION_COOKIE_SECURE",
    "STATIC_URL",
    "VLM_API_KEY",
]
CODE = f"""
import json, django
from django.conf import settings
django.setup()
print(json.dumps({{name: getattr(settings, name) for name in {NAMES!r}}}))
"""


def run(data: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env=environment(data, DJANGO_SETTINGS_MODULE="cardocr_site.settings", **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def read(data: Path, **variables: str) -> dict[str, Any]:
    answer = run(data, **variables)
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout))


def test_without_settings_it_is_safe_on_this_machine(tmp_path: Path):
    found = read(tmp_path)
    assert found["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost", "[::1]"]
    assert found["DEBUG"] is False
    assert found["SESSION_COOKIE_SECURE"] is False
    assert found["STATIC_URL"] == "/static/"


def test_https_switches_everything_on(tmp_path: Path):
    found = read(tmp_path, CARDOCR_URL="https://cards.example.org")
    assert found["ALLOWED_HOSTS"] == ["cards.example.org"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://cards.example.org"]
    assert found["SESSION_COOKIE_NAME"] == "__Host-sessionid"
    assert found["CSRF_COOKIE_NAME"] == "__Host-csrftoken"
    assert found["SESSION_COOKIE_SECURE"]
    assert found["CSRF_COOKIE_SECURE"]
    assert found["SECURE_SSL_REDIRECT"]
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000


def test_a_path_in_front_moves_pages_cookies_and_styles(tmp_path: Path):
    found = read(tmp_path, CARDOCR_URL="https://example.org/cards")
    assert found["FORCE_SCRIPT_NAME"] == "/cards"
    assert found["SESSION_COOKIE_PATH"] == "/cards/"
    assert found["SESSION_COOKIE_NAME"] == "__Secure-sessionid"
    assert found["STATIC_URL"] == "/cards/static/"


def test_secrets_may_come_from_files(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("from-a-file")
    found = read(tmp_path / "data", CARDOCR_ADMIN_PASSWORD_FILE=str(secret), CARDOCR_VLM_API_KEY_FILE=str(secret))
    assert found["ADMIN_PASSWORD"] == found["VLM_API_KEY"] == "from-a-file"


def test_made_secrets_stay_the_same_and_are_for_the_owner_alone(tmp_path: Path):
    read(tmp_path)
    before = (tmp_path / "secret-key").read_text()
    read(tmp_path)
    assert (tmp_path / "secret-key").read_text() == before
    assert all((tmp_path / name).stat().st_mode & 0o077 == 0 for name in ("secret-key", "encryption-key"))


def test_the_address_of_a_redis_may_lie_in_a_file(tmp_path: Path):
    (tmp_path / "address").write_text("redis://:canary@redis.example.org/cards\n")
    answer = run(tmp_path / "data", REDIS_URL_FILE=str(tmp_path / "address"))
    assert answer.returncode != 0
    assert "The database of REDIS_URL must be a number" in answer.stderr
    assert "canary" not in answer.stderr


def test_the_address_of_a_database_may_lie_in_a_file(tmp_path: Path):
    (tmp_path / "address").write_text("postgres://user:canary@db.example.org/cards?sslmod=require\n")
    answer = run(tmp_path / "data", DATABASE_URL_FILE=str(tmp_path / "address"))
    assert answer.returncode != 0
    assert "DATABASE_URL has options that are not known: sslmod" in answer.stderr
    assert "canary" not in answer.stderr


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("prepare_database", "The PostgreSQL of DATABASE_URL cannot be used: "),
        ("retention", "The PostgreSQL of DATABASE_URL cannot be used: "),
        ("doctor", "FAILED   database: It cannot be reached: "),
    ],
)
def test_why_a_server_does_not_answer_is_told_without_its_password(tmp_path: Path, command: str, sentence: str):
    pytest.importorskip("psycopg_pool")
    url = "postgres://user:canary@127.0.0.1:1/cards?connect_timeout=2"
    answer = manage(tmp_path, command, DATABASE_URL=url)
    assert answer.returncode != 0
    said = answer.stdout + answer.stderr
    (line,) = [line for line in said.splitlines() if sentence in line]
    assert "Connection refused" in line, "and not that a pool was waited for"
    assert "data folder" not in line
    assert "Traceback" not in said
    assert "canary" not in said


@pytest.mark.embedded
@pytest.mark.parametrize("command", ["backup cards.tar", "export 1", "retention", "rotate_keys"])
def test_a_command_in_the_wrong_folder_says_so_and_makes_no_database(tmp_path: Path, command: str):
    answer = manage(tmp_path, *command.split())
    assert answer.returncode != 0
    assert f"There is no database of cardocr in {tmp_path} yet." in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "cardocr.sqlite3").exists()


@pytest.mark.parametrize(
    ("url", "sender", "sentence"),
    [
        ("mail.example.org", "cards@example.org", "must start with smtp://"),
        ("consolemail://", "cards@example.org", "must start with smtp://"),
        ("smtp+tls://user:canary@", "cards@example.org", "names no mail server"),
        ("smtp+tls://user:canary@mail.example.org:port", "cards@example.org", "names no mail server"),
        ("smtp+tls://user:canary@mail.example.org:587", "", "CARDOCR_EMAIL_FROM must be an address"),
    ],
)
def test_mail_that_cannot_be_sent_is_refused_at_the_start(url: str, sender: str, sentence: str):
    with pytest.raises(ImproperlyConfigured, match=re.escape(sentence)) as raised:
        mail.settings_of(url, sender)
    assert "canary" not in str(raised.value)


def test_the_mail_server_is_the_one_of_the_address(tmp_path: Path):
    found = mail.settings_of("smtp+tls://user:pa%40ss@mail.example.org", "cards@example.org")
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == ("mail.example.org", 587, True)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("user", "pa@ss")
    assert found["DEFAULT_FROM_EMAIL"] == "cards@example.org"
    plain = mail.settings_of("smtp://localhost", "cards@example.org")
    assert (plain["EMAIL_PORT"], plain["EMAIL_HOST_USER"], "EMAIL_USE_TLS" in plain) == (25, "", False)
    answer = run(tmp_path, CARDOCR_EMAIL_URL="smtp+ssl://localhost", CARDOCR_EMAIL_FROM="cards@example.org")
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CARDOCR_OUTBOUND_PROXY", "socks5://proxy:1080", "must start with http:// or https://"),
        ("CARDOCR_CA_BUNDLE", "/nowhere/house.pem", "is not a file that can be read"),
    ],
)
def test_a_way_out_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, name: str, value: str, sentence: str):
    answer = run(tmp_path, **{name: value})
    assert answer.returncode != 0
    assert sentence in answer.stderr


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("django-insecure-" + "k3y!" * 12 + "abcdefgh", "stands in examples"),
        ("Change-Me-" + "0123456789abcdef" * 3, "stands in examples"),
        ("0123456789abcdef0123456789abcde", "shorter than 32"),
        ("ababcdcd" * 8, "a few characters"),
    ],
)
def test_a_secret_key_that_others_know_is_refused(key: str, problem: str):
    with pytest.raises(ImproperlyConfigured, match=problem) as refused:
        secrets.refuse_known(key)
    assert "Remove the setting, and one is made" in str(refused.value)
    assert key not in str(refused.value)


def test_a_made_secret_key_is_taken():
    for _ in range(200):
        secrets.refuse_known(secrets.new_secret())


def test_the_start_refuses_a_short_secret_key(tmp_path: Path):
    answer = manage(tmp_path, "serve", CARDOCR_SECRET_KEY="short")
    assert answer.returncode != 0
    assert "CARDOCR_SECRET_KEY is shorter than 32 characters" in answer.stderr


def test_no_document_holds_a_secret_key_that_would_be_taken():
    for path in [ROOT / ".env.example", *ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for key in re.findall(r"CARDOCR_SECRET_KEY=(\S+)", path.read_text()):
            with pytest.raises(ImproperlyConfigured):
                secrets.refuse_known(key)


@pytest.mark.parametrize("address", ["http://cards.example.org", "https://cards.example.org", "http://192.0.2.7:8000"])
def test_debug_mode_is_refused_where_others_reach_it(address: str):
    with pytest.raises(ImproperlyConfigured, match="Remove CARDOCR_DEBUG"):
        public.refuse_debug(public.site([address]))


def test_debug_mode_is_for_this_machine(tmp_path: Path):
    assert read(tmp_path, CARDOCR_DEBUG="on")["DEBUG"] is True
    answer = run(tmp_path, CARDOCR_DEBUG="on", CARDOCR_URL="https://cards.example.org")
    assert answer.returncode != 0
    assert "CARDOCR_DEBUG is on and CARDOCR_URL names cards.example.org" in answer.stderr


def test_debug_mode_does_not_listen_for_others(settings: Any):
    settings.DEBUG = True
    with pytest.raises(CommandError, match=r"listen on 127\.0\.0\.1"):
        serve.refuse_unnamed_address("0.0.0.0")
    serve.refuse_unnamed_address("127.0.0.1")


def test_the_embedded_words_are_accepted(tmp_path: Path):
    assert run(tmp_path, DATABASE_URL="sqlite", REDIS_URL="memory").returncode == 0


def test_the_deployment_check_is_clean_behind_https(tmp_path: Path):
    answer = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", CARDOCR_URL="https://cards.example.org")
    assert answer.returncode == 0, answer.stderr
    assert "no issues" in answer.stdout


def test_the_example_names_every_setting_and_no_other():
    example = re.findall(r"^# ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    source = (ROOT / "cardocr_site" / "settings.py").read_text()
    read_there = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source)) | {"DATABASE_URL", "REDIS_URL"}
    assert len(example) == len(set(example))
    assert set(example) == read_there


def test_operating_explains_every_setting():
    text = (ROOT / "docs" / "operating.md").read_text()
    for name in re.findall(r"^# ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE):
        assert f"`{name}`" in text, name


def test_every_set_variable_has_a_reader():
    """A setting that nothing uses would be a promise that nobody keeps."""
    source = (ROOT / "cardocr_site" / "settings.py").read_text()
    code = "\n".join(
        path.read_text()
        for folder in ("cardocr_site", "ocr", "batches", "templates_app")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "settings.py"
    )
    ours = re.findall(r'^([A-Z_]+) = env\.\w+\("CARDOCR_', source, re.MULTILINE)
    known_to_django = {"DEBUG", "TIME_ZONE", "SECRET_KEY", "PUBLIC_URLS", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"}
    unused = [name for name in ours if name not in known_to_django and f"settings.{name}" not in code]
    assert unused == []


@pytest.mark.parametrize(
    ("package", "floor"),
    [("django", (5, 2, 19)), ("daphne", (4, 2, 3)), ("pillow", (13, 0, 0)), ("channels", (4, 3, 2))],
)
def test_installed_versions_are_at_least_the_safe_ones(package: str, floor: tuple[int, ...]):
    installed = tuple(int(part) for part in importlib.metadata.version(package).split(".")[:3])
    assert installed >= floor


def test_the_version_stands_in_one_form_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("setting", ["CARDOCR_TRUSTED_PROXIES", "CARDOCR_METRICS_ADDRESSES"])
def test_what_is_no_network_is_refused_at_the_start(setting: str):
    assert [str(network) for network in public.networks(setting, ["10.1.2.3/16", " ::1", ""])] == [
        "10.1.0.0/16",
        "::1/128",
    ]
    with pytest.raises(ImproperlyConfigured, match=f"{setting}: 'proxy.example.org'.*Give addresses or networks"):
        public.networks(setting, ["10.0.0.1", "proxy.example.org"])
