"""Printed from the code of the API by `scripts/docs.py`: change nothing here."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from samizdat_client.connection import Connection
from samizdat_client.decoding import read

__all__ = [
    "Asked",
    "Batch",
    "Campaign",
    "CampaignText",
    "Campaigns",
    "Checks",
    "Client",
    "ConsentRecord",
    "ConsentRecorded",
    "ConsentRecords",
    "Count",
    "Field",
    "Fields",
    "Finding",
    "FirstBatchIn",
    "Group",
    "Image",
    "Images",
    "List",
    "Lists",
    "Log",
    "LogEntry",
    "Members",
    "Named",
    "Names",
    "Reject",
    "Report",
    "Results",
    "Route",
    "Routes",
    "Segment",
    "SignUp",
    "State",
    "Subscriber",
    "SubscriberIn",
    "Subscribers",
    "Subscription",
    "Tag",
    "TagTotal",
    "Tagging",
    "Tags",
    "Template",
    "TemplateAdded",
    "TemplateTag",
    "Test",
    "Tested",
    "Total",
    "Totals",
    "Upsert",
    "Webhook",
    "WebhookAdded",
    "WebhookSecret",
    "WebhookTry",
    "Webhooks",
]


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Subscribers of a list by status."""

    subscribed: int
    pending: int
    unsubscribed: int
    cleaned: int
    nonsubscribed: int


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """verdict: "yes", or why they get no mail of this list."""

    list: int
    status: str
    since: date
    verdict: str


@dataclass(frozen=True, kw_only=True)
class SignUp:
    result: Literal["asked"]


@dataclass(frozen=True, kw_only=True)
class Upsert:
    """result: added, updated, unchanged; left: they unsubscribed, so nothing was changed; suppressed: nobody writes to
    this address. number and result are null for a key that can't read subscribers."""

    number: int | None
    result: str | None


@dataclass(frozen=True, kw_only=True)
class Reject:
    """index: its place in the batch, from 0."""

    index: int
    code: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class SubscriberIn:
    email: str
    fields: Mapping[str, str] | None = None
    tags: tuple[str, ...] | None = None
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class ConsentRecord:
    """kind: asked (signed up, not confirmed yet), given, confirmed, withdrawn, objected, cleaned (the address is dead),
    returned or undone (the last no, or what your team wrote down, was taken back). list: null for all lists. purpose:
    newsletter, or fundraising: appeals for money. way: import, form, desk (your team), api, mail, one-click or bounce.
    at: null where nobody said when. asked_at: of a confirmation, when they had signed up. wording: what they were
    shown; version and language: of it, where it is a consent text of the list. source: where it can be looked up.
    reason: what they said when they left."""

    day: date
    kind: str
    list: int | None
    purpose: str
    way: str
    at: datetime | None
    asked_at: datetime | None
    wording: str
    version: str
    language: str
    source: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ConsentRecorded:
    """result: recorded, unchanged (it was already); left: they said no, or did so later than that; pending: they were
    asked and haven't confirmed; suppressed: nobody writes to this address. null for a key that can't read
    subscribers."""

    result: str | None


@dataclass(frozen=True, kw_only=True)
class Field:
    """tag: its name in emails and in this API, like FNAME. choices: of a choice, its texts."""

    tag: str
    label: str
    kind: str
    required: bool
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TagTotal:
    """Those subscribed to a list who have the tag."""

    list: int
    subscribed: int


@dataclass(frozen=True, kw_only=True)
class Tagging:
    """changed: got the tag or lost it. full: have as many tags as one can have. missing: not on this list. All but
    `received` are null for a key that can't read subscribers."""

    received: int
    changed: int | None
    unchanged: int | None
    full: int | None
    missing: int | None


@dataclass(frozen=True, kw_only=True)
class Named:
    id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Segment:
    """sentence: the condition for people. condition: with names. broken: why it doesn't work any more, since something
    that it asks for was deleted; "" when it does."""

    id: int
    name: str
    version: int
    sentence: str
    condition: Mapping[str, Any]
    broken: str


@dataclass(frozen=True, kw_only=True)
class Count:
    count: int


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """list: its number. recipients: how many were chosen at its release."""

    id: int
    subject: str
    state: str
    list: int
    language: str
    created: datetime
    released: datetime | None
    finished: datetime | None
    recipients: int
    version: int


