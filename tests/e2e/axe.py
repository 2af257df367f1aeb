"""axe-core, put into the page by evaluate (the strict CSP lets no script tag in)."""

from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

SOURCE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
ALL = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}  # all of ALL that look at colours

# What is still fading in has colours that nobody is to read; what turns for ever is not waited for.
FADED = """() => Promise.all(document.getAnimations()
  .filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime))
  .map((one) => one.finished.catch(() => {})))"""


def violations(page: Page, rules: dict[str, Any] = ALL) -> list[str]:
    """What axe finds, one line a node: rule, help, where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(SOURCE)
    page.evaluate(FADED)
    options = {"preload": False, "runOnly": rules, "resultTypes": ["violations"]}  # of what passes no list is made
    found: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{rule['id']} ({rule['help']}): {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
