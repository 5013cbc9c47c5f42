"""Bounces that are fetched from a provider, where no webhook can reach us."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from samizdat.delivery.actions import change_route, route_webhooks
from samizdat.delivery.errors import RouteRefused
from samizdat.delivery.models import Delivery, Route, RouteWebhook
from samizdat.incoming import listed_bounces
from samizdat.incoming.models import MailReport, SeenWebhook
from tests.delivery.conftest import House
from tests.http_server import POSTMARK, Reply, ScriptedApi
from tests.incoming.conftest import Incoming, now


class Listing:
    """A provider whose list of bounces is asked for, by the route that sent."""

    def __init__(self, house: House, api: ScriptedApi) -> None:
        self.house, self.api = house, api
        self.route = Route.objects.get()

    def set_up(self) -> None:
        change_route(self.route, url=f"postmark-api://key@broadcast?endpoint={self.api.endpoint}", now=now())
        route_webhooks.set_webhook(self.route, "postmark", fetches=True, now=now())

    def has(self, *entries: dict[str, Any]) -> None:
        self.api.states = [Reply(200, {"TotalCount": len(entries), "Bounces": entries})]

    def fetch(self, later: timedelta = timedelta()) -> int:
        return listed_bounces.fetch_due(self.house.organization.pk, now() + later)

    @property
    def state(self) -> Any:
        view = route_webhooks.webhook_of(self.route)
        assert view is not None
        return view.state


@pytest.fixture
def listing(house: House, incoming: Incoming) -> Iterator[Listing]:
    with ScriptedApi(dialect=POSTMARK) as api:
        yield Listing(house, api)


def bounced(address: str, number: int = 1, ago: timedelta = timedelta(), **more: Any) -> dict[str, Any]:
    when = (now() - ago).isoformat()
    entry = {
        "ID": number,
        "Type": "HardBounce",
        "Email": address,
        "BouncedAt": when,
        "Details": "550 5.1.1 No such user",
    }
    return entry | more


def test_who_bounced_at_the_provider_is_not_written_to_in_the_next_campaign(
    house: House, incoming: Incoming, listing: Listing
) -> None:
    readers = house.people(3)
    incoming.send()
    listing.set_up()
    listing.has(bounced(readers[0]), bounced(readers[1], 2, Type="SpamComplaint"))
    assert listing.fetch() == 1
    assert incoming.suppressed() == {f"bounce {readers[0]}", f"complaint {readers[1]}"}
    assert (listing.state.events, listing.state.unmatched, listing.state.refusal) == (2, 0, "")


def test_what_is_listed_again_counts_once(house: House, incoming: Incoming, listing: Listing) -> None:
    [ada] = house.people(1)
    incoming.send()
    listing.set_up()
    listing.has(bounced(ada, Type="SoftBounce"), bounced("stranger@elsewhere.example", 2))
    for round_ in range(3):
        assert listing.fetch(listed_bounces.EVERY * round_) == 1
    assert MailReport.objects.count() == SeenWebhook.objects.count() == 1
    assert (listing.state.events, listing.state.unmatched) == (2, 1)


@pytest.mark.parametrize(
    ("more", "reports"),
    [({"ID": 77}, 1), ({"ID": 77, "Details": "550 Said otherwise"}, 1), ({"ID": 77, "Type": "SpamComplaint"}, 2)],
)
def test_an_event_under_another_number_is_the_same_unless_it_is_of_another_kind(
    house: House, incoming: Incoming, listing: Listing, more: dict[str, Any], reports: int
) -> None:
    """A webhook numbers it in its own way."""
    [ada] = house.people(1)
    incoming.send()
    listing.set_up()
    entry = bounced(ada)
    listing.has(entry, entry | more)
    listing.fetch()
    listing.has(entry | more)
    listing.fetch(listed_bounces.EVERY)
    assert MailReport.objects.count() == reports


def test_a_provider_is_asked_every_ten_minutes_and_once_by_all_processes(house: House, listing: Listing) -> None:
    listing.set_up()
    listing.has()
    assert [listing.fetch(), listing.fetch(), listing.fetch(listed_bounces.EVERY)] == [1, 0, 1]
    [row] = route_webhooks.fetching()
    state = row.state_sealed
    later = now() + 2 * listed_bounces.EVERY
    assert route_webhooks.claim(row, later, listed_bounces.EVERY) is not None
    assert route_webhooks.claim(row, later, listed_bounces.EVERY) is None
    assert state != RouteWebhook.objects.get().state_sealed


def test_after_a_pause_it_goes_on_where_it_ended(house: House, incoming: Incoming, listing: Listing) -> None:
    [ada] = house.people(1)
    incoming.send()
    listing.set_up()
    listing.has()
    listing.fetch()
    listing.api.states = [Reply(503, b"")]
    listing.fetch(timedelta(hours=5))
    begins = listing.api.asked[-1]
    assert listing.state.refusal == "list_failed"
    route_webhooks.set_webhook(listing.route, "postmark", now=now())
    listing.has(bounced(ada))
    listing.fetch(timedelta(days=1))
    assert listing.api.asked[-1] == begins
    assert incoming.suppressed() == {f"bounce {ada}"} and not listing.state.refusal


def test_a_key_that_may_not_read_bounces_is_said_with_what_to_do(house: House, listing: Listing) -> None:
    listing.set_up()
    listing.api.states = [Reply(401, {"ErrorCode": 10, "Message": "No Account or Server API tokens were supplied"})]
    assert listing.fetch() == 1
    assert (listing.state.refusal, listing.state.listed, listing.state.heard) == ("not_listed", None, None)


def test_an_answer_of_another_shape_changes_nothing_and_is_asked_for_again(
    house: House, incoming: Incoming, listing: Listing
) -> None:
    [ada] = house.people(1)
    incoming.send()
    listing.set_up()
    listing.api.states = [Reply(200, {"Bounces": "soon"})]
    listing.fetch()
    assert (listing.state.refusal, listing.state.listed) == ("other_shape", None)
    listing.has(bounced(ada))
    listing.fetch(listed_bounces.EVERY)
    assert incoming.suppressed() == {f"bounce {ada}"} and listing.state.listed


def test_what_was_listed_before_the_last_time_is_not_taken_in(
    house: House, incoming: Incoming, listing: Listing
) -> None:
    [ada] = house.people(1)
    incoming.send()
    Delivery.objects.update(day=now().date() - timedelta(days=5))
    listing.set_up()
    listing.has(bounced(ada, ago=timedelta(days=3)))
    listing.fetch()
    assert incoming.suppressed() == set() and listing.state.events == 0


def test_no_copied_installation_and_no_removed_route_asks(house: House, listing: Listing) -> None:
    listing.set_up()
    assert listed_bounces.organizations(now()) == {house.organization.pk}
    house.organization.sending_locked = True
    house.organization.save(update_fields=["sending_locked"])
    assert listed_bounces.organizations(now()) == set()


def test_a_route_that_no_list_can_be_asked_for_is_refused(house: House, listing: Listing) -> None:
    for provider in ("postmark", "amazon_ses"):
        with pytest.raises(RouteRefused, match="web interface of: Brevo, Mailgun, Postmark, SendGrid"):
            route_webhooks.set_webhook(listing.route, provider, fetches=True, now=now())
    assert not RouteWebhook.objects.exists()


def test_nothing_of_a_list_stands_in_plain_in_the_database(house: House, incoming: Incoming, listing: Listing) -> None:
    [ada] = house.people(1)
    incoming.send()
    listing.set_up()
    listing.has(bounced(ada))
    listing.fetch()
    row = RouteWebhook.objects.values().get()
    assert ada not in json.dumps(row, default=lambda value: bytes(value).decode("latin-1"))
