"""The rules for semgrep find what each is for. What they find in the product is looked at by `make check`."""

import importlib.util
import re
from pathlib import Path

import pytest

from tests.servers import programs
from tests.site.processes import ROOT

pytestmark = pytest.mark.servers

OFFENDERS = """
def view(request, cursor):
    mark_safe(request.body)  # marked-as-markup
    cursor.execute(f"SELECT {request}")  # sql-put-together
    said = request.GET["name"]
    cursor.execute(said)  # asked-for-and-run
    where = request.POST.get("next")
    if where:
        return redirect(where)  # led-where-a-request-says
    subprocess.run("ls", shell=True)  # a-shell
    pickle.loads(b"")  # text-that-is-run
    httpx.get("https://example.org")  # a-call-without-an-end
    return get_object_or_404(Batch, pk=1)  # fetched-past-who-may


def right(request, cursor):
    cursor.execute("SELECT %s", [request.GET["name"]])
    httpx.get("https://example.org", timeout=5)
    get_object_or_404(Batch.objects.visible_to(request.user), pk=1)
    get_object_or_404(SavedView, pk=1, user=request.user)
    return redirect(f"{reverse('batch_list')}?{request.GET.urlencode()}")
"""


def test_each_rule_finds_what_it_is_for(tmp_path: Path):
    programs.program("semgrep", "semgrep")
    spec = importlib.util.spec_from_file_location("semgrep_of_ours", ROOT / "scripts" / "semgrep.py")
    assert spec is not None
    assert spec.loader is not None
    ours = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ours)
    (tmp_path / "batches" / "views").mkdir(parents=True)
    (tmp_path / "batches" / "views" / "bad.py").write_text(OFFENDERS)
    (tmp_path / "bad.html").write_text("{{ value|safe }}\n{{ value|safelist }}\n")
    found = {(one["check_id"], one["start"]["line"]) for one in ours.found(tmp_path, ".")}
    wanted = {
        (rule, line) for line, text in enumerate(OFFENDERS.split("\n"), 1) for rule in re.findall("# (.+)$", text)
    }
    assert found == wanted | {("markup-in-a-template", 1)}
    assert {rule for rule, _line in found} == set(re.findall(r"- id: (\S+)", ours.RULES.read_text()))
