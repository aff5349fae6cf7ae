"""axe-core, which comes as a Python package: what on a page breaks WCAG 2.2, levels A and AA."""

from importlib.resources import files
from typing import Any, Final

from playwright.async_api import Page

SOURCE: Final = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
LEVELS: Final = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
# All that a change from light to dark can break.
COLOURS: Final = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
# Targets of at least 24 px (WCAG 2.2, 2.5.8) are a rule that has to be switched on.
RUN: Final = """async (only) => {
    const { violations } = await axe.run({
        runOnly: only, resultTypes: ["violations"],
        rules: { "target-size": { enabled: only.type === "tag" } },
    });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
        `${id}: ${html.replace(/\\s+/g, " ").slice(0, 160)} ${failureSummary.replace(/\\s+/g, " ")}`));
}"""


async def violations(page: Page, only: dict[str, Any] = LEVELS) -> list[str]:
    """One line for each part of the page as it is now that breaks a rule."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(SOURCE)
    found: list[str] = await page.evaluate(RUN, only)
    return found
