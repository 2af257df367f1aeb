"""The files in deploy/: they can be read by whom they are for, and name nothing that is not there."""

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from django.core.management import get_commands
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from batches.models import Worker
from cardocr_site import contract, public, web
from tests.site.processes import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted(path.name for path in DEPLOY.glob("cardocr*.*"))
FENCES = ("NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp", "UMask", "User")
# Of Prometheus' language, and labels: no names of figures.
WORDS = {"and", "by", "on", "sum", "up", "job", "status", "reason", "engine", "error", "part"}


def unit(name: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None, strict=False)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string((DEPLOY / name).read_text())
    return parsed


def test_all_units_are_there():
    services = [f"cardocr{part}.service" for part in ("-backup", "-web", "-worker", "")]
    assert sorted([*services, "cardocr-backup.timer"]) == UNITS


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_a_service_runs_as_its_own_user_behind_fences_and_calls_what_there_is(name):
    service = unit(name)["Service"]
    assert all(service.get(fence) for fence in FENCES)
    called = re.search(r"manage\.py (\w+)", service["ExecStart"])
    assert called is not None
    assert called[1] in get_commands()
    assert "CARDOCR_DATA_DIR=/var/lib/cardocr" in service["Environment"]


def test_systemd_takes_them(tmp_path: Path):
    """With a program and folders that are there: it looks for them."""
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd is not on this machine: its units are not verified.")
    for one in UNITS:
        text = (
            (DEPLOY / one).read_text().replace("/srv/cardocr/.venv/bin/python", "/bin/sh").replace("/srv/cardocr", "/")
        )
        (tmp_path / one).write_text(text.replace("User=cardocr", "User=root").replace("Group=cardocr", ""))
    # All in one call, since each reads every unit of the machine.
    command = [verify, "verify", *(str(tmp_path / name) for name in UNITS)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in told.stderr.splitlines() if "cardocr" in line]
    assert ours == []


def test_services_are_fenced_in(tmp_path: Path):
    """By systemd's own judgement, where 10 is no fence at all."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not on this machine: its units are not judged.")
    for name in UNITS:
        if name.endswith(".service"):
            command = [analyze, "security", "--offline=true", "--threshold=25", str(DEPLOY / name)]
            judged = subprocess.run(command, capture_output=True, text=True, check=False)
            if "Unknown" in judged.stderr or "unrecognized" in judged.stderr:
                pytest.skip("This systemd judges no unit that is not installed.")
            assert judged.returncode == 0, (name, judged.stdout.splitlines()[-1:], judged.stderr)


@pytest.mark.django_db
def test_the_dashboard_draws_figures_that_are_told(client, settings, batch, user):
    now = timezone.now()
    Worker.objects.create(uid="w1", host="reader", pid=1, started_at=now, seen_at=now)
    settings.METRICS_ADDRESSES = public.networks("X", ["127.0.0.1"])
    families = list(text_string_to_metric_families(client.get("/metrics").content.decode()))
    counters = {f"{family.name}_total" for family in families if family.type == "counter"}
    plain = {family.name for family in families if family.type != "counter"}
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    assert board["schemaVersion"] >= 36  # Grafana 9: sources of data are named by type and uid
    shown = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    drawn = set(re.findall(r"cardocr_[a-z_]+", shown))
    assert drawn <= plain | counters


def test_the_panels_of_the_dashboard_lie_beside_one_another():
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert not taken & cells, panel["title"]
        taken |= cells


@pytest.mark.django_db
def test_alerts_are_of_figures_that_are_told(client, settings, batch, user):
    settings.METRICS_ADDRESSES = public.networks("X", ["127.0.0.1"])
    families = text_string_to_metric_families(client.get("/metrics").content.decode())
    told = {family.name for family in families}
    (group,) = yaml.safe_load((DEPLOY / "prometheus-alerts.yml").read_text())["groups"]
    assert len(group["rules"]) > 5
    for rule in group["rules"]:
        assert {"summary", "action"} <= set(rule["annotations"]), rule["alert"]
        names = set(re.findall(r"[a-z_]+", re.sub(r'"[^"]*"', "", rule["expr"]))) - WORDS - {"e"}
        assert names <= told, rule["alert"]


def test_proxies_take_what_cardocr_takes(settings):
    limit = settings.MAX_CONTAINER_BYTES + web.BESIDE
    assert f"client_max_body_size {limit};" in (DEPLOY / "nginx.conf").read_text()
    caddy = (DEPLOY / "Caddyfile").read_text()
    assert f"> {limit}`" in caddy
    assert f"max_size {limit // 1_000_000}MB" in caddy


@pytest.mark.parametrize("page", sorted((DEPLOY / "pages").glob("*.*")), ids=lambda page: page.name)
def test_what_proxies_say_needs_no_more_than_its_style_sheet(page: Path):
    text = page.read_text()
    if page.suffix == ".json":
        assert json.loads(text)["error"]["code"] in contract.STATUS_OF
    elif page.suffix == ".html":
        assert re.findall(r'(?:src|href)="([^"]*)"', text) == ["/_proxy/page.css"]
        assert "style=" not in text
        assert '<section lang="de">' in text


def test_what_the_page_about_it_names_is_there():
    page = (ROOT / "docs/deploy.md").read_text()
    for name in set(re.findall(r"\bdeploy/[\w./-]*\w", page)) | set(re.findall(r"requirements[\w-]*\.lock", page)):
        assert (ROOT / name).exists() or name.startswith("deploy/secrets"), name
    assert set(re.findall(r"manage\.py (\w+)", page)) <= set(get_commands())
    made = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"^    (?:.* )?make (\w+)", page, re.MULTILINE)) <= set(made)
    known = (ROOT / ".env.example").read_text() + "CARDOCR_NAME CARDOCR_WEB"
    assert all(setting in known for setting in re.findall(r"CARDOCR_[A-Z_]+[A-Z]", page))
    sections = re.findall(r"^## (.+)$", (ROOT / "docs/operating.md").read_text(), re.MULTILINE)
    named = re.findall(r'perating\.md,((?:[^")]*"[^"]+")+)', page)
    assert named
    for title in (" ".join(one.split()) for names in named for one in re.findall(r'"([^"]+)"', names)):
        assert title in sections, title


def test_all_of_deploy_is_told_of():
    told = (ROOT / "docs/deploy.md").read_text() + (ROOT / "docs/operating.md").read_text()
    for path in DEPLOY.iterdir():
        assert f"deploy/{path.name}" in told or path.name in {"healthcheck.py", "secrets"}, path.name
