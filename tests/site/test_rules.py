"""Rules of this house that a linter of others does not know: over the syntax trees, and over the templates.

What breaks one and is meant is explained beside it, in EXPLAINED; an explanation that nothing needs any more fails.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cardocr_site", "batches", "templates_app", "ocr")
FACES = ("batches/views/", "batches/api/", "templates_app/", "cardocr_site/accounts/")
Found = tuple[str, int]  # file and line

OUTBOUND = {"requests", "aiohttp", "urllib3", "urllib.request", "http.client", "ftplib", "telnetlib"}
SENDS = re.compile(r"httpx\.(get|post|put|patch|delete|head|options|request|stream|(Async)?(Client|HTTPTransport))")
NARROWED = {"user", "batch", "card", "owner", "webhook", "batch_id"}  # by which a row is somebody's
MARKS = {"mark_safe", "SafeString", "SafeText", "SafeData"}
RUNS_TEXT = {"eval", "exec", "compile"}
UNPACKS_CODE = {"pickle", "marshal", "shelve", "dill", "yaml"}

_WHO, _OUT = "objects_are_fetched_through_who_may", "engines_are_called_through_the_transport"
EXPLAINED = {
    (
        "no_text_is_run",
        "cardocr_site/shared/cache.py",
    ): "opens a pickle only where it is signed with the site's own key",
    (_WHO, "cardocr_site/accounts/tokens.py"): "the row was found by the token itself, one line before",
    (_WHO, "cardocr_site/accounts/oidc.py"): "the row is the provider’s mark of who signs in this moment",
    (_WHO, "cardocr_site/accounts/people_views.py"): "the people of the site, by administrators alone: asked before",
    (_WHO, "cardocr_site/accounts/resets.py"): "rows of nobody, which the consumer alone works through",
    (_WHO, "cardocr_site/accounts/watching.py"): "what a row was before it is saved, for the log of what matters",
    (_WHO, "batches/api/following.py"): "only whether it is there, for the code with which a socket is closed",
    (_WHO, "batches/api/setup.py"): "engines in use are there for everybody who makes batches; no key is in them",
    (_WHO, "batches/views/engines.py"): "engines are nobody's own; the view asks for an administrator first",
    (_WHO, "batches/views/statistics.py"): "the batch was fetched through who may see it, above",
    (_WHO, "templates_app/presets.py"): "templates that are shipped, made at the start; nobody asks for them",
    (_WHO, "templates_app/watching.py"): "what a row was before it is saved, for the log of what matters",
    (_WHO, "templates_app/views.py"): "the template was fetched through who owns it, above",
    (_OUT, "cardocr_site/accounts/oidc.py"): "only the errors of allauth’s client; its address is the setting’s",
    ("certificates_are_checked", "cardocr_site/knocking.py"): "only whether it answers; libldap, asked next, checks",
    (_OUT, "cardocr_site/management/commands/serve.py"): "asks its own web process whether it answers yet",
    (_OUT, "batches/drain/telling.py"): "a client around the transport, without redirects and proxies of its own",
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


TREES = list(trees())


def nodes(kind: type[ast.AST], among: tuple[str, ...] = ("",)) -> Iterator[tuple[str, ast.AST]]:
    for name, tree in TREES:
        if name.startswith(among):
            yield from ((name, node) for node in ast.walk(tree) if isinstance(node, kind))


def called(call: ast.Call) -> str:
    """`a.b.c` of `a.b.c(…)`."""
    return ast.unparse(call.func)


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports_of(names: set[str]) -> Iterator[Found]:
    for name, tree in TREES:
        for node in ast.walk(tree):
            if any(
                module == wanted or module.startswith(f"{wanted}.") for module in imported(node) for wanted in names
            ):
                yield name, getattr(node, "lineno", 0)


def nothing_is_marked_as_markup() -> Iterator[Found]:
    for name, node in nodes(ast.Name):
        if isinstance(node, ast.Name) and node.id in MARKS:
            yield name, node.lineno
    for name, node in nodes(ast.Attribute):
        if isinstance(node, ast.Attribute) and node.attr in MARKS:
            yield name, node.lineno


def objects_are_fetched_through_who_may() -> Iterator[Found]:
    """In what answers a request: not by their key among all there are, but among those that this person may know of."""
    for name, node in nodes(ast.Call, FACES):
        assert isinstance(node, ast.Call)
        text = called(node)
        by = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        keyed = {"pk", "id", "uid"} & set(by) and not NARROWED & set(by) and by.get("pk") != "request.user.pk"
        bare = re.fullmatch(r"[A-Z]\w*(\.objects)?", ast.unparse(node.args[0])) if node.args else None
        if text.endswith("get_object_or_404") and bare and keyed:
            yield name, node.lineno
        if re.fullmatch(r"[A-Z]\w*\.objects\.(get|filter)", text) and keyed:
            yield name, node.lineno


def engines_are_called_through_the_transport() -> Iterator[Found]:
    """It checks addresses, pins them and follows no redirect."""
    yield from imports_of(OUTBOUND)
    for name, node in nodes(ast.Call):
        if isinstance(node, ast.Call) and SENDS.fullmatch(called(node)):
            yield name, node.lineno


def no_shell_runs() -> Iterator[Found]:
    for name, node in nodes(ast.Call):
        assert isinstance(node, ast.Call)
        if called(node) in {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}:
            yield name, node.lineno
        if any(keyword.arg == "shell" for keyword in node.keywords):
            yield name, node.lineno


def no_text_is_run() -> Iterator[Found]:
    for name, node in nodes(ast.Call):
        assert isinstance(node, ast.Call)
        if called(node) in RUNS_TEXT:
            yield name, node.lineno
    yield from imports_of(UNPACKS_CODE)


def no_form_goes_without_its_token() -> Iterator[Found]:
    yield from imports_of({"django.views.decorators.csrf.csrf_exempt"})


def certificates_are_checked() -> Iterator[Found]:
    for name, node in nodes(ast.keyword):
        assert isinstance(node, ast.keyword)
        if node.arg == "verify" and isinstance(node.value, ast.Constant) and node.value.value is False:
            yield name, node.lineno
    for name, node in nodes(ast.Attribute):
        if isinstance(node, ast.Attribute) and node.attr in {"_create_unverified_context", "CERT_NONE"}:
            yield name, node.lineno


def templates_hold(pattern: str) -> Iterator[Found]:
    for path in sorted((ROOT / "templates").rglob("*.html")):
        text = path.read_text()
        for found in re.finditer(pattern, text):
            yield path.relative_to(ROOT).as_posix(), text.count("\n", 0, found.start()) + 1


def templates_escape_everything() -> Iterator[Found]:
    yield from templates_hold(r"\|\s*safe\b|\|\s*safeseq\b|autoescape\s+off")


def templates_have_nothing_inline() -> Iterator[Found]:
    yield from templates_hold(r"<[^>]*\s(style|on[a-z]+)=[\"']|<style\b|javascript:|<script(?![^>]*\bsrc=)[^>]*>")


def templates_load_from_here_alone() -> Iterator[Found]:
    yield from templates_hold(r"<(script|link|img|iframe)\b[^>]*\b(src|href)=[\"'](https?:)?//")


RULES: list[Callable[[], Iterator[Found]]] = [
    nothing_is_marked_as_markup,
    objects_are_fetched_through_who_may,
    engines_are_called_through_the_transport,
    no_shell_runs,
    no_text_is_run,
    no_form_goes_without_its_token,
    certificates_are_checked,
    templates_escape_everything,
    templates_have_nothing_inline,
    templates_load_from_here_alone,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_nothing_breaks_it_unexplained(rule: Callable[[], Iterator[Found]]):
    broken = [f"{name}:{line}" for name, line in rule() if (rule.__name__, name) not in EXPLAINED]
    assert broken == []


def test_every_explanation_is_needed():
    needed = {(rule.__name__, name) for rule in RULES for name, _line in rule()}
    assert set(EXPLAINED) == needed
    assert all(len(reason) > 20 for reason in EXPLAINED.values())


WRONG = """
import httpx, pickle, os, subprocess
from django.utils.safestring import mark_safe
from django.views.decorators.csrf import csrf_exempt
def view(request, pk):
    subprocess.run("ls " + pk, shell=True); os.system(pk); eval(pk)
    httpx.get(pk, verify=False); requests.get(pk)
    return mark_safe(get_object_or_404(Batch, pk=pk).name) + Card.objects.get(pk=pk).name
"""


def test_each_rule_finds_what_it_is_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "templates").mkdir()
    page = '{{ a|safe }}\n<p style="x">\n<script>1</script>\n<img src="https://elsewhere.example/x.png">'
    (tmp_path / "templates" / "wrong.html").write_text(page)
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    monkeypatch.setattr(f"{__name__}.TREES", [("batches/views/wrong.py", ast.parse(WRONG))])
    assert [rule.__name__ for rule in RULES if not list(rule())] == []


def test_the_dark_changes_nothing_but_colours() -> None:
    """So that the browser tests look for names, order and sizes once, in the light."""
    set_there: set[str] = set()
    for path in (ROOT / "static" / "css").glob("*.css"):
        for block in path.read_text().split("(prefers-color-scheme: dark)")[1:]:
            depth, inside = 0, ""
            for letter in block:
                depth += {"{": 1, "}": -1}.get(letter, 0)
                inside += letter
                if letter == "}" and not depth:
                    break
            set_there |= set(re.findall(r"([\w-]+)\s*:(?=[^{}]*[;}])", inside))
    assert {name for name in set_there if not name.startswith("--")} == {"filter"}
