"""A real browser, and what axe finds wrong with a page in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# WCAG 2.2 A and AA and what axe calls good practice; target size is part of 2.2 AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# A letter in its frame is somebody's own text behind a sandbox: the page around it is what is looked at here.
EVERYTHING = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"], "iframes": False}
# What can be wrong in one width or colour scheme and right in another.
OTHERWISE = EVERYTHING | {"runOnly": {"type": "rule", "values": ["color-contrast", "target-size", "region"]}}


def chromium() -> str:
    """Debian's own, or whichever is installed: best without a window, which takes a quarter less of the machine. Fails
    loudly: a browser test that skips itself proves nothing."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert found, "There is no Chromium. Install it (apt install chromium), or say where it is: CHROMIUM=/path"
    return found


@contextmanager
def started() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    # Five seconds are few for a page on a machine that runs everything else beside it.
    expect.set_options(timeout=30_000)
    # Playwright keeps an event loop in this thread; Django would take that for a mistake of ours.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")


def violations(page: Any, options: dict[str, Any] = EVERYTHING) -> dict[str, str]:
    """Rule -> where it is broken, of the page as it stands there. Axe itself is read once a page."""
    if not page.evaluate("'axe' in window"):
        from axe_playwright_python.base import AXE_SCRIPT

        page.evaluate(AXE_SCRIPT)
    # What is well is left in the browser: to carry that over takes as long as to find it out.
    found = page.evaluate(
        "options => axe.run(document, options).then(all => all.violations.map("
        "rule => [rule.id, rule.nodes.slice(0, 3).map(node => node.html.slice(0, 150)).join('; ')]))",
        options,
    )
    return dict(found)
