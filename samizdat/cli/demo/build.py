"""Makes the demo's organization: list, people, routes, domain, a year of campaigns, one under way, a draft."""

from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from samizdat.accounts import public_site
from samizdat.accounts.actions import change_settings
from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.models import Organization
from samizdat.audience.actions import add_segment, give_form, new_list, put_wording
from samizdat.audience.list_details import ListDetails
from samizdat.audience.segments import portable_json
from samizdat.campaigns.actions import create
from samizdat.campaigns.media import library
from samizdat.campaigns.models import Campaign
from samizdat.cli import bootstrap
from samizdat.cli.demo import history, letters, pictures, replies
from samizdat.cli.demo.catcher import Caught, MailCatcher
from samizdat.cli.demo.parameters import ADMIN, PASSWORD, PUBLIC, SECOND_SMTP, SLOW, SMTP, SUSPENDED_AFTER
from samizdat.cli.instance import make_house
from samizdat.delivery.actions import add_route, change_route, release
from samizdat.delivery.actions.default_senders import set_for_organization
from samizdat.delivery.actions.domains import activate_published, add_domain, say_published
from samizdat.delivery.models import Route, RouteTotal
from samizdat.delivery.queries import route_named

if TYPE_CHECKING:
    from samizdat.audience.models import List
    from samizdat.campaigns.drafts.draft import Draft

LIST = "The Thursday Letter"
# Name -> its port beside the app's: the first is used until it fails, then the second.
ROUTES = {"harbor-relay": SMTP, "lighthouse-mail": SECOND_SMTP}
SEGMENTS = {
    "Russian speakers": '{"language": "ru"}',
    "Newcomers of three months": '{"joined": {"op": "last", "days": 90}}',
    "Monthly donors outside Gmail": '{"all": [{"tag": "monthly"}, {"not": {"provider": "gmail"}}]}',
}


def catchers(port: int, caught: Caught) -> list[MailCatcher]:
    """A server for each of ROUTES."""
    return [MailCatcher(port + more, caught) for more in ROUTES.values()]


def build(port: int, language: str, providers: list[MailCatcher]) -> None:
    """Everything up to the campaign under way, which the sender of `serve` takes up. providers: started."""
    now, caught = bootstrap.now(), providers[0].caught
    caught.keeps = False
    with history.another_time(history.first_day(now)):
        organization = _organization(port, language)
        list_ = _list(organization)
        history.import_first(organization, list_)
        _add_routes(organization, port)
        _add_segments(organization)
        _live_a_year(organization, list_, providers, [*history.thursdays(now), now])
    _begin(organization, list_, providers)
    image = _picture(organization, "Parcel", pictures.parcel())
    _write(organization, list_, letters.draft(image))


def _live_a_year(
    organization: "Organization", list_: "List", providers: list[MailCatcher], days: list[datetime]
) -> None:
    """days: when each campaign was sent, and until when the year goes on."""
    for number, (day, until) in enumerate(pairwise(days)):
        history.put_to(day)
        for provider in providers:
            provider.month = number
        if number < len(letters.YEAR):
            campaign = _write(organization, list_, letters.of_the_year(number))
        else:
            # The inbox shows what came last, signed and with pictures.
            providers[0].caught.keeps = providers[0].loses = True
            _add_domain(organization)
            image = _picture(organization, "Lighthouse", pictures.lighthouse())
            campaign = _write(organization, list_, letters.finished(image))
        history.send(campaign)
        history.live_between(organization, list_, campaign, number, until)
    replies.come_in(organization, campaign, bootstrap.now())


def _begin(organization: "Organization", list_: "List", providers: list[MailCatcher]) -> None:
    first, *_others = providers
    for provider in providers:
        provider.loses, provider.month = True, history.CAMPAIGNS
    first.accepts = SUSPENDED_AFTER
    set_rate(organization, SLOW)
    image = _picture(organization, "Window", pictures.window())
    release(_write(organization, list_, letters.under_way(image)), now=bootstrap.now(), unsure="hold")


def meet_again(port: int, providers: list[MailCatcher]) -> None:
    """A demo that was stopped: the same organization, with the ports of today. The first provider has unlocked the
    account by now, unless it was not suspended yet."""
    bootstrap.open_house()
    organization = Organization.objects.get()
    for (name, more), provider in zip(ROUTES.items(), providers, strict=True):
        provider.loses, provider.month = True, history.CAMPAIGNS
        route = route_named(organization, name)
        if route is not None:
            change_route(route, url=_url(port + more), now=bootstrap.now(), by=None)
    providers[0].accepts = _accepts(organization)
    _at_ports(organization, port)


def _accepts(organization: "Organization") -> int | None:
    sending = Campaign.objects.filter(organization=organization, state__in=("sending", "paused")).first()
    route = route_named(organization, next(iter(ROUTES)))
    if sending is None or route is None or route.state != "live":
        return None
    sent = RouteTotal.objects.filter(edition=sending.edition.pk, route=route).first()
    return max(1, SUSPENDED_AFTER - (sent.accepted if sent else 0))


def set_rate(organization: "Organization", rate: float | None) -> None:
    Route.objects.filter(organization=organization).update(rate=rate)


def _organization(port: int, language: str) -> Any:
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


def _list(organization: "Organization") -> "List":
    now = bootstrap.now()
    list_ = new_list(organization, LIST, now=now, details=ListDetails(reminder=letters.REMINDER))
    put_wording(list_, letters.CONSENT, language="en", now=now)
    give_form(list_, "thursday", now=now)
    set_for_organization(organization, DefaultSender(letters.SENDER, letters.ADDRESS), now=now)
    return list_


def _add_routes(organization: "Organization", port: int) -> None:
    for priority, (name, more) in enumerate(ROUTES.items(), 1):
        url, now = _url(port + more), bootstrap.now()
        add_route(organization, name, url, now=now, priority=priority * 10, rate=None, connections=8)


def _url(port: int) -> str:
    return f"smtp+plain://127.0.0.1:{port}"


def _add_domain(organization: "Organization") -> None:
    """Its keys sign. Nobody can look its records up, as it is a domain of nobody."""
    now = bootstrap.now()
    domain = add_domain(organization, letters.ADDRESS.rpartition("@")[2], now=now)
    for key in domain.keys.all():
        say_published(key, now=now)
    activate_published(domain, now=now)


def _add_segments(organization: "Organization") -> None:
    for name, condition in SEGMENTS.items():
        add_segment(organization, name, portable_json.read(organization, condition), now=bootstrap.now())


def _picture(organization: "Organization", name: str, data: bytes) -> str:
    """Its name in Media."""
    now = bootstrap.now()
    picture = library.take_in(organization, data, now, name=name)
    return picture.slug


def _write(organization: "Organization", list_: "List", draft: "Draft") -> "Campaign":
    return create(organization, list_, draft, by=None, now=bootstrap.now(), language="en")
