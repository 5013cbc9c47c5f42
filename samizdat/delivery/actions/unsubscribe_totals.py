"""Who unsubscribed by which email: sums of a campaign, its versions, the routes and the mailbox providers. Nobody's
unsubscribe is kept by it: what is sealed in their consent records alone tells by which email it was."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import F

from samizdat.accounts.models import Organization
from samizdat.audience import queries as audience
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import List, Subscriber, row_id
from samizdat.campaigns.ab_test import count_leaving
from samizdat.campaigns.models import Edition
from samizdat.core.mail.ledger import State
from samizdat.delivery import sql
from samizdat.delivery.models import ProviderTotal, RouteTotal

# (edition, number of a subscriber) -> by how many the sums of its unsubscribes change.
type Moved = Counter[tuple[int, int]]
# Changes what a subscriber has on some lists or purposes; those that were changed.
type Changes[T] = Callable[[Subscriber], Sequence[T]]


def counted[T](
    subscriber: Subscriber, lists: Iterable[List], change: Changes[T], moved: Moved, now: datetime
) -> Sequence[T]:
    """Does the change of what they have on these lists; what it makes of the emails they unsubscribed by goes into
    `moved`. Their consent records alone tell it, so what is done twice is counted once."""
    lists = [*lists]
    before = audience.letters_left_by(subscriber, lists, now)
    if changed := change(subscriber):
        after = audience.letters_left_by(subscriber, lists, now)
        moved.update((int(letter), subscriber.number) for _list, letter in after - before)
        moved.subtract((int(letter), subscriber.number) for _list, letter in before - after)
    return changed


def add_unsubscribes(organization: Organization, moved: Mapping[tuple[int, int], int]) -> None:
    """Adds to all these sums, and takes from them for those who took it back. Of a route and provider that have a sum:
    nobody is kept from unsubscribing since their delivery names another one. Last in its transaction, after the rows of
    the campaigns, as senders take them."""
    count_leaving(organization, moved)
    by_edition = defaultdict[int, Counter[int]](Counter)
    for (edition, number), many in moved.items():
        by_edition[edition][number] += many
    here = Edition.objects.filter(organization=organization, pk__in=by_edition).order_by("pk")
    for edition in here.values_list("pk", flat=True):
        people = by_edition[edition]
        by_row = audience_sql.providers([row_id(organization.pk, number) for number in people])
        providers = {number: by_row.get(row_id(organization.pk, number)) for number in people}
        for route, many in _summed(sql.routes_of(edition, [*people]), people):
            RouteTotal.objects.filter(edition=edition, route=route).update(unsubscribed=F("unsubscribed") + many)
        for provider, many in _summed(providers, people):
            rows = ProviderTotal.objects.filter(edition=edition, provider=provider, state=State.ACCEPTED)
            rows.update(unsubscribed=F("unsubscribed") + many)


def _summed(groups: Mapping[int, int] | Mapping[int, int | None], people: Mapping[int, int]) -> list[tuple[int, int]]:
    """(group, by how many), of those that change, in their order."""
    sums = Counter[int]()
    for number, many in people.items():
        if (group := groups.get(number)) is not None:
            sums[group] += many
    return sorted((group, many) for group, many in sums.items() if many)
