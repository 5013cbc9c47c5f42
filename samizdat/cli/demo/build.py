"""Makes the demo's organisation: list, people, routes and three letters, each at another point of its life."""

import tempfile
from pathlib import Path
from typing import Any

from samizdat.cli import opening
from samizdat.cli.demo import ADMIN, PASSWORD, PEOPLE, PUBLIC, SLOW, SMTP, letters
from samizdat.cli.house import make_house

LIST = "The Thursday Letter"
ROUTE = "catcher"


def build(port: int, language: str) -> None:
    """Everything up to the letter under way, which the sender of `serve` takes up."""
    from samizdat.delivery.actions import add_route, release
    from samizdat.delivery.engine import run_campaign

    organisation = _found(port, language)
    list_ = _bring_in(organisation)
    url = f"smtp+plain://127.0.0.1:{port + SMTP}"
    route = add_route(organisation, ROUTE, url, now=opening.now(), rate=None, connections=8)
    first = _write(organisation, list_, letters.FINISHED)
    release(first, now=opening.now())
    run_campaign(first.id, 60)
    set_rate(route, SLOW)
    release(_write(organisation, list_, letters.UNDER_WAY), now=opening.now())
    _write(organisation, list_, letters.DRAFT)


def meet_again(port: int) -> None:
    """A demo that was stopped: the same organisation, with the ports of today."""
    opening.open_house()
    from samizdat.accounts.models import Organisation
    from samizdat.delivery.actions import change_route
    from samizdat.delivery.queries import route_named

    organisation = Organisation.objects.get()
    route = route_named(organisation, ROUTE)
    assert route is not None
    change_route(route, url=f"smtp+plain://127.0.0.1:{port + SMTP}", now=opening.now(), by=None)
    _at_ports(organisation, port)


def set_rate(route: Any, rate: float | None) -> None:
    from samizdat.delivery.models import Route

    Route.objects.filter(pk=route.pk).update(rate=rate)


def _found(port: int, language: str) -> Any:
    base = f"http://127.0.0.1:{port + PUBLIC}"
    return make_house(
        "Northern Lantern",
        ADMIN,
        PASSWORD,
        language=language,
        timezone="Europe/Riga",
        public_url=base,
        desk_url=f"http://127.0.0.1:{port}",
        postal_address="12 Lighthouse Street, Riga",
        return_address="bounces@northern-lantern.example",
    )


def _at_ports(organisation: Any, port: int) -> None:
    from samizdat.accounts import place
    from samizdat.accounts.actions import change_settings

    desk, public = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + PUBLIC}"
    if (organisation.desk_url, organisation.public_url) != (desk, public):
        change_settings(organisation, by=None, now=opening.now(), desk_url=desk, public_url=public)
        place.publish(organisation)


def _bring_in(organisation: Any) -> Any:
    """The same way as everybody's: a zip that looks like Mailchimp's, through the import."""
    from samizdat.audience.actions import direct, new_list
    from samizdat.cli.demo.export import EXAMPLE, make_mailchimp_export

    list_ = new_list(organisation, LIST, now=opening.now(), details={"reminder": letters.REMINDER})
    with tempfile.TemporaryDirectory(prefix="samizdat-demo-export-") as folder:
        export = Path(folder) / "members_export_5a1ad47a7e.zip"
        make_mailchimp_export(export, PEOPLE, domains=EXAMPLE)
        direct(organisation, list_, [export], now=opening.now)
    return list_


def _write(organisation: Any, list_: Any, draft: Any) -> Any:
    from samizdat.campaigns.actions import create

    return create(organisation, list_, draft, by=None, now=opening.now(), language="en")
