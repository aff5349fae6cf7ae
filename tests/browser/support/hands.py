"""Three ways to do the same things on a page: with the mouse, on the keys alone, with a finger.

Each looks a thing up by the name that a screen reader would say, and asserts on the way what must hold for
whoever works like this.
"""

import re
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import CDPSession, Error, Locator, Page, ViewportSize, expect

# What lies on top: nothing behind an open dialog can be reached.
TOP: Final = "[popover]:popover-open, dialog:modal:not(:has(:popover-open)), body:not(:has(:modal))"
PRESSED: Final = ("button", "link", "tab", "checkbox")
# More than this nobody presses in order to get on.
MAX_TABS: Final = 40
# WCAG 2.5.5; half a pixel less, for rounding.
MIN_TARGET: Final = 43.5

# Runs in each document: whether anything in it has had the focus yet.
REMEMBER: Final = 'addEventListener("focusin", () => { window.hadFocus = true; }, true);'
AT_REST: Final = """() => !document.querySelector('.htmx-request:not([hx-trigger*="every"])')
    && (!window.hadFocus || document.activeElement !== document.body)"""
BEHIND: Final = """(target) => !!(document.activeElement.compareDocumentPosition(target)
    & Node.DOCUMENT_POSITION_PRECEDING)"""
# What is wrong with how the focus is seen; "" if nothing is.
UNSEEN: Final = """() => {
    const element = document.activeElement;
    if (element === document.body) return "";
    const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element);
    const clear = /transparent|, 0\\)$/.test(outlineColor);
    if (outlineStyle === "none" || parseFloat(outlineWidth) < 1 || clear) return "has no outline";
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const across = [left + 1, (left + right) / 2, right - 1];
    const down = [top + 1, (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2, bottom - 1];
    const seen = across.some((x) => down.some((y) => {
        const there = document.elementFromPoint(x, y);
        return there && (element.contains(there) || there.contains(element) && there.closest("label, a"));
    }));
    return seen ? "" : "is out of sight or covered";
}"""
# What of another thing lies over the middle of this one; "" if nothing does.
COVERED: Final = """(target) => {
    const { left, right, top, bottom } = target.getBoundingClientRect();
    const there = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    const mine = there && [target, target.labels?.[0]].some((each) => each?.contains(there));
    return mine ? "" : there?.outerHTML ?? "the edge of the window";
}"""
# What takes a finger: a box is ticked by its label as well, and a link may lie over all it stands in.
TARGET: Final = """(target) => {
    const laid = getComputedStyle(target, "::after").position === "absolute";
    const wider = target.matches("[type=checkbox]") ? target.closest("label") : laid && target.offsetParent;
    return (wider || target).getBoundingClientRect().toJSON();
}"""
SIDEWAYS: Final = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Mouse:
    """A hand on the mouse, in front of a large screen."""

    size: ViewportSize = {"width": 1280, "height": 900}
    options: dict[str, Any] = {"viewport": size}

    def __init__(self, page: Page) -> None:
        self.page = page

    async def press(self, name: str) -> None:
        """Presses the button, link, tab, box or menu of this name."""
        await self._reach(self.find(name), name)
        await self.find(name).click()

    async def choose(self, name: str, option: str) -> None:
        """Picks an option of the drop-down of this name."""
        await self._reach(self.field(name), name)
        await self.field(name).click()
        await self._pick(option)

    async def write(self, name: str, text: str) -> None:
        """Types into the field of this name, behind what stands there."""
        await self._reach(self.field(name), name)
        await self.field(name).click()
        await self.page.keyboard.press("End")
        await self.page.keyboard.type(text)

    async def search(self, text: str) -> None:
        """Types it into the search above the list, which shows the same for part of a word: the address
        says when the whole of it was found.
        """
        await self._search(text)
        await self.page.wait_for_url(lambda url: text in parse_qs(urlsplit(url).query).get("q", []))

    async def _search(self, text: str) -> None:
        await self.write("Search members by name or address", text)

    async def close(self) -> None:
        """Closes the dialog that is open; the page gets its address back."""
        # What the browser has told so far (`page.url`) may be older than what is on the screen.
        opened = await self.page.evaluate("location.href")
        await self._close()
        await self.page.wait_for_function("(opened) => location.href !== opened", arg=opened)

    async def _close(self) -> None:
        await self.press("Close")

    async def shut(self, menu: str) -> None:
        """Closes the menu of this name."""
        await self.press(menu)

    async def turn_to(self, section: str) -> None:
        """Goes to this part of the site; beside its name may stand a number."""
        entry = self.page.get_by_role("navigation").get_by_role("link", name=re.compile(rf"^{section}\b"))
        await self.press(" ".join((await entry.inner_text()).split()))

    async def read(self, name: str) -> str:
        """What stands in the field of this name."""
        return await self.field(name).input_value()

    async def _reach(self, target: Locator, name: str) -> None:
        """Brings it into sight; nothing may lie over it, or people would press that instead."""
        await target.scroll_into_view_if_needed()
        covered = await target.evaluate(COVERED)
        assert not covered, f"{name!r} lies under {covered}"

    async def _pick(self, option: str) -> None:
        """In the list that is open: the system draws it, and a test reaches into it only by keys."""
        drop_down = self.page.locator("select:open")
        await expect(drop_down).to_be_focused()
        options = await drop_down.locator("option").all_inner_texts()
        steps = options.index(option) - await drop_down.evaluate("(element) => element.selectedIndex")
        for _ in range(abs(steps)):
            await self.page.keyboard.press("ArrowDown" if steps > 0 else "ArrowUp")
        await self.page.keyboard.press("Enter")

    def find(self, name: str) -> Locator:
        """What can be pressed and has this name, on what lies on top."""
        top = self.page.locator(TOP)
        found = top.locator("summary").filter(has_text=name)
        for role in PRESSED:
            found = found.or_(top.get_by_role(role, name=name, exact=True))
        return found

    def field(self, name: str) -> Locator:
        """The field of this name, on what lies on top."""
        controls = self.page.locator("input, select, textarea")
        return self.page.locator(TOP).get_by_label(name, exact=True).and_(controls)


