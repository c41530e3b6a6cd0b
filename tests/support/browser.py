"""The machine's own Chromium, driven by Playwright: pages as people see them, and what the browser complains of.

Where a machine has no Chromium, or Playwright is not installed, the tests that need one are skipped (`needs_browser`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

try:
    from playwright.async_api import Browser, Page, async_playwright
except ImportError:  # pragma: no cover - a machine without it skips
    async_playwright = None  # type: ignore[assignment]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next((found for name in NAMES if (found := shutil.which(name))), None)

AXE = Path(__file__).parents[2] / ".cache" / "axe" / "node_modules" / "axe-core" / "axe.min.js"

needs_browser = pytest.mark.skipif(
    PROGRAM is None or async_playwright is None,
    reason="no Chromium on PATH (Debian: `chromium`), or no Playwright: pages are not looked at",
)
needs_axe = pytest.mark.skipif(
    not AXE.exists(), reason="no axe-core in .cache/axe: `make test` gets it where there are node and npm"
)

_LISTEN = """
window.refusals = [];
document.addEventListener("securitypolicyviolation", (each) =>
  window.refusals.push(`${each.violatedDirective} ${each.blockedURI} ${each.sample}`));
"""

_SERIOUS = ("serious", "critical")


@asynccontextmanager
async def browsing(*more: str) -> AsyncIterator[Browser]:
    """A browser without a window, begun with `more` arguments, until the block ends."""
    # Chromium's sandbox wants a user of its own; as root, which builders are, it does not start with one
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=PROGRAM, args=[*arguments, "--disable-dev-shm-usage", *more]
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(slots=True)
class Seen:
    """A page and everything that the browser said about it."""

    page: Page
    said: list[str] = field(default_factory=list)

    async def refusals(self) -> list[str]:
        """What the content security policy refused since the page was loaded."""
        found: list[str] = await self.page.evaluate("window.refusals")
        return found

    async def too_wide(self) -> bool:
        """Whether the page as a whole must be scrolled sideways."""
        wide: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return wide

    async def barriers(self) -> list[str]:
        """What axe-core finds that keeps somebody out: its serious and critical findings, each with its first place."""
        await self.page.evaluate(AXE.read_text("utf-8"))
        found = await self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary']}"
            for each in found["violations"]
            if each["impact"] in _SERIOUS
        ]


@asynccontextmanager
async def looking(browser: Browser, **context: Any) -> AsyncIterator[Seen]:
    """A tab of its own, without anything that another tab has stored; `context` as Playwright's `new_context` has it."""
    own = await browser.new_context(**context)
    try:
        await own.add_init_script(_LISTEN)
        page = await own.new_page()
        seen = Seen(page)
        page.on("console", lambda message: seen.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: seen.said.append(f"dialog: {dialog.message}"))
        yield seen
    finally:
        await own.close()
