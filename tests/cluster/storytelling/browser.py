"""A browser, and people who look at the page with it."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

PATIENCE_SECONDS = 60
PHONE = (320, 640)
DESK = (1280, 800)

expect.set_options(timeout=1000 * PATIENCE_SECONDS)


def executable() -> str | None:
    """Where Chromium is: CHROMIUM says so, or the PATH."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for as long as the block takes; without one the tests are skipped."""
    path = executable()
    if path is None:
        pytest.skip("there is no chromium on the PATH, and CHROMIUM names none")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True)
class Visit:
    """A tab, and what went on in it."""

    context: BrowserContext
    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    """What the console said that is wrong. Answers that are a refusal are no complaint."""
    requested: list[str] = field(default_factory=list)

    def log_in(self, token: str, workspace: str = "") -> None:
        """Open the page and log in; the workspace comes from the address."""
        self.page.goto(f"{self.address}/#project={workspace}")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Log in").click()

    def assert_all_is_well(self, *secrets: str) -> None:
        """It took nothing from elsewhere, complained of nothing, and put no secret into an address."""
        assert self.complaints == []
        assert self.requested
        own = re.compile(re.escape(self.address) + "/|data:|blob:")
        assert [each for each in self.requested if not own.match(each)] == []
        assert [each for each in self.requested for secret in secrets if secret in each] == []

    def overflow(self) -> int:
        """By how many pixels the page is wider than the screen."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return width

    def barriers(self) -> list[str]:
        """What axe finds that keeps people out: rules of WCAG 2.2, A and AA, and good practice."""
        self.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
        looked_at, found = self.page.evaluate("axe.run().then(({passes, violations}) => [passes.length, violations])")
        assert looked_at
        return [f"{each['id']}: {each['help']}: {each['nodes']}" for each in found]


@contextmanager
def visit(
    browser: Browser,
    port: int,
    *,
    size: tuple[int, int] = DESK,
    colours: Literal["light", "dark"] = "light",
) -> Iterator[Visit]:
    """A tab of a browser that knows nothing from before; nothing may be wrong with it in the end."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=colours,
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id="Europe/Copenhagen",
    )
    context.set_default_timeout(1000 * PATIENCE_SECONDS)
    page = context.new_page()
    tab = Visit(context, page, f"http://127.0.0.1:{port}")

    def hear(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            tab.complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    page.on("request", lambda request: tab.requested.append(request.url))
    try:
        yield tab
        tab.assert_all_is_well()
    finally:
        context.close()