class Touch(Mouse):
    """A finger on a phone."""

    size: ViewportSize = {"width": 390, "height": 844}
    options: dict[str, Any] = {"viewport": size, "has_touch": True, "is_mobile": True}

    async def press(self, name: str) -> None:
        await self._reach(self.find(name), name)
        await self.find(name).tap()

    async def choose(self, name: str, option: str) -> None:
        await self._reach(self.field(name), name)
        await self.field(name).tap()
        await self._pick(option)

    async def write(self, name: str, text: str) -> None:
        await self._reach(self.field(name), name)
        await self.field(name).tap()
        await self.page.keyboard.press("End")
        await self.page.keyboard.type(text)

    async def _reach(self, target: Locator, name: str) -> None:
        """Brings it into sight, where it is large enough for a finger and nothing stands out at the side."""
        await super()._reach(target, name)
        box = await target.evaluate(TARGET)
        assert box["height"] >= MIN_TARGET, f"{name!r} is {box['height']} px high"
        assert -0.5 <= box["left"] <= box["right"] <= self.size["width"] + 0.5, f"{name!r}: {box}"
        assert -0.5 <= box["top"] <= box["bottom"] <= self.size["height"] + 0.5, f"{name!r}: {box}"
        assert await self.page.evaluate(SIDEWAYS) <= 0, f"the page of {name!r} scrolls sideways"


class Keyboard(Mouse):
    """Ten fingers on the keys. Where things stand is seen by eye; each is reached with Tab or Shift+Tab."""

    _chromium: CDPSession | None = None

    async def press(self, name: str) -> None:
        target = self.find(name)
        await target.wait_for()
        if await target.get_attribute("role") == "tab":
            await self._turn_to(name)
            return
        await self._reach(target, name)
        box = await target.evaluate("(target) => target.matches('summary, [type=checkbox]')")
        await self.page.keyboard.press("Space" if box else "Enter")

    async def choose(self, name: str, option: str) -> None:
        await self._reach(self.field(name), name)
        await self.page.keyboard.press("ArrowDown")
        await self._pick(option)

    async def write(self, name: str, text: str) -> None:
        await self._reach(self.field(name), name)
        await self.page.keyboard.press("End")
        await self.page.keyboard.type(text)

    async def _search(self, text: str) -> None:
        await self._rest()
        await self.page.keyboard.press("/")
        await expect(self.field("Search members by name or address")).to_be_focused()
        await self.page.keyboard.type(text)

    async def _close(self) -> None:
        await self.page.keyboard.press("Escape")

    async def shut(self, menu: str) -> None:
        await self.page.keyboard.press("Escape")
        await expect(self.find(menu)).to_be_focused()

    async def _turn_to(self, tab: str) -> None:
        """Tabs of a dialog are one stop; the arrow keys move between them."""
        chosen = self.page.locator(TOP).locator('[role=tab][aria-selected="true"]')
        await self._reach(chosen, (await chosen.inner_text()).strip())
        for _ in range(await self.page.locator(TOP).get_by_role("tab").count()):
            if await self._name() == tab:
                return
            await self.page.keyboard.press("ArrowRight")
        raise AssertionError(f"the arrow keys don't reach the tab {tab!r}")

    async def _reach(self, target: Locator, name: str) -> None:
        """Tabs to what bears this name; wherever the focus stops on the way, it must be seen."""
        await target.wait_for()
        await self._rest()
        key = "Shift+Tab" if await target.evaluate(BEHIND) else "Tab"
        passed: list[str] = []
        while (here := await self._name()) != name:
            passed.append(here)
            assert len(passed) <= MAX_TABS, f"{key} doesn't reach {name!r}, only {passed}"
            await self.page.keyboard.press(key)
            unseen = await self.page.evaluate(UNSEEN)
            assert not unseen, f"{await self._name()!r} {unseen}, after {passed}"
        await expect(target).to_be_focused()

    async def _rest(self) -> None:
        """Nothing is on its way any more, and the focus isn't lost."""
        try:
            await self.page.wait_for_function(AT_REST)
        except Error as error:
            raise AssertionError(f"the focus is lost on {self.page.url}") from error

    async def _name(self) -> str:
        """The name that a screen reader says for what has the focus."""
        if not self._chromium:
            self._chromium = await self.page.context.new_cdp_session(self.page)
        focused = await self._chromium.send("Runtime.evaluate", {"expression": "document.activeElement"})
        asked = {"objectId": focused["result"]["objectId"], "fetchRelatives": False}
        tree = await self._chromium.send("Accessibility.getPartialAXTree", asked)
        name: str = tree["nodes"][0].get("name", {}).get("value", "")
        return name.strip()
