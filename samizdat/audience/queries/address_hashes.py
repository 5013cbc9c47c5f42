"""The subscriber whose address has a given MD5, as Mailchimp's clients name members.

Whoever guesses addresses finds them by their plain hashes, so none is kept: the list is walked, and each address opened
and hashed. 100,000 take about 0.7 s of a core.
"""

import hashlib
from collections.abc import Iterable, Iterator

from samizdat.accounts.models import Organization
from samizdat.audience import sealed_subscribers
from samizdat.audience.models import NUMBER_MASK, PENDING, STATUSES, List, Subscription
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.vault import keyring

# Rows of one query.
LOOK = 2_000


def md5_of(address: str) -> str:
    """Of a normalized address in lower case, in hex."""
    return hashlib.md5(addresses.comparable(address).encode(), usedforsecurity=False).hexdigest()


def md5s_of(address: str) -> set[str]:
    """With that of its domain in letters, where it is written in others than Latin ones."""
    local, _at, host = address.rpartition("@")
    if "xn--" not in host:
        return {md5_of(address)}
    labels = [_in_letters(label) for label in host.split(".")]
    return {md5_of(address), md5_of(f"{local}@{'.'.join(labels)}")}


def _in_letters(label: str) -> str:
    try:
        return label[4:].encode().decode("punycode") if label.startswith("xn--") else label
    except UnicodeError:
        return label


def number_with_md5(organization: Organization, list: List, digest: str) -> tuple[int | None, int]:
    """(Number of the subscriber, how many were looked at), of those on the list; who hasn't confirmed isn't. digest: in
    lower-case hex."""
    opened = sealed_subscribers.opener(keyring.keys(organization)).open
    looked = 0
    for id, blob in _rows(list):
        looked += 1
        number = id & NUMBER_MASK
        try:
            address = seal.unpack(opened(blob, number))[seal.ADDRESS]
        except (seal.SealError, KeyError):
            continue  # A damaged row stops nobody else's look-up.
        if digest in md5s_of(address):
            return number, looked
    return None, looked


def _rows(list: List) -> Iterator[tuple[int, bytes]]:
    """The newest first: they are asked for soon after they came."""
    for status in _walked():
        below = None
        while True:
            rows = Subscription.objects.filter(list=list, status=status)
            rows = rows if below is None else rows.filter(subscriber__lt=below)
            page = [*rows.order_by("-subscriber_id").values_list("subscriber_id", "subscriber__sealed")[:LOOK]]
            yield from ((id, bytes(blob)) for id, blob in page)
            if len(page) < LOOK:
                break
            below = page[-1][0]


def _walked() -> Iterable[int]:
    return (status for status in range(len(STATUSES)) if status != PENDING)
