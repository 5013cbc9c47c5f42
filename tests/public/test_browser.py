"""The public pages in a real browser: no finding of axe, no sideways scroll at 320 px, usable without script."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import started, violations
from tests.worker.conftest import Instance, make_instance

pytestmark = pytest.mark.browser

LETTER = (
    "<h1>River</h1><p>Four <b>o</b> <a href='https://x.example'>clock</a></p><blockquote><p>Five</p></blockquote>"
    "<ul><li>one</li></ul><img src='https://x.example/a.png' alt='A table drying'>"
)
LOOKS = (({"width": 320, "height": 600}, "light"), ({"width": 1280, "height": 900}, "dark"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Northern Lantern as it is served, with a letter in the archive."""
    made = make_instance(tmp_path_factory.mktemp("public"), people=True)
    instance = next(made)
    instance.python(
        "from samizdat.accounts.models import Organization; from samizdat.publicdb import actions; "
        "from datetime import date; uid = bytes(Organization.objects.get().uid); "
        "words = dict(list_name='the Thursday Letter', language='en', slug='river', title='What the river took'); "
        f"actions.publish_letter(uid, 1, html={LETTER!r}, day=date(2026, 11, 26), **words); print(json.dumps(1))"
    )
    yield instance.start()
    instance.stop()
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as running:
        yield running


@pytest.mark.once
def test_no_public_page_violates_anything(browser: Any, house: Instance) -> None:
    token = house.made["token"]
    confirm, stay = house.python(
        "from samizdat.accounts.models import Organization; from samizdat.vault import keyring; "
        "from samizdat.core.crypto import tokens; key = keyring.keys(Organization.objects.get()).link; "
        f"print(json.dumps([tokens.make(key, 'confirm', {house.made['list']}, 1), tokens.make(key, 'stay', 1, 1)]))"
    )
    wrong: list[str] = []
    context = browser.new_context(base_url=f"http://127.0.0.1:{house.ports[1]}")
    page = context.new_page()
    base = f"http://127.0.0.1:{house.ports[1]}"
    page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
    page.on("request", lambda asked: None if asked.url.startswith(base) else wrong.append(f"asked {asked.url}"))
    for path in (
        f"/u/{token}",
        f"/y/{stay}",
        f"/p/{token}",
        f"/c/{confirm}",
        "/f/thursday",
        "/",
        "/a/",
        "/a/river",
        "/nowhere",
    ):
        page.goto(path)
        wrong += [f"{path}: no single h1"] if page.locator("h1").count() != 1 else []
        for viewport, scheme in LOOKS:
            page.set_viewport_size(viewport)
            page.emulate_media(color_scheme=scheme)
            wrong += [f"{path} {scheme}: {rule}: {where}" for rule, where in violations(page).items()]
            over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            wrong += [f"{path} {viewport['width']}: scrolls {over} px"] if over > 0 else []
    context.close()
    # The page that is not there is one of them, and the browser says so.
    wrong = [finding for finding in wrong if "404" not in finding]
    assert not wrong, "\n".join(wrong)


def test_leaving_and_coming_back_need_neither_script_nor_cookie(browser: Any, house: Instance) -> None:
    context = browser.new_context(base_url=f"http://127.0.0.1:{house.ports[1]}", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"/u/{house.made['token']}")
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", name="You’re unsubscribed")).to_be_visible()
    page.get_by_role("button", name="Resubscribe").click()
    expect(page.get_by_role("heading", name="You’re subscribed again")).to_be_visible()
    assert context.cookies() == []
    page.goto("/f/thursday")
    page.get_by_label("Your email address").fill("eva@example.org")
    send = page.get_by_role("button", name="Присылайте").or_(page.get_by_role("button", name="Subscribe"))
    send.click()  # Quicker than anybody types: it takes one press more.
    send.click()
    expect(page.get_by_label("Your email address")).to_have_count(0)
    expect(page.locator("h1")).to_have_count(1)
    context.close()


@pytest.mark.once
def test_the_stylesheet_is_cached_and_the_whole_page_stays_small(house: Instance) -> None:
    page = house.ask("/f/thursday")
    sheet = house.ask("/style.css?b3261e")
    assert page[0] == sheet[0] == 200
    assert len(page[1]) + len(sheet[1]) <= 14 * 1024
    assert "max-age" in sheet[2]["cache-control"]
    assert Path(house.folder).exists()
