"""A subscriber as Mailchimp describes a member of a list."""

from collections.abc import Iterable, Mapping
from typing import Any

from samizdat.audience import queries
from samizdat.audience.queries.address_hashes import md5_of
from samizdat.audience.queries.subscriber_records import SubscriberRecord
from samizdat.compat.mailchimp.calls import MailchimpCall, list_hex
from samizdat.compat.mailchimp.interest_tags import interests_among

# Our status -> Mailchimp's; the other way for filters. Who bought and never agreed is called transactional there.
STATUSES = {
    "subscribed": "subscribed",
    "unsubscribed": "unsubscribed",
    "cleaned": "cleaned",
    "pending": "pending",
    "nonsubscribed": "transactional",
}
OURS = {theirs: ours for ours, theirs in STATUSES.items()}


class MemberWriter:
    """Writes many: what all of them need is read once, and tags again when one is new."""

    def __init__(self, call: MailchimpCall) -> None:
        self._call = call
        self._fields = [view.tag for view in queries.fields(call.organization)]
        self._read_tags()

    def _read_tags(self) -> None:
        tags = queries.tags(self._call.organization)
        self.tag_ids = {name: number for number, name in tags}
        self._interests = interests_among(tags)

    def document(self, record: SubscriberRecord) -> dict[str, Any]:
        """Errors: StopIteration for one who isn't on the list."""
        if not self.tag_ids.keys() >= set(record.tags):
            self._read_tags()
        place = next(each for each in record.lists if each.list_id == self._call.list_.pk)
        day = f"{place.since}T00:00:00+00:00"
        return {
            "id": md5_of(record.address),
            "email_address": record.address,
            "unique_email_id": list_hex(record.number),
            "contact_id": f"{record.number:032x}",
            "full_name": " ".join(filter(None, (record.fields.get(tag) for tag in ("FNAME", "LNAME")))),
            "web_id": record.number,
            "email_type": "html",
            "status": STATUSES[place.status],
            "consents_to_one_to_one_messaging": True,
            "merge_fields": {tag: record.fields.get(tag, "") for tag in self._fields},
            "interests": self._chosen(record.tags),
            **_untold(),
            "timestamp_signup": "",
            "timestamp_opt": day,
            "last_changed": day,
            "language": record.language,
            "tags_count": len(record.tags),
            "tags": [{"id": self.tag_ids[name], "name": name} for name in record.tags if name in self.tag_ids],
            "list_id": list_hex(self._call.list_.pk),
            "_links": [],
        }

    def _chosen(self, tags: Iterable[str]) -> dict[str, bool]:
        carried = {self.tag_ids.get(name) for name in tags}
        return {interest.id: interest.tag_id in carried for interest in self._interests}

    def echo(self, address: str, status: str, values: Mapping[str, str], language: str) -> dict[str, Any]:
        """Of what was sent, where no more may be told, or nobody has confirmed yet."""
        return {
            "id": md5_of(address),
            "email_address": address,
            "unique_email_id": "",
            "contact_id": "",
            "full_name": " ".join(filter(None, (values.get(tag) for tag in ("FNAME", "LNAME")))),
            "web_id": 0,
            "email_type": "html",
            "status": status,
            "consents_to_one_to_one_messaging": True,
            "merge_fields": {tag: values.get(tag, "") for tag in self._fields},
            "interests": {interest.id: False for interest in self._interests},
            **_untold(),
            "timestamp_signup": "",
            "timestamp_opt": "",
            "last_changed": self._call.now.strftime("%Y-%m-%dT00:00:00+00:00"),
            "language": language,
            "tags_count": 0,
            "tags": [],
            "list_id": list_hex(self._call.list_.pk),
            "_links": [],
        }


def _untold() -> dict[str, Any]:
    """What Mailchimp watches and we don't."""
    return {
        "stats": {"avg_open_rate": 0, "avg_click_rate": 0},
        "ip_signup": "",
        "ip_opt": "",
        "member_rating": 2,
        "vip": False,
        "email_client": "",
        "location": {
            "latitude": 0,
            "longitude": 0,
            "gmtoff": 0,
            "dstoff": 0,
            "country_code": "",
            "timezone": "",
            "region": "",
        },
        "marketing_permissions": [],
        "source": "API - Generic",
    }
