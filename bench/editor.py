"""What somebody waits for who writes a letter of 100 blocks: the preview after a keystroke, and a save.

python -m bench editor [--blocks 100] [--times 30] [--only sqlite|postgresql]

The desk runs as `serve` runs it, over a list that has one reader: nothing here grows with the audience. A save is the
request that the page makes by itself, checks and all; a preview is measured in Chromium, from the keystroke until the
new letter stands in its frame. CHROMIUM says where the browser is, if it is not in the path.
"""

import argparse
import http.client
import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench import common

LOOK, SAVE, SCRIPT = 150.0, 50.0, 400.0  # ms, ms of CPU, KiB: of the issue.


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench editor", description=__doc__)
    parser.add_argument("--blocks", type=int, default=100)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    return common.on_each_database(options, "bench.editor", lambda data: work(data, options))


def work(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    from django.test import Client

    person, campaign = furnish(options.blocks)
    client = Client()
    client.force_login(person, "samizdat.accounts.backend.BlindIndexBackend")
    key, port = client.cookies["desk"].value, serve()
    path = f"/o/{campaign.organization.slug}/campaigns/{campaign.pk}/"
    common.say(f"\n{options.blocks} blocks on {options.only}, {options.times} times")
    saves = [save(port, path, key, campaign, number) for number in range(1, options.times + 1)]
    looks = previews(port, path, key, options.times)
    common.say(f"  save    {common.spread(saves, 1)} ms of CPU")
    common.say(f"  preview {common.spread(looks, 1)} ms")
    return common.conclude(
        [
            common.Target("save of a letter, CPU, median", common.median(saves), SAVE, "ms"),
            common.Target("preview after a keystroke, median", common.median(looks), LOOK, "ms"),
            common.Target("scripts of the editor", script(), SCRIPT, "KiB"),
        ]
    )


def script() -> float:
    """KiB of all that the page of a letter in blocks loads to edit it, as it is sent: not compressed."""
    static = Path(__file__).parent.parent / "samizdat" / "web" / "static"
    files = [static / "vendor" / "editor.js", *(static / "js" / "editor").glob("*.js")]
    return sum(file.stat().st_size for file in files) / 1024


def furnish(count: int) -> tuple[Any, Any]:
    from django.utils import timezone

    from samizdat.accounts.actions import add_person, found_organization, give_role
    from samizdat.audience.actions import add_subscriber, new_list
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft
    from samizdat.vault import keyring

    now = timezone.now()
    url = "https://news.lantern.example"
    organization = found_organization(
        "Northern Lantern", source=keyring.open_source(), today=now.date(), public_url=url
    )
    clara = add_person("clara@lantern.example", name="Clara", password="no matter here", today=now.date())
    give_role(clara, organization, "editor", by=None, now=now)
    list_ = new_list(organization, "The Thursday Letter", now=now)
    add_subscriber(organization, "ada@post.example", list_, consent="Signed.", now=now, by=None)
    draft = Draft("What the river took", "", "Lantern", "letter@lantern.example", body=letter(count), format="blocks")
    return clara, create(organization, list_, draft, by=clara, now=now)


def letter(count: int, words: str = "") -> str:
    """So many blocks: text for the most part, with what else a long letter has."""
    sentence = "The water came at four in the morning, and by noon the lower street of the settlement was gone. "
    return json.dumps(
        {"type": "doc", "content": [_block(number, f"{words}{sentence * 3}") for number in range(1, count + 1)]}
    )


def _block(number: int, text: str) -> dict[str, Any]:
    attrs = {"id": f"block{number}"}
    words = [{"type": "text", "text": text}]
    if number % 10 == 1:
        return {"type": "heading", "attrs": {**attrs, "level": 2}, "content": [{"type": "text", "text": "The river"}]}
    if number % 10 == 5:
        link = {"text": "Read the whole story", "link": "https://lantern.example/214"}
        return {"type": "button", "attrs": {**attrs, **link}}
    if number % 10 == 8:
        return {"type": "blockquote", "attrs": attrs, "content": [{"type": "paragraph", "content": words}]}
    return {"type": "paragraph", "attrs": attrs, "content": words}


def serve() -> int:
    """The desk in a thread of this process; the port it listens at."""
    import uvicorn
    from django.core.handlers.wsgi import WSGIHandler

    from samizdat.web.asgi import UVICORN, DeskApplication
    from samizdat.web.static_files import StaticFiles

    desk = DeskApplication(WSGIHandler(), files=StaticFiles())
    config = uvicorn.Config(desk, host="127.0.0.1", port=0, log_level="error", **UVICORN)
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return int(server.servers[0].sockets[0].getsockname()[1])


def save(port: int, path: str, key: str, campaign: Any, number: int) -> float:
    """ms of CPU for the request that the page makes by itself: of this process, which serves it."""
    count = int(campaign.versions.count() or 1) if number == 1 else number
    body = letter(len(json.loads(_stored(campaign))["content"]), f"Version {number}. ")
    form = {
        "csrfmiddlewaretoken": "a" * 32, "version": str(count), "subject": "What the river took",
        "from_name": "Lantern", "from_email": "letter@lantern.example", "list": str(campaign.list_id),
        "language": "en", "format": "blocks", "body": body,
    }  # fmt: skip
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {
        "Cookie": f"desk={key}; {csrf_cookie()}={'a' * 32}",
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": f"http://127.0.0.1:{port}",
        "HX-Request": "true",
    }
    begun = time.process_time()
    connection.request("POST", f"{path}save", urlencode(form), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    took = (time.process_time() - begun) * 1000
    if answer.status != 200 or f'name="version" value="{count + 1}"' not in text:
        raise SystemExit(f"The save was answered by {answer.status}.")
    return took


def csrf_cookie() -> str:
    from django.conf import settings

    return str(settings.CSRF_COOKIE_NAME)


def _stored(campaign: Any) -> str:
    from samizdat.campaigns.drafts.draft import draft_of

    return draft_of(campaign).body


def previews(port: int, path: str, key: str, times: int) -> list[float]:
    """ms from a keystroke until the letter that has it stands in the frame, as the page itself notes it."""
    from playwright.sync_api import sync_playwright

    base, found = f"http://127.0.0.1:{port}", []
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = browser.new_context(base_url=base, viewport={"width": 1280, "height": 900})
        context.add_cookies([{"name": "desk", "value": key, "url": base}])
        page = context.new_page()
        page.goto(path)
        page.check("[name=panel][value=preview]")
        page.click(".ProseMirror > .blk:nth-child(2) p.prose")
        for number in range(1, times + 4):
            page.keyboard.type("a")
            page.wait_for_selector(f".glass[data-drawn='{number}']")
            if number > 3:  # The first ones warm up the browser.
                found.append(float(page.eval_on_selector(".glass", "glass => glass.dataset.took")))
            page.wait_for_timeout(120)
        browser.close()
    return found


def chromium() -> str:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        raise SystemExit("There is no Chromium. Install it (apt install chromium), or say where it is: CHROMIUM=/path")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
