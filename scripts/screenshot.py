"""Makes docs/report.png, the picture in the README: the report of a letter that is going out over two routes.

    .venv/bin/python scripts/screenshot.py

Makes an invented house in a folder of its own, writes an hour of an invented send into its totals, and looks at the
report with Chromium at 1280 x 960. Nothing is sent. CHROMIUM says where the browser is, if it is not in the path.
"""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
PICTURE = HERE / "docs" / "report.png"
WIDTH, HEIGHT, LARGEST = 1280, 960, 200_000

FROZEN = 17_938
# Accepted in each minute: the relay for a quarter of an hour, then it drops us and our own server goes on.
RELAY = (388, 517, 529, 524, 531, 518, 526, 533, 521, 528, 519, 530, 525, 522, 186)
OWN = (212, 354, 361, 358, 349, 363, 357, 352, 360, 355, 359)
REFUSED, SUPPRESSED, DEFERRED = {"relay": 41, "own": 18}, 3, 214
# Parts in a thousand of what has an answer.
PROVIDERS = {"gmail": 412, "mailru": 171, "yandex": 148, "outlook": 63, "proton": 41, "icloud": 22}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="samizdat-picture-") as folder:
        os.environ.pop("DATABASE_URL", None)
        os.environ["SAMIZDAT_DATA"] = str(Path(folder) / "data")
        person, address = furnish()
        with desk() as base:
            look(base, person, address)
    size = PICTURE.stat().st_size
    print(f"{PICTURE.relative_to(HERE)}: {size:,} bytes")
    return int(size > LARGEST)


# -- an invented send ----------------------------------------


def furnish() -> tuple[Any, str]:
    """The house and its letter; (who looks, address of the report)."""
    from samizdat.cli.instance import make_house

    organization = make_house(
        "Northern Lantern",
        "vera@northern-lantern.example",
        "a lamp in the north",
        language="en",
        timezone="Europe/Riga",
        public_url="https://news.northern-lantern.example",
        postal_address="12 Lighthouse Street, Riga",
    )
    from django.utils import timezone

    from samizdat.accounts.models import Person

    begun = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=len(RELAY) + len(OWN) - 1)
    campaign = released(organization, begun)
    write_totals(campaign, begun)
    return Person.objects.get(), f"/o/{organization.slug}/campaigns/{campaign.pk}/report"


def released(organization: Any, begun: datetime) -> Any:
    from samizdat.audience.actions import add_subscriber, new_list
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft
    from samizdat.delivery.actions import add_route, release

    list_ = new_list(organization, "The Thursday Letter", now=begun)
    add_subscriber(organization, "ada@post.example", list_, consent="Signed at the book fair.", now=begun, by=None)
    for name, priority in (("harbour-relay", 1), ("own-server", 2)):
        url = f"smtp://lantern@{name}.northern-lantern.example:587"
        add_route(organization, name, url, priority=priority, now=begun, password="invented")
    draft = Draft(
        subject="Nine hours in room 214",
        from_name="Northern Lantern",
        from_email="letter@northern-lantern.example",
        body="Dear {{ FNAME | default: 'reader' }},\n\nthe hearing began at ten.\n",
    )
    return release(create(organization, list_, draft, by=None, now=begun), now=begun)


def write_totals(campaign: Any, begun: datetime) -> None:
    """What the sender would have written down, so that every sum on the page is one."""
    from samizdat.campaigns.models import Campaign, Edition
    from samizdat.core.mail.outcome import RouteVerdict
    from samizdat.delivery.actions import condemn
    from samizdat.delivery.models import MinuteTotal, RouteTotal

    edition = Edition.objects.get(campaign=campaign)
    relay, own = campaign.organization.routes.order_by("priority")
    for route, minutes, first in ((relay, RELAY, 0), (own, OWN, len(RELAY))):
        refused = REFUSED["relay" if route == relay else "own"]
        RouteTotal.objects.create(edition=edition, route=route, accepted=sum(minutes), refused=refused)
        for at, accepted in enumerate(minutes, first):
            MinuteTotal.objects.create(
                edition=edition, route=route, minute=begun + timedelta(minutes=at), accepted=accepted
            )
    books = {
        "accepted": sum(RELAY) + sum(OWN),
        "refused": sum(REFUSED.values()),
        "suppressed": SUPPRESSED,
        "deferred": DEFERRED,
    }
    write_providers(edition, books)
    books["pending"] = FROZEN - sum(books.values())
    Campaign.objects.filter(pk=campaign.pk).update(frozen=FROZEN, **books)
    dropped = begun + timedelta(minutes=len(RELAY))
    condemn(relay.pk, RouteVerdict("dead", "suspended", {"answer": "550 5.7.1 account suspended"}), dropped)


def write_providers(edition: Any, books: dict[str, int]) -> None:
    from samizdat.core.mail.address import PROVIDERS as ALL
    from samizdat.core.mail.ledger import STATES
    from samizdat.delivery.models import ProviderTotal

    for name, number in books.items():
        parts = {provider: number * share // 1000 for provider, share in PROVIDERS.items()}
        parts["other"] = number - sum(parts.values())
        for provider, count in parts.items():
            place = ALL.index(provider)
            ProviderTotal.objects.create(edition=edition, provider=place, state=STATES.index(name), count=count)


# -- looking at it ----------------------------------------


@contextmanager
def desk() -> Iterator[str]:
    """The desk as `serve` runs it, without anything beside it that could send."""
    import uvicorn

    from samizdat.web.asgi import UVICORN, application

    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=0, log_level="error", **UVICORN))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def look(base: str, person: Any, address: str) -> None:
    from django.test import Client
    from playwright.sync_api import sync_playwright

    client = Client()
    client.force_login(person, "samizdat.accounts.backend.BlindIndexBackend")
    where = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=where, args=["--no-sandbox", "--disable-gpu"])
        size: Any = {"width": WIDTH, "height": HEIGHT}
        context = browser.new_context(base_url=base, viewport=size, color_scheme="light", locale="en-GB")
        context.add_cookies([{"name": "desk", "value": client.cookies["desk"].value, "url": base}])
        page = context.new_page()
        page.goto(address)
        page.evaluate("document.fonts.ready")
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
