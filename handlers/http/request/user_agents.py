"""Names browsers and systems by their User-Agent."""

import re
from typing import Final

from messages import phrases

_BROWSERS: Final = (
    ("Edge", r"\bEdgA?/"),
    ("Opera", r"\bOPR/"),
    ("Firefox", r"\b(Firefox|FxiOS)/"),
    ("Chrome", r"\b(Chrome|CriOS|Chromium)/"),
    ("Safari", r"\bSafari/"),
)
_SYSTEMS: Final = (
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("Windows", r"\bWindows\b"),
    ("Mac", r"\bMacintosh\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b"),
)


def describe(user_agent: str) -> str:
    """A browser in words, like "Firefox on Linux". An unknown program is named by the first word it sends."""
    browser = next((name for name, pattern in _BROWSERS if re.search(pattern, user_agent)), "")
    system = next((name for name, pattern in _SYSTEMS if re.search(pattern, user_agent)), "")
    if browser and system:
        return phrases.BROWSER_ON_SYSTEM.format(browser=browser, system=system)
    first = "".join(char for char in user_agent.split(" ")[0] if char.isprintable())
    return browser or first[:40] or phrases.UNNAMED_PROGRAM
