"""The last message that a route handed to a subscriber: what a provider's event is about that gives back nothing of
ours but an address. A delivery of such events may name thousands, so what they need is read at once."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from samizdat.accounts.models import Organization
from samizdat.audience.queries import SealedSubscriber, address_of, numbers_at, subscribers_numbered
from samizdat.campaigns.models import Edition, large_of_edition
from samizdat.core.mail.address import BadAddress, comparable, normalize
from samizdat.core.mail.ledger import State
from samizdat.delivery.models import Delivery
from samizdat.incoming.identity import SentMessage, list_of, oldest


class LastSent:
    """recipients: addresses as providers write them, at most 500."""

    def __init__(self, organization: Organization, route: int, recipients: Iterable[str], now: datetime) -> None:
        self._oldest, self._latest = oldest(now), now.astimezone(UTC).date() + timedelta(days=1)
        self._subscribers = _by_address(organization, recipients)
        self._days: dict[int, list[tuple[date, int]]] = defaultdict(list)
        since = datetime.combine(self._oldest - timedelta(days=1), time(), UTC)
        editions = Edition.objects.filter(organization=organization, created__gte=since).defer(*large_of_edition())
        self._editions = {row.pk: row for row in editions.select_related("organization")} if self._subscribers else {}
        self._lists: dict[int, int | None] = {}
        numbers = [subscriber.number for subscriber in self._subscribers.values()]
        rows = Delivery.objects.filter(edition__in=[*self._editions], number__in=numbers, route=route)
        for number, day, edition in rows.filter(state=State.ACCEPTED).values_list("number", "day", "edition_id"):
            self._days[number].append((day, edition))

    def knows(self, recipient: str) -> bool:
        """Whether it is the address of a subscriber."""
        return _comparable(recipient) in self._subscribers

    def message(self, recipient: str, moment: str) -> SentMessage | None:
        """moment: when it happened, in ISO 8601; a message that left on a later day isn't meant. None without it,
        where it happened longer ago than identity.STALE, and where nothing was sent to them."""
        subscriber = self._subscribers.get(_comparable(recipient))
        if subscriber is None or not moment:
            return None
        day = datetime.fromisoformat(moment).astimezone(UTC).date()
        if not self._oldest <= day <= self._latest:
            return None
        _day, number = max((sent for sent in self._days[subscriber.number] if sent[0] <= day), default=(None, None))
        if number is None or (list_ := self._list(number)) is None:
            return None
        return SentMessage(self._editions[number], list_, subscriber)

    def _list(self, edition: int) -> int | None:
        if edition not in self._lists:
            self._lists[edition] = list_of(self._editions[edition])
        return self._lists[edition]


def _by_address(organization: Organization, recipients: Iterable[str]) -> dict[str, SealedSubscriber]:
    wanted = {address for address in map(_comparable, recipients) if address}
    known = subscribers_numbered(organization, numbers_at(organization, wanted)) if wanted else {}
    return {comparable(address_of(subscriber)): subscriber for subscriber in known.values()}


def _comparable(address: str) -> str:
    """Empty where it is none."""
    try:
        return comparable(normalize(address))
    except BadAddress:
        return ""
