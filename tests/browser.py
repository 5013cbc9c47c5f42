"""A real browser, and what axe finds wrong with a page in it."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image, ImageChops, ImageStat

# WCAG 2.2 A and AA and what axe calls good practice; target size is part of 2.2 AA.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# A letter in its frame is somebody's own text behind a sandbox: the page around it is what is looked at here.
EVERYTHING = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"], "iframes": False}
# What can be wrong in one width or color scheme and right in another.
OTHERWISE = EVERYTHING | {"runOnly": {"type": "rule", "values": ["color-contrast", "target-size", "region"]}}


def chromium() -> str:
    """Debian's own, or whichever is installed: best without a window, which takes a quarter less of the machine. Fails
    loudly: a browser test that skips itself proves nothing."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    assert found, "There is no Chromium. Install it (apt install chromium), or say where it is: CHROMIUM=/path"
    return found


# Milliseconds for what a page shall show: no test needs them on a machine that does nothing else.
PATIENCE = 120_000


def _patient(make: Callable[..., Any]) -> Callable[..., Any]:
    def made(**options: Any) -> Any:
        place = make(**options)
        place.set_default_timeout(PATIENCE)
        return place

    return made


@contextmanager
def started() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    # Playwright keeps an event loop in this thread; Django would take that for a mistake of ours.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        browser.new_context, browser.new_page = _patient(browser.new_context), _patient(browser.new_page)
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


GREY = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="150">'
    '<rect width="600" height="150" fill="#9ab"/></svg>'
)


@contextmanager
def opened(browser: Any, page: str, width: int = 600, scheme: str = "light") -> Iterator[Any]:
    """A letter in a window of its own, all of whose pictures are grey."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.route("**/*", lambda route: route.fulfill(status=200, content_type="image/svg+xml", body=GREY))
    tab.set_content(page)
    yield tab
    tab.close()


def pictured(tab: Any) -> Image.Image:
    return Image.open(io.BytesIO(tab.screenshot(full_page=True))).convert("L")


def different(one: Image.Image, other: Image.Image) -> float:
    """Per cent of points that differ by more than a twelfth of the way from black to white; what is longer counts."""
    width, height = max(one.width, other.width), max(one.height, other.height)
    papers = []
    for image in (one, other):
        paper = Image.new("L", (width, height), 128)
        paper.paste(image, (0, 0))
        papers.append(paper)
    seen = ImageChops.difference(*papers).point(lambda value: 255 if value > 20 else 0)
    return ImageStat.Stat(seen).mean[0] / 255 * 100


_TEXTS = """() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect(), above = node.parentElement;
    if (node.data.trim() && box.width > 1 && box.height > 1
        && above.checkVisibility({opacityProperty: true, visibilityProperty: true}))
      found.push([node.data.trim().replace(/\\\\s+/g, " "), box.x, box.y, box.width, box.height]);
  }
  return found;
}"""


def texts(tab: Any) -> list[tuple[str, float, float, float, float]]:
    """What is read on a page, with where it stands: (text, x, y, width, height)."""
    return [tuple(one) for one in tab.evaluate(_TEXTS)]