@dataclass(frozen=True, kw_only=True)
class CampaignText:
    """format: markdown, html, or blocks (docs/content-format.md)."""

    id: int
    subject: str
    state: str
    list: int
    language: str
    created: datetime
    released: datetime | None
    finished: datetime | None
    recipients: int
    version: int
    preheader: str
    from_name: str
    from_email: str
    reply_to: str
    format: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Results:
    """Totals alone: nobody is watched. accepted: the next server took it. unsubscribed: by its link; null where it was
    fewer than 20."""

    recipients: int
    accepted: int
    bounced: int
    unknown: int
    skipped: int
    waiting: int
    cancelled: int
    unsubscribed: int | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """severity: stop (it can't be sent so), care or note. place: subject, body, from and so on. line: from 1; 0 where
    it is of no line."""

    severity: str
    code: str
    place: str
    line: int
    detail: str
    accepted: bool


@dataclass(frozen=True, kw_only=True)
class Asked:
    """id: of this test, for its result."""

    id: int


@dataclass(frozen=True, kw_only=True)
class Tested:
    """index: place of the address in the request, from 0."""

    index: int
    accepted: bool
    detail: str


@dataclass(frozen=True, kw_only=True)
class State:
    """not_before: when it begins. reason: why it is held or waits."""

    id: int
    state: str
    reason: str
    not_before: datetime | None
    recipients: int


@dataclass(frozen=True, kw_only=True)
class FirstBatchIn:
    """percent: of the recipients. hold_minutes: until the rest is sent. stop_above: percent of bounces."""

    percent: int
    hold_minutes: int | None = None
    stop_above: float | None = None


@dataclass(frozen=True, kw_only=True)
class TemplateTag:
    """A merge tag as the file has it. flaw: what is wrong with it; empty where it works here."""

    tag: str
    count: int
    flaw: str


@dataclass(frozen=True, kw_only=True)
class Template:
    """html: the frame, with {{ content }} where the email goes; empty where it stands in a design of ours. body: what a
    new draft begins with, in format."""

    id: int
    name: str
    changed: datetime
    html: str
    design: str
    format: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Image:
    """slug: by which blocks name it. url: where subscribers see it once a campaign shows it. decoration: it needs no
    alt text. bytes: of the file that is sent."""

    id: int
    slug: str
    url: str
    name: str
    alt: str
    decoration: bool
    kind: str
    width: int
    height: int
    bytes: int
    created: datetime


@dataclass(frozen=True, kw_only=True)
class Total:
    """count: null where it isn't shown. few: since fewer than `fewest` people are behind it."""

    count: int | None
    few: bool


@dataclass(frozen=True, kw_only=True)
class WebhookTry:
    """at: to the minute. status: of the answer; 0 where none came. problem: what went wrong; null: it was taken."""

    at: datetime
    type: str
    status: int
    problem: str | None
    milliseconds: int
    turn: int


@dataclass(frozen=True, kw_only=True)
class WebhookAdded:
    """secret: with which each request is signed. It is shown now and never again. state: waiting, where another admin
    approves it first."""

    id: int
    secret: str
    state: str


@dataclass(frozen=True, kw_only=True)
class WebhookSecret:
    secret: str


@dataclass(frozen=True, kw_only=True)
class Route:
    """kind: of its URL. priority: lowest is used first. state: live, throttled, dead, paused or waiting (for an
    approval). reason, and detail in English: why it doesn't send. who: has to act. until: when it is tried again.
    refused_domains: of senders that its provider doesn't take."""

    id: int
    name: str
    kind: str
    priority: int
    state: str
    reason: str
    detail: str
    who: str
    until: datetime | None
    changed: datetime
    refused_domains: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """at: null where a subscriber did it, of whom the day alone is shown. kind: never changes; text is its sentence.
    by: a teammate; null for Samizdat, a subscriber or a program of the server. about: number of the subscriber,
    campaign, list and so on that the kind speaks of. genuine: false where somebody changed it in the database."""

    id: int
    day: date
    at: datetime | None
    kind: str
    text: str
    by: str | None
    about: int | None
    genuine: bool


