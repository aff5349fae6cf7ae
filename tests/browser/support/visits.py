"""What one visit costs a browser: requests, bytes on the wire, time until the table is there, and shifts."""

from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import CDPSession, Page

WATCH: Final = """(() => {
    window.seen = { shift: 0, table: 0 };
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.seen.shift += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
    // Element Timing tells when the text of the first row was on the screen. The next frame, which a script
    // could ask for, comes later: scripts and more of the page may come between.
    new PerformanceObserver((list) => {
        window.seen.table ||= list.getEntries()[0].renderTime;
    }).observe({ type: "element", buffered: true });
    new MutationObserver((_, observer) => {
        const text = document.querySelector("#members tbody .address");
        if (!text) return;
        text.setAttribute("elementtiming", "table");
        observer.disconnect();
    }).observe(document, { childList: true, subtree: true });
})()"""
# Half a second more, for whatever the scripts still move.
SETTLED: Final = """async () => {
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    while (!window.seen.table) await pause(10);
    await pause(500);
    return window.seen;
}"""


@dataclass
class Visit:
    """size: bytes on the wire, headers included. table_ms: until the first row is on the screen."""

    requests: list[str] = field(default_factory=list)
    size: int = 0
    table_ms: float = 0
    shift: float = 0


class Visitor:
    """Counts visits of one browser; its cache keeps what may be kept."""

    def __init__(self, page: Page, chromium: CDPSession) -> None:
        self._page = page
        self._visit = Visit()
        self._cached: set[str] = set()
        chromium.on("Network.requestServedFromCache", lambda event: self._cached.add(event["requestId"]))
        chromium.on("Network.responseReceived", self._received)
        chromium.on("Network.loadingFinished", self._finished)

    @classmethod
    async def watching(cls, page: Page) -> "Visitor":
        await page.add_init_script(WATCH)
        chromium = await page.context.new_cdp_session(page)
        await chromium.send("Network.enable")
        return cls(page, chromium)

    async def visit(self, path: str) -> Visit:
        """Opens the address, waits until nothing moves any more, and says what it took."""
        self._visit = Visit()
        await self._page.goto(path, wait_until="load")
        seen = await self._page.evaluate(SETTLED)
        self._visit.table_ms, self._visit.shift = seen["table"], seen["shift"]
        return self._visit

    def _received(self, event: dict[str, Any]) -> None:
        response = event["response"]
        if event["requestId"] not in self._cached and not response.get("fromDiskCache"):
            self._visit.requests.append(response["url"])

    def _finished(self, event: dict[str, Any]) -> None:
        self._visit.size += int(event["encodedDataLength"])
