"""Makes the demo's organization: list, people, routes and three letters, each at another point of its life."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samizdat.accounts import public_site
from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization
from samizdat.audience.actions import direct, new_list
from samizdat.audience.list_details import ListDetails
from samizdat.campaigns.actions import create
from samizdat.cli import bootstrap
from samizdat.cli.demo import letters
from samizdat.cli.demo.export import EXAMPLE, make_mailchimp_export
from samizdat.cli.demo.parameters import ADMIN, PASSWORD, PEOPLE, PUBLIC, SLOW, SMTP
from samizdat.cli.instance import make_house
from samizdat.delivery.actions import add_route, change_route, release
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Route
from samizdat.delivery.queries import route_named

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.audience.models import List
    from samizdat.campaigns.drafts.draft import Draft
    from samizdat.campaigns.models import Campaign
    from samizdat.delivery.models import Route

LIST = "The Thursday Letter"
ROUTE = "catcher"


def build(port: int, language: str) -> None:
    """Everything up to the letter under way, which the sender of `serve` takes up."""
    organization = _found(port, language)
    list_ = _bring_in(organization)
    url = f"smtp+plain://127.0.0.1:{port + SMTP}"
    route = add_route(organization, ROUTE, url, now=bootstrap.now(), rate=None, connections=8)
    first = _write(organization, list_, letters.FINISHED)
    release(first, now=bootstrap.now())
    run_campaign(first.id, 60)
    set_rate(route, SLOW)
    release(_write(organization, list_, letters.UNDER_WAY), now=bootstrap.now())
    _write(organization, list_, letters.DRAFT)


def meet_again(port: int) -> None:
    """A demo that was stopped: the same organization, with the ports of today."""
    bootstrap.open_house()
    organization = Organization.objects.get()
    route = route_named(organization, ROUTE)
    assert route is not None
    change_route(route, url=f"smtp+plain://127.0.0.1:{port + SMTP}", now=bootstrap.now(), by=None)
    _at_ports(organization, port)


def set_rate(route: "Route", rate: float | None) -> None:
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


def _at_ports(organization: "Organization", port: int) -> None:
    desk, public = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + PUBLIC}"
    if (organization.desk_url, organization.public_url) != (desk, public):
        change_settings(organization, by=None, now=bootstrap.now(), desk_url=desk, public_url=public)
        public_site.publish(organization)


def _bring_in(organization: "Organization") -> "List":
    """The same way as everybody's: a zip that looks like Mailchimp's, through the import."""
    list_ = new_list(organization, LIST, now=bootstrap.now(), details=ListDetails(reminder=letters.REMINDER))
    with tempfile.TemporaryDirectory(prefix="samizdat-demo-export-") as folder:
        export = Path(folder) / "members_export_5a1ad47a7e.zip"
        make_mailchimp_export(export, PEOPLE, domains=EXAMPLE)
        direct(organization, list_, [export], now=bootstrap.now)
    return list_


def _write(organization: "Organization", list_: "List", draft: "Draft") -> "Campaign":
    return create(organization, list_, draft, by=None, now=bootstrap.now(), language="en")