@dataclass(frozen=True, kw_only=True)
class List:
    """archived: since which day nobody can join."""

    id: int
    name: str
    created: date
    archived: date | None
    totals: Totals


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """number: stays the same for ever, also after a move to another server."""

    number: int
    email: str
    language: str
    joined: date
    fields: Mapping[str, str]
    tags: tuple[str, ...]
    lists: tuple[Subscription, ...]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """added, updated, unchanged and left are null for a key that can't read subscribers."""

    received: int
    rejected: int
    added: int | None
    updated: int | None
    unchanged: int | None
    left: int | None
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, kw_only=True)
class ConsentRecords:
    items: tuple[ConsentRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Fields:
    items: tuple[Field, ...]


@dataclass(frozen=True, kw_only=True)
class Tag:
    """totals: of the lists of this key where anybody subscribed has it; null for a key that can't read subscribers."""

    id: int
    name: str
    totals: tuple[TagTotal, ...] | None


@dataclass(frozen=True, kw_only=True)
class Names:
    items: tuple[Named, ...]


@dataclass(frozen=True, kw_only=True)
class Campaigns:
    """next: the cursor of the page after this one; null on the last."""

    items: tuple[Campaign, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Checks:
    """seen: of the campaign as it was checked; release takes it. recipients: how many would get it now, and waiting:
    how many more once it is their turn; null where the audience is a segment and the key may read no subscribers.
    approval: none, asked, given, changed (the campaign was, since) or old. approval_needed: before it is released."""

    version: int
    seen: str
    recipients: int | None
    waiting: int | None
    approval: str
    approval_needed: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Test:
    """state: waiting, done, refused (detail says why) or lost (no worker answers)."""

    state: Literal["waiting", "done", "refused", "lost"]
    detail: str
    tested: tuple[Tested, ...]


@dataclass(frozen=True, kw_only=True)
class TemplateAdded:
    """notes: what was left out or changed, in sentences. regions: parts that a draft can fill. images: how many came
    along."""

    id: int
    notes: tuple[str, ...]
    tags: tuple[TemplateTag, ...]
    regions: tuple[str, ...]
    images: int


@dataclass(frozen=True, kw_only=True)
class Images:
    """next: the cursor of the page after this one; null on the last."""

    items: tuple[Image, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Group:
    """key: the day or month, mailbox provider, domain, route, or number of a campaign. totals: by what is counted."""

    key: str
    totals: Mapping[str, Total]


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """state: active, failing, disabled, waiting (for another admin), ended (whoever added it is no longer an admin) or
    broken. lists: empty for all. waiting: events that are still to be told. tries: the newest first."""

    id: int
    url: str
    events: tuple[str, ...]
    lists: tuple[int, ...]
    addresses: bool
    created: date
    state: str
    failing_since: datetime | None
    waiting: int
    tries: tuple[WebhookTry, ...]


@dataclass(frozen=True, kw_only=True)
class Routes:
    items: tuple[Route, ...]


@dataclass(frozen=True, kw_only=True)
class Log:
    """next: the cursor of the page after this one; null on the last."""

    items: tuple[LogEntry, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Lists:
    items: tuple[List, ...]


@dataclass(frozen=True, kw_only=True)
class Subscribers:
    """next: the cursor of the page after this one; null on the last."""

    items: tuple[Subscriber, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Members:
    """next: the cursor of the page after this one; null on the last. A page can be shorter than `count`."""

    items: tuple[Subscriber, ...]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Tags:
    items: tuple[Tag, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """by: groups of each kind."""

    since: date
    until: date
    fewest: int
    total: Mapping[str, Total]
    by: Mapping[str, tuple[Group, ...]]


@dataclass(frozen=True, kw_only=True)
class Webhooks:
    items: tuple[Webhook, ...]


class Client(Connection):
    """Every operation of the API. Errors of each: Problem, NoAnswer."""

    def all_lists(self) -> Lists:
        """All lists. GET /api/v1/lists.

        Access: subscribers:read or subscribers:write or campaigns:read or campaigns:write or audience:write.
        """
        return read(Lists, self.ask("GET", "/api/v1/lists"))

    def create_list(self, *, name: str) -> List:
        """Create a list. POST /api/v1/lists.

        Access: audience:write.
        """
        return read(
            List,
            self.ask(
                "POST", "/api/v1/lists", body={"name": name}, headers={"Idempotency-Key": secrets.token_urlsafe()}
            ),
        )

    def one_list(self, list_id: int) -> List:
        """One list. GET /api/v1/lists/{list_id}.

        Access: subscribers:read or subscribers:write or campaigns:read or campaigns:write or audience:write.
        """
        return read(List, self.ask("GET", f"/api/v1/lists/{list_id}"))

    def rename_list(self, list_id: int, *, name: str) -> List:
        """Rename a list. PATCH /api/v1/lists/{list_id}.

        Access: audience:write.
        """
        return read(
            List,
            self.ask(
                "PATCH",
                f"/api/v1/lists/{list_id}",
                body={"name": name},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def archive_list(self, list_id: int) -> List:
        """Archive a list. POST /api/v1/lists/{list_id}/archive.

        Access: audience:write.
        """
        return read(
            List,
            self.ask("POST", f"/api/v1/lists/{list_id}/archive", headers={"Idempotency-Key": secrets.token_urlsafe()}),
        )

    def restore_list(self, list_id: int) -> List:
        """Restore a list. POST /api/v1/lists/{list_id}/restore.

        Access: audience:write.
        """
        return read(
            List,
            self.ask("POST", f"/api/v1/lists/{list_id}/restore", headers={"Idempotency-Key": secrets.token_urlsafe()}),
        )

    def list_subscribers(
        self,
        *,
        list: int | None = None,
        status: Literal["pending", "subscribed", "unsubscribed", "cleaned", "nonsubscribed"] | None = None,
        tag: str | None = None,
        count: int | None = None,
        cursor: str | None = None,
    ) -> Subscribers:
        """A page of subscribers. GET /api/v1/subscribers.

        Access: subscribers:read.
        """
        return read(
            Subscribers,
            self.ask(
                "GET",
                "/api/v1/subscribers",
                query={"list": list, "status": status, "tag": tag, "count": count, "cursor": cursor},
            ),
        )

    def iterate_subscribers(
        self,
        *,
        list: int | None = None,
        status: Literal["pending", "subscribed", "unsubscribed", "cleaned", "nonsubscribed"] | None = None,
        tag: str | None = None,
        count: int | None = None,
    ) -> Iterator[Subscriber]:
        """All of list_subscribers(), page by page."""
        cursor = None
        while True:
            page = self.list_subscribers(list=list, status=status, tag=tag, count=count, cursor=cursor)
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def sign_up_subscriber(
        self, *, email: str, list: int, language: str | None = None, fields: Mapping[str, str] | None = None
    ) -> SignUp:
        """Sign up somebody who confirms. POST /api/v1/subscribers.

        Access: subscribers:write.
        """
        return read(
            SignUp,
            self.ask(
                "POST",
                "/api/v1/subscribers",
                body={"email": email, "list": list, "language": language, "fields": fields},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def put_subscriber(
        self,
        *,
        email: str,
        list: int,
        consent: str,
        fields: Mapping[str, str] | None = None,
        tags: Sequence[str] | None = None,
        language: str | None = None,
    ) -> Upsert:
        """Add or change one who has agreed. PUT /api/v1/subscribers.

        Access: subscribers:write.
        """
        return read(
            Upsert,
            self.ask(
                "PUT",
                "/api/v1/subscribers",
                body={
                    "email": email,
                    "fields": fields,
                    "tags": tags,
                    "language": language,
                    "list": list,
                    "consent": consent,
                },
            ),
        )

    def get_subscriber(self, number: int) -> Subscriber:
        """One subscriber. GET /api/v1/subscribers/{number}.

        Access: subscribers:read.
        """
        return read(Subscriber, self.ask("GET", f"/api/v1/subscribers/{number}"))

    def change_subscriber(
        self,
        number: int,
        *,
        fields: Mapping[str, str] | None = None,
        language: str | None = None,
        add_tags: Sequence[str] | None = None,
        remove_tags: Sequence[str] | None = None,
    ) -> Subscriber:
        """Change a subscriber. PATCH /api/v1/subscribers/{number}.

        Access: subscribers:write.
        """
        return read(
            Subscriber,
            self.ask(
                "PATCH",
                f"/api/v1/subscribers/{number}",
                body={"fields": fields, "language": language, "add_tags": add_tags, "remove_tags": remove_tags},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def look_up_subscriber(self, *, email: str) -> Subscriber:
        """The subscriber of an address. POST /api/v1/subscribers/lookup.

        Access: subscribers:read.
        """
        return read(Subscriber, self.ask("POST", "/api/v1/subscribers/lookup", body={"email": email}))

    def put_subscribers(self, *, list: int, consent: str, subscribers: Sequence[SubscriberIn]) -> Batch:
        """Add or change many who have agreed. POST /api/v1/subscribers/batch.

        Access: subscribers:write.
        """
        return read(
            Batch,
            self.ask(
                "POST",
                "/api/v1/subscribers/batch",
                body={"list": list, "consent": consent, "subscribers": subscribers},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def unsubscribe_subscriber(self, *, email: str, list: int | None = None) -> None:
        """Unsubscribe an address. POST /api/v1/subscribers/unsubscribe.

        Access: subscribers:write.
        """
        self.ask(
            "POST",
            "/api/v1/subscribers/unsubscribe",
            body={"email": email, "list": list},
            headers={"Idempotency-Key": secrets.token_urlsafe()},
        )

    def list_consent(self, number: int) -> ConsentRecords:
        """Consent records of a subscriber. GET /api/v1/subscribers/{number}/consent.

        Access: subscribers:read.
        """
        return read(ConsentRecords, self.ask("GET", f"/api/v1/subscribers/{number}/consent"))

    def record_consent(
        self,
        *,
        email: str,
        list: int,
        wording: str,
        at: datetime,
        purpose: Literal["newsletter", "fundraising"] | None = None,
        evidence: str | None = None,
    ) -> ConsentRecorded:
        """Record a consent given elsewhere. POST /api/v1/subscribers/consent.

        Access: subscribers:write.
        """
        return read(
            ConsentRecorded,
            self.ask(
                "POST",
                "/api/v1/subscribers/consent",
                body={
                    "email": email,
                    "list": list,
                    "wording": wording,
                    "at": at,
                    "purpose": purpose,
                    "evidence": evidence,
                },
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def erase_subscriber(self, *, email: str) -> None:
        """Erase the data of an address. POST /api/v1/subscribers/erase.

        Access: subscribers:erase.
        """
        self.ask(
            "POST",
            "/api/v1/subscribers/erase",
            body={"email": email},
            headers={"Idempotency-Key": secrets.token_urlsafe()},
        )

    def all_fields(self) -> Fields:
        """All fields. GET /api/v1/fields.

        Access: subscribers:read or subscribers:write or campaigns:read or campaigns:write or audience:write.
        """
        return read(Fields, self.ask("GET", "/api/v1/fields"))

    def all_tags(self) -> Tags:
        """All tags. GET /api/v1/tags.

        Access: subscribers:read or subscribers:write or campaigns:read or campaigns:write or audience:write.
        """
        return read(Tags, self.ask("GET", "/api/v1/tags"))

    def create_tag(self, *, name: str) -> Tag:
        """Create a tag. POST /api/v1/tags.

        Access: audience:write.
        """
        return read(
            Tag,
            self.ask("POST", "/api/v1/tags", body={"name": name}, headers={"Idempotency-Key": secrets.token_urlsafe()}),
        )

    def rename_tag(self, number: int, *, name: str) -> Tag:
        """Rename a tag. PATCH /api/v1/tags/{number}.

        Access: audience:write.
        """
        return read(
            Tag,
            self.ask(
                "PATCH",
                f"/api/v1/tags/{number}",
                body={"name": name},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def delete_tag(self, number: int) -> None:
        """Delete a tag. DELETE /api/v1/tags/{number}.

        Access: audience:write.
        """
        self.ask("DELETE", f"/api/v1/tags/{number}", headers={"Idempotency-Key": secrets.token_urlsafe()})

    def tag_subscribers(
        self, number: int, *, list: int, add: Sequence[str] | None = None, remove: Sequence[str] | None = None
    ) -> Tagging:
        """Tag or untag many subscribers. POST /api/v1/tags/{number}/subscribers.

        Access: subscribers:write.
        """
        return read(
            Tagging,
            self.ask(
                "POST",
                f"/api/v1/tags/{number}/subscribers",
                body={"list": list, "add": add, "remove": remove},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def all_segments(self) -> Names:
        """All saved segments. GET /api/v1/segments.

        Access: subscribers:read or subscribers:write or campaigns:read or campaigns:write or audience:write.
        """
        return read(Names, self.ask("GET", "/api/v1/segments"))

    def create_segment(self, *, name: str, condition: Mapping[str, Any]) -> Named:
        """Create a segment. POST /api/v1/segments.

        Access: audience:write.
        """
        return read(
            Named,
            self.ask(
                "POST",
                "/api/v1/segments",
                body={"name": name, "condition": condition},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def get_segment(self, number: int) -> Segment:
        """One segment. GET /api/v1/segments/{number}.

        Access: subscribers:read or audience:write.
        """
        return read(Segment, self.ask("GET", f"/api/v1/segments/{number}"))

    def change_segment(
        self, number: int, *, version: int, name: str | None = None, condition: Mapping[str, Any] | None = None
    ) -> Segment:
        """Change a segment. PATCH /api/v1/segments/{number}.

        Access: audience:write.
        """
        return read(
            Segment,
            self.ask(
                "PATCH",
                f"/api/v1/segments/{number}",
                body={"version": version, "name": name, "condition": condition},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def delete_segment(self, number: int) -> None:
        """Delete a segment. DELETE /api/v1/segments/{number}.

        Access: audience:write.
        """
        self.ask("DELETE", f"/api/v1/segments/{number}", headers={"Idempotency-Key": secrets.token_urlsafe()})

    def count_segment(self, number: int) -> Count:
        """Count a segment. GET /api/v1/segments/{number}/count.

        Access: subscribers:read.
        """
        return read(Count, self.ask("GET", f"/api/v1/segments/{number}/count"))

    def list_segment_subscribers(self, number: int, *, count: int | None = None, cursor: str | None = None) -> Members:
        """A page of subscribers in a segment. GET /api/v1/segments/{number}/subscribers.

        Access: subscribers:read.
        """
        return read(
            Members, self.ask("GET", f"/api/v1/segments/{number}/subscribers", query={"count": count, "cursor": cursor})
        )

    def iterate_segment_subscribers(self, number: int, *, count: int | None = None) -> Iterator[Subscriber]:
        """All of list_segment_subscribers(), page by page."""
        cursor = None
        while True:
            page = self.list_segment_subscribers(number, count=count, cursor=cursor)
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def list_campaigns(
        self,
        *,
        state: Literal["draft", "scheduled", "held", "sending", "waiting", "paused", "finished", "cancelled"]
        | None = None,
        count: int | None = None,
        cursor: str | None = None,
    ) -> Campaigns:
        """A page of campaigns. GET /api/v1/campaigns.

        Access: campaigns:read.
        """
        return read(
            Campaigns, self.ask("GET", "/api/v1/campaigns", query={"state": state, "count": count, "cursor": cursor})
        )

    def iterate_campaigns(
        self,
        *,
        state: Literal["draft", "scheduled", "held", "sending", "waiting", "paused", "finished", "cancelled"]
        | None = None,
        count: int | None = None,
    ) -> Iterator[Campaign]:
        """All of list_campaigns(), page by page."""
        cursor = None
        while True:
            page = self.list_campaigns(state=state, count=count, cursor=cursor)
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def create_campaign(
        self,
        *,
        list: int,
        subject: str,
        body: str,
        format: Literal["markdown", "html", "blocks"] | None = None,
        preheader: str | None = None,
        from_name: str | None = None,
        from_email: str | None = None,
        reply_to: str | None = None,
    ) -> CampaignText:
        """Create a draft. POST /api/v1/campaigns.

        Access: campaigns:write.
        """
        return read(
            CampaignText,
            self.ask(
                "POST",
                "/api/v1/campaigns",
                body={
                    "list": list,
                    "subject": subject,
                    "body": body,
                    "format": format,
                    "preheader": preheader,
                    "from_name": from_name,
                    "from_email": from_email,
                    "reply_to": reply_to,
                },
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def get_campaign(self, number: int) -> CampaignText:
        """One campaign. GET /api/v1/campaigns/{number}.

        Access: campaigns:read.
        """
        return read(CampaignText, self.ask("GET", f"/api/v1/campaigns/{number}"))

    def change_campaign(
        self,
        number: int,
        *,
        version: int,
        subject: str | None = None,
        body: str | None = None,
        preheader: str | None = None,
        from_name: str | None = None,
        from_email: str | None = None,
        reply_to: str | None = None,
    ) -> CampaignText:
        """Change a draft. PATCH /api/v1/campaigns/{number}.

        Access: campaigns:write.
        """
        return read(
            CampaignText,
            self.ask(
                "PATCH",
                f"/api/v1/campaigns/{number}",
                body={
                    "version": version,
                    "subject": subject,
                    "body": body,
                    "preheader": preheader,
                    "from_name": from_name,
                    "from_email": from_email,
                    "reply_to": reply_to,
                },
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def get_results(self, number: int) -> Results:
        """Results of a campaign. GET /api/v1/campaigns/{number}/results.

        Access: campaigns:read.
        """
        return read(Results, self.ask("GET", f"/api/v1/campaigns/{number}/results"))

    def check_campaign(self, number: int) -> Checks:
        """Check a campaign. GET /api/v1/campaigns/{number}/checks.

        Access: campaigns:read or campaigns:send.
        """
        return read(Checks, self.ask("GET", f"/api/v1/campaigns/{number}/checks"))

    def test_campaign(self, number: int, *, to: Sequence[str]) -> Asked:
        """Send a test. POST /api/v1/campaigns/{number}/test.

        Access: campaigns:send.
        """
        return read(
            Asked,
            self.ask(
                "POST",
                f"/api/v1/campaigns/{number}/test",
                body={"to": to},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def get_test(self, number: int, test: int) -> Test:
        """What came of a test. GET /api/v1/campaigns/{number}/tests/{test}.

        Access: campaigns:read or campaigns:send.
        """
        return read(Test, self.ask("GET", f"/api/v1/campaigns/{number}/tests/{test}"))

    def request_campaign_approval(self, number: int) -> State:
        """Ask for an approval. POST /api/v1/campaigns/{number}/request-approval.

        Access: campaigns:send.
        """
        return read(
            State,
            self.ask(
                "POST",
                f"/api/v1/campaigns/{number}/request-approval",
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def release_campaign(
        self,
        number: int,
        *,
        seen: str,
        recipients: int | None = None,
        waiting: int | None = None,
        at: datetime | None = None,
        hold_minutes: int | None = None,
        quiet_hours: str | None = None,
        unknown: Literal["resend", "hold"] | None = None,
        first_batch: FirstBatchIn | None = None,
        again: bool | None = None,
    ) -> State:
        """Send or schedule a campaign. POST /api/v1/campaigns/{number}/release.

        Access: campaigns:send.
        """
        return read(
            State,
            self.ask(
                "POST",
                f"/api/v1/campaigns/{number}/release",
                body={
                    "seen": seen,
                    "recipients": recipients,
                    "waiting": waiting,
                    "at": at,
                    "hold_minutes": hold_minutes,
                    "quiet_hours": quiet_hours,
                    "unknown": unknown,
                    "first_batch": first_batch,
                    "again": again,
                },
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def undo_campaign(self, number: int) -> State:
        """Take a campaign back. POST /api/v1/campaigns/{number}/undo.

        Access: campaigns:send.
        """
        return read(
            State,
            self.ask("POST", f"/api/v1/campaigns/{number}/undo", headers={"Idempotency-Key": secrets.token_urlsafe()}),
        )

    def pause_campaign(self, number: int) -> State:
        """Pause a campaign. POST /api/v1/campaigns/{number}/pause.

        Access: campaigns:send.
        """
        return read(
            State,
            self.ask("POST", f"/api/v1/campaigns/{number}/pause", headers={"Idempotency-Key": secrets.token_urlsafe()}),
        )

    def resume_campaign(self, number: int) -> State:
        """Resume a campaign. POST /api/v1/campaigns/{number}/resume.

        Access: campaigns:send.
        """
        return read(
            State,
            self.ask(
                "POST", f"/api/v1/campaigns/{number}/resume", headers={"Idempotency-Key": secrets.token_urlsafe()}
            ),
        )

    def cancel_campaign(self, number: int) -> State:
        """Cancel a campaign. POST /api/v1/campaigns/{number}/cancel.

        Access: campaigns:send.
        """
        return read(
            State,
            self.ask(
                "POST", f"/api/v1/campaigns/{number}/cancel", headers={"Idempotency-Key": secrets.token_urlsafe()}
            ),
        )

    def all_templates(self) -> Names:
        """Your own templates. GET /api/v1/templates.

        Access: campaigns:read or campaigns:write.
        """
        return read(Names, self.ask("GET", "/api/v1/templates"))

    def add_template(
        self, *, name: str, html: str | None = None, zip: str | None = None, campaign: int | None = None
    ) -> TemplateAdded:
        """Add a template. POST /api/v1/templates.

        Access: campaigns:write.
        """
        return read(
            TemplateAdded,
            self.ask(
                "POST",
                "/api/v1/templates",
                body={"name": name, "html": html, "zip": zip, "campaign": campaign},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def get_template(self, number: int) -> Template:
        """One template. GET /api/v1/templates/{number}.

        Access: campaigns:read or campaigns:write.
        """
        return read(Template, self.ask("GET", f"/api/v1/templates/{number}"))

    def rename_template(self, number: int, *, name: str) -> Template:
        """Rename a template. PATCH /api/v1/templates/{number}.

        Access: campaigns:write.
        """
        return read(
            Template,
            self.ask(
                "PATCH",
                f"/api/v1/templates/{number}",
                body={"name": name},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def delete_template(self, number: int) -> None:
        """Delete a template. DELETE /api/v1/templates/{number}.

        Access: campaigns:write.
        """
        self.ask("DELETE", f"/api/v1/templates/{number}", headers={"Idempotency-Key": secrets.token_urlsafe()})

    def list_images(self, *, words: str | None = None, count: int | None = None, cursor: str | None = None) -> Images:
        """A page of images. GET /api/v1/media.

        Access: campaigns:read or campaigns:write.
        """
        return read(Images, self.ask("GET", "/api/v1/media", query={"words": words, "count": count, "cursor": cursor}))

    def iterate_images(self, *, words: str | None = None, count: int | None = None) -> Iterator[Image]:
        """All of list_images(), page by page."""
        cursor = None
        while True:
            page = self.list_images(words=words, count=count, cursor=cursor)
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def add_image(
        self, *, data: str, name: str | None = None, alt: str | None = None, decoration: bool | None = None
    ) -> Image:
        """Upload an image. POST /api/v1/media.

        Access: campaigns:write.
        """
        return read(
            Image,
            self.ask(
                "POST",
                "/api/v1/media",
                body={"data": data, "name": name, "alt": alt, "decoration": decoration},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def get_image(self, number: int) -> Image:
        """One image. GET /api/v1/media/{number}.

        Access: campaigns:read or campaigns:write.
        """
        return read(Image, self.ask("GET", f"/api/v1/media/{number}"))

    def describe_image(
        self, number: int, *, name: str | None = None, alt: str | None = None, decoration: bool | None = None
    ) -> Image:
        """Describe an image. PATCH /api/v1/media/{number}.

        Access: campaigns:write.
        """
        return read(
            Image,
            self.ask(
                "PATCH",
                f"/api/v1/media/{number}",
                body={"name": name, "alt": alt, "decoration": decoration},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def delete_image(self, number: int, *, also_sent: bool | None = None) -> None:
        """Delete an image. DELETE /api/v1/media/{number}.

        Access: campaigns:write.
        """
        self.ask(
            "DELETE",
            f"/api/v1/media/{number}",
            query={"also_sent": also_sent},
            headers={"Idempotency-Key": secrets.token_urlsafe()},
        )

    def get_report(self, *, days: Literal["30", "90", "365"] | None = None) -> Report:
        """What became of emails. GET /api/v1/reports.

        Access: campaigns:read.
        """
        return read(Report, self.ask("GET", "/api/v1/reports", query={"days": days}))

    def all_webhooks(self) -> Webhooks:
        """All webhooks. GET /api/v1/webhooks.

        Access: webhooks.
        """
        return read(Webhooks, self.ask("GET", "/api/v1/webhooks"))

    def add_webhook(
        self, *, url: str, events: Sequence[str], lists: Sequence[int] | None = None, addresses: bool | None = None
    ) -> WebhookAdded:
        """Add a webhook. POST /api/v1/webhooks.

        Access: webhooks.
        """
        return read(
            WebhookAdded,
            self.ask(
                "POST",
                "/api/v1/webhooks",
                body={"url": url, "events": events, "lists": lists, "addresses": addresses},
                headers={"Idempotency-Key": secrets.token_urlsafe()},
            ),
        )

    def one_webhook(self, number: int) -> Webhook:
        """One webhook. GET /api/v1/webhooks/{number}.

        Access: webhooks.
        """
        return read(Webhook, self.ask("GET", f"/api/v1/webhooks/{number}"))

    def remove_webhook(self, number: int) -> None:
        """Remove a webhook. DELETE /api/v1/webhooks/{number}.

        Access: webhooks.
        """
        self.ask("DELETE", f"/api/v1/webhooks/{number}", headers={"Idempotency-Key": secrets.token_urlsafe()})

    def test_webhook(self, number: int) -> None:
        """Send a test. POST /api/v1/webhooks/{number}/test.

        Access: webhooks.
        """
        self.ask("POST", f"/api/v1/webhooks/{number}/test", headers={"Idempotency-Key": secrets.token_urlsafe()})

    def replace_webhook_secret(self, number: int) -> WebhookSecret:
        """Replace the secret of a webhook. POST /api/v1/webhooks/{number}/secret.

        Access: webhooks.
        """
        return read(
            WebhookSecret,
            self.ask("POST", f"/api/v1/webhooks/{number}/secret", headers={"Idempotency-Key": secrets.token_urlsafe()}),
        )

    def enable_webhook(self, number: int) -> None:
        """Switch a webhook on again. POST /api/v1/webhooks/{number}/enable.

        Access: webhooks.
        """
        self.ask("POST", f"/api/v1/webhooks/{number}/enable", headers={"Idempotency-Key": secrets.token_urlsafe()})

    def all_routes(self) -> Routes:
        """All sending routes. GET /api/v1/routes.

        Access: routes:read or routes:write.
        """
        return read(Routes, self.ask("GET", "/api/v1/routes"))

    def pause_route(self, number: int) -> Route:
        """Pause a sending route. POST /api/v1/routes/{number}/pause.

        Access: routes:write.
        """
        return read(
            Route,
            self.ask("POST", f"/api/v1/routes/{number}/pause", headers={"Idempotency-Key": secrets.token_urlsafe()}),
        )

    def resume_route(self, number: int) -> Route:
        """Resume a sending route. POST /api/v1/routes/{number}/resume.

        Access: routes:write.
        """
        return read(
            Route,
            self.ask("POST", f"/api/v1/routes/{number}/resume", headers={"Idempotency-Key": secrets.token_urlsafe()}),
        )

    def read_log(
        self,
        *,
        kind: str | None = None,
        since: date | None = None,
        until: date | None = None,
        count: int | None = None,
        cursor: str | None = None,
    ) -> Log:
        """A page of the activity log. GET /api/v1/log.

        Access: log:read.
        """
        return read(
            Log,
            self.ask(
                "GET",
                "/api/v1/log",
                query={"kind": kind, "since": since, "until": until, "count": count, "cursor": cursor},
            ),
        )

    def iterate_read_log(
        self, *, kind: str | None = None, since: date | None = None, until: date | None = None, count: int | None = None
    ) -> Iterator[LogEntry]:
        """All of read_log(), page by page."""
        cursor = None
        while True:
            page = self.read_log(kind=kind, since=since, until=until, count=count, cursor=cursor)
            yield from page.items
            cursor = page.next
            if cursor is None:
                return
