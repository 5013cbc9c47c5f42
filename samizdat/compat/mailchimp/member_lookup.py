"""Which subscriber a path names: by the MD5 of their address, their address, or their contact_id."""

import re

from samizdat.api.keys import spend
from samizdat.api.reading import note_reading
from samizdat.audience.queries.address_hashes import md5s_of, number_with_md5
from samizdat.audience.queries.subscriber_records import SubscriberRecord, number_at, records
from samizdat.compat.mailchimp.calls import MailchimpCall
from samizdat.core.mail.address import BadAddress, normalize

MD5 = re.compile(r"[0-9a-fA-F]{32}")
# A contact_id is a number of at most 40 bits with noughts before it.
CONTACT = "0" * 22
# So many rows that are looked through count as one request more.
A_REQUEST = 50_000


def record_named(call: MailchimpCall, name: str, address: str = "") -> SubscriberRecord | None:
    """Of somebody on the list; who hasn't confirmed is nobody yet. address: that the body gives, which spares looking
    through the list where it is the one that is named."""
    number = _number(call, name, address)
    return None if number is None else record_numbered(call, number)


def record_numbered(call: MailchimpCall, number: int) -> SubscriberRecord | None:
    here = records(call.organization, [number], [call.list_.pk])
    here = [record for record in here if record.lists]
    if not here or here[0].lists[0].status == "pending":
        return None
    if call.reads:
        note_reading(call.key)
    return here[0]


def record_at(call: MailchimpCall, address: str) -> SubscriberRecord | None:
    """Errors: BadAddress."""
    number = number_at(call.organization, address)
    return None if number is None else record_numbered(call, number)


def _number(call: MailchimpCall, name: str, address: str) -> int | None:
    if "@" in name:
        try:
            return number_at(call.organization, name)
        except BadAddress:
            return None
    if not MD5.fullmatch(name):
        return None
    if name.startswith(CONTACT):
        return int(name, 16)
    if address and is_hash_of(name, address):
        return number_at(call.organization, address)
    number, looked = number_with_md5(call.organization, call.list_, name.lower())
    spend(call.key, looked / A_REQUEST)
    return number


def is_hash_of(name: str, address: str) -> bool:
    """Whether a path names this address; one that we write otherwise than its owner counts as well."""
    try:
        return name.lower() in md5s_of(normalize(address))
    except BadAddress:
        return False
