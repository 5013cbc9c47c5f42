"""Mailchimp's Marketing API 3.0, as far as an account is read by it.

What it answers was read in notes on the public interface, and tried against a server that we play ourselves.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import DecodeError, Struct, json, structs

from samizdat.core.account_copy import (
    SECTIONS,
    AccountPage,
    AccountTotals,
    Contact,
    Item,
    PresentPage,
    bounded,
    moment,
    text,
)
from samizdat.importers.accounts.base import (
    AccountSettings,
    ServiceRefused,
    is_private_label,
    is_private_tag,
    number,
    objects,
    within,
)
from samizdat.importers.accounts.http import HttpAccount

# Their most of a page, and of things whose content is asked for one by one afterwards.
PAGE, FEW = 1_000, 50
# Contacts that two pages share: so many may move to the end of the list while we turn the page, and nobody is missed.
OVERLAP = 25
STATUSES = {"transactional": "nonsubscribed"}
KNOWN = ("subscribed", "unsubscribed", "cleaned", "pending", "archived", "nonsubscribed")
# What is not even asked for.
UNWANTED = ",".join(
    f"members.{name}"
    for name in (
        "_links", "stats", "location", "ip_signup", "ip_opt", "email_client", "member_rating", "last_note",
        "full_name", "web_id", "sms_phone_number", "sms_subscription_status", "sms_subscription_last_updated",
        "marketing_permissions.text",
    )
)  # fmt: skip
_ADDRESS = ("addr1", "addr2", "city", "state", "zip", "country")
_ONLY: Mapping[str, Mapping[str, str]] = {"templates": {"type": "user"}}
# Of a report: totals, and nothing about who or when.
_TOTALS = ("emails_sent", "abuse_reports", "unsubscribed", "bounces", "opens", "clicks")
# The walks of one list, in this order. Those who are archived are in no other walk.
_WALKS = ("there", "archived", "complaints")


class PagePosition(Struct, frozen=True, omit_defaults=True):
    """Where a page begins. since: of contacts that were changed after that, `first` at the first page."""

    list: str = ""
    walk: str = ""
    first: str = ""
    since: str = ""
    offset: int = 0


class MailchimpAccount(HttpAccount):
    name = "mailchimp"
    label = "Mailchimp"
    key_example = "0123…cdef-us21"
    key_help = "In Mailchimp under Profile, Extras, API keys. It can’t be limited: keep it as safe as your password."
    sections = SECTIONS
    lacks = ("surveys", "forms", "designs")
    key_shape = re.compile(r"[0-9A-Za-z]{10,80}-([a-z]{2}\d{1,4})")

    def __init__(self, settings: AccountSettings) -> None:
        self.host = f"{settings.key.rpartition('-')[2]}.api.mailchimp.com"  # Each key names its data center.
        super().__init__(settings)
        self._pages: Mapping[str, Callable[[PagePosition], AccountPage]] = {
            "lists": self._lists,
            "fields": self._fields,
            "groups": self._groups,
            "tags": self._tags,
            "contacts": self._contacts,
            "segments": self._segments,
            "campaigns": self._campaigns,
            "templates": self._templates,
            "files": self._files,
            "reports": self._reports,
        }
        # Of a list: fields and tags that stay out, asked once.
        self._private: dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {}

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Basic {b64encode(f'samizdat:{self.settings.key}'.encode()).decode()}"}

    def ping(self) -> None:
        self._get("/ping")

    def totals(self) -> AccountTotals:
        root = self._get("/", fields="account_name,total_subscribers")
        lists = {id: sum(self._members(id, status) for status in ("", "archived")) for id in self._list_ids()}
        counted = {"campaigns": "/campaigns", "templates": "/templates", "files": "/file-manager/files",
                   "reports": "/reports"}  # fmt: skip
        sections = {name: self._total(path, **_ONLY.get(name, {})) for name, path in counted.items()}
        beside = {"automations": "/automations", "landing_pages": "/landing-pages"}
        return AccountTotals(
            title=text(within(root, "account_name"), 200),
            contacts=sum(lists.values()),
            lists=lists,
            sections={"lists": len(lists), **sections},
            uncopied={name: total for name, path in beside.items() if (total := self._total(path))},
        )

    def page(self, section: str, cursor: str, since: str) -> AccountPage:
        try:
            return self._pages[section](_place(cursor, since))
        except (ValueError, TypeError):
            raise self._http.error("bad_answer", section) from None

    def body(self, item: Item) -> bytes:
        match item.section:
            case "campaigns":
                content = self._get(f"/campaigns/{item.id}/content", fields="html,plain_text,variate_contents")
            case "templates":
                content = self._get(f"/templates/{item.id}/default-content", fields="sections")
            case "files":
                return self._http.download(text(item.details.get("url")))
            case _:
                return b""
        return json.encode(content)

    # -- asking --

    def _get(self, path: str, **query: str | int) -> Any:
        return self._http.get(f"/3.0{path}", **query)

    def _total(self, path: str, **query: str | int) -> int:
        """How many a collection has; 0 where the account has none of the kind."""
        try:
            return number(within(self._get(path, count=1, fields="total_items", **query), "total_items"))
        except ServiceRefused as error:
            if error.code == "not_found":
                return 0
            raise

    def _members(self, list_id: str, status: str) -> int:
        return self._total(f"/lists/{list_id}/members", **({"status": status} if status else {}))

    def _list_ids(self) -> list[str]:
        """In an order that stays."""
        all_ids: list[str] = []
        while True:
            document = self._get("/lists", count=PAGE, offset=len(all_ids), fields="lists.id,total_items")
            ids = [id for each in objects(document, "lists") if (id := _id(each))]
            all_ids += ids
            if len(ids) < PAGE:
                return sorted(set(all_ids))

    def _collection(
        self, path: str, name: str, place: PagePosition, read: Callable[[Mapping[str, Any]], Item | None],
        size: int = PAGE, **query: str | int,
    ) -> AccountPage:  # fmt: skip
        """A page of a collection of the whole account."""
        document = self._get(path, count=size, offset=place.offset, **query)
        documents = objects(document, name)
        items = tuple(item for each in documents if (item := read(each)))
        more = len(documents) >= size
        return AccountPage(items=items, cursor=_cursor(PagePosition(offset=place.offset + size)) if more else "")

    def _of_lists(self, place: PagePosition, ask: Callable[[str], Iterator[Item]], left_out: str) -> AccountPage:
        """All that one list has; the next page is the next list's. Private ones are counted, and stay out."""
        id = place.list or next(iter(self._list_ids()), "")
        if not id:
            return AccountPage()
        try:
            of_list = [*ask(id)]
        except ServiceRefused as error:
            if error.code != "not_found":  # The list was deleted meanwhile.
                raise
            of_list = []
        items = tuple(item for item in of_list if not _is_private(item))
        following = self._after(id)
        out = {left_out: len(of_list) - len(items)} if len(of_list) > len(items) else {}
        return AccountPage(items=items, cursor=_cursor(PagePosition(list=following)) if following else "", left_out=out)

    def _after(self, list_id: str) -> str:
        return next((id for id in self._list_ids() if id > list_id), "")

    def _all(self, path: str, name: str, **query: str | int) -> Iterator[Mapping[str, Any]]:
        offset = 0
        while True:
            documents = objects(self._get(path, count=PAGE, offset=offset, **query), name)
            yield from documents
            offset += PAGE
            if len(documents) < PAGE:
                return

    # -- sections --

    def _lists(self, place: PagePosition) -> AccountPage:
        return self._collection("/lists", "lists", place, _list, exclude_fields="lists._links,lists.stats")

    def _fields(self, place: PagePosition) -> AccountPage:
        return self._of_lists(place, self._fields_of, "donor_fields")

    def _fields_of(self, list_id: str) -> Iterator[Item]:
        for each in self._all(f"/lists/{list_id}/merge-fields", "merge_fields", exclude_fields="merge_fields._links"):
            tag = text(each.get("tag"), 20)
            details = {"tag": tag, **_texts(each, "type", "default_value", "help_text"),
                       "required": each.get("required") is True, "public": each.get("public") is True,
                       "choices": _choices(within(each, "options", "choices")),
                       "order": number(each.get("display_order"))}  # fmt: skip
            if tag:
                yield Item("fields", f"{list_id} {tag}", text(each.get("name"), 200), list_id, details=details)

    def _groups(self, place: PagePosition) -> AccountPage:
        return self._of_lists(place, self._groups_of, "donor_groups")

    def _groups_of(self, list_id: str) -> Iterator[Item]:
        for category in self._all(f"/lists/{list_id}/interest-categories", "categories"):
            path = f"/lists/{list_id}/interest-categories/{_id(category)}/interests"
            title, kind = text(category.get("title"), 200), text(category.get("type"), 20)
            for each in self._all(path, "interests"):
                details = {"category": title, "type": kind, "order": number(each.get("display_order"))}
                if id := _id(each):
                    yield Item("groups", id, text(each.get("name"), 200), list_id, details=details)

    def _tags(self, place: PagePosition) -> AccountPage:
        return self._of_lists(place, self._tags_of, "donor_tags")

    def _tags_of(self, list_id: str) -> Iterator[Item]:
        for each in objects(self._get(f"/lists/{list_id}/tag-search"), "tags"):
            if id := text(each.get("id"), 40):
                yield Item("tags", id, text(each.get("name"), 200), list_id)

    def _segments(self, place: PagePosition) -> AccountPage:
        return self._of_lists(place, self._segments_of, "donor_tags")

    def _segments_of(self, list_id: str) -> Iterator[Item]:
        """Those with conditions. The others are tags."""
        query = {"exclude_fields": "segments._links", "type": "saved"}
        for each in self._all(f"/lists/{list_id}/segments", "segments", **query):
            details = {"match": text(within(each, "options", "match"), 10),
                       "conditions": _conditions(within(each, "options", "conditions"))}  # fmt: skip
            id = text(each.get("id"), 40)
            if id and each.get("type") == "saved":
                yield Item("segments", id, text(each.get("name"), 200), list_id, details=details)

    def _campaigns(self, place: PagePosition) -> AccountPage:
        unwanted = "campaigns._links,campaigns.report_summary,campaigns.tracking"
        return self._collection("/campaigns", "campaigns", place, _campaign, FEW, exclude_fields=unwanted)

    def _templates(self, place: PagePosition) -> AccountPage:
        query = {**_ONLY["templates"], "exclude_fields": "templates._links"}
        return self._collection("/templates", "templates", place, _template, FEW, **query)

    def _files(self, place: PagePosition) -> AccountPage:
        unwanted = "files._links,files.thumbnail_url,files.created_by"
        return self._collection("/file-manager/files", "files", place, _file, FEW, exclude_fields=unwanted)

    def _reports(self, place: PagePosition) -> AccountPage:
        wanted = ("id", "campaign_title", "list_id", "subject_line", "send_time", *_TOTALS)
        fields = ",".join(["total_items", *(f"reports.{name}" for name in wanted)])
        return self._collection("/reports", "reports", place, _report, PAGE, fields=fields)

    # -- contacts --

    def _contacts(self, place: PagePosition) -> AccountPage:
        place = self._first_walk(place)
        if not place.list:
            return AccountPage()
        try:
            return self._complaints(place) if place.walk == "complaints" else self._walk(place)
        except ServiceRefused as error:
            if error.code != "not_found":
                raise
            return AccountPage(cursor=self._next_walk(place, is_last=True))

    def present(self, cursor: str) -> PresentPage:
        """In the same order: whoever is changed meanwhile comes once more, and nobody is passed over."""
        place = self._first_walk(_place(cursor, ""))
        if not place.list or place.walk == "complaints":
            return PresentPage(cursor=self._next_walk(place) if place.list else "")
        try:
            members, following = self._members_at(
                place, fields="members.email_address,members.last_changed,total_items"
            )
        except (ValueError, TypeError):
            raise self._http.error("bad_answer", "members") from None
        except ServiceRefused as error:
            if error.code != "not_found":
                raise
            return PresentPage(cursor=self._next_walk(place, is_last=True))
        addresses = [text(member.get("email_address"), 320).strip() for member in members]
        return PresentPage(tuple((place.list, address) for address in addresses if address), following)

    def _first_walk(self, place: PagePosition) -> PagePosition:
        """Of the first list, where no page was asked for yet."""
        if place.list:
            return place
        return structs.replace(place, list=next(iter(self._list_ids()), ""), walk=_WALKS[0])

    def _members_at(self, place: PagePosition, **which: str) -> tuple[list[Mapping[str, Any]], str]:
        """Sorted by when they were changed. Where the next page begins is told by that time and not by an offset:
        whoever is changed meanwhile moves to the end, so with offsets somebody would be passed over for each. Those
        with one time, as of an import, are told apart by an offset within it."""
        query: dict[str, str | int] = {
            "count": PAGE, "offset": place.offset, "sort_field": "last_changed", "sort_dir": "ASC", **which,
        }  # fmt: skip
        query |= {"status": "archived"} if place.walk == "archived" else {}
        query |= {"since_last_changed": place.since} if place.since else {}
        document = self._get(f"/lists/{place.list}/members", **query)
        members = objects(document, "members")
        is_last = len(members) < PAGE or place.offset > number(within(document, "total_items"))
        return members, self._next_walk(place) if is_last else _cursor(_further(place, members))

    def _walk(self, place: PagePosition) -> AccountPage:
        members, cursor = self._members_at(place, exclude_fields=UNWANTED)
        private_fields, private_tags, private_groups = self._private_of(place.list)
        read = [_contact(member, place.list, private_fields, private_tags, private_groups) for member in members]
        contacts = tuple(contact for contact in read if contact is not None)
        left_out = {"no_address": len(read) - len(contacts)} if len(read) > len(contacts) else {}
        return AccountPage(contacts, cursor=cursor, left_out=left_out)

    def _complaints(self, place: PagePosition) -> AccountPage:
        """Who called an email spam. They are unsubscribed as well, without a word of why."""
        path = f"/lists/{place.list}/abuse-reports"
        document = self._get(path, count=PAGE, offset=place.offset, exclude_fields="abuse_reports.merge_fields")
        reports = objects(document, "abuse_reports")
        contacts = tuple(
            Contact(address, "complained", place.list, left=moment(each.get("date")), is_partial=True)
            for each in reports
            if (address := text(each.get("email_address"), 320).strip())
        )
        more = len(reports) >= PAGE
        further = structs.replace(place, offset=place.offset + PAGE)
        return AccountPage(contacts, cursor=_cursor(further) if more else self._next_walk(place))

    def _next_walk(self, place: PagePosition, *, is_last: bool = False) -> str:
        """Where those of the same list go on, else the next list."""
        walk = _WALKS.index(place.walk) + 1 if place.walk in _WALKS and not is_last else len(_WALKS)
        if walk < len(_WALKS):
            return _cursor(PagePosition(place.list, _WALKS[walk], place.first, place.first))
        following = self._after(place.list)
        return _cursor(PagePosition(following, _WALKS[0], place.first, place.first)) if following else ""

    def _private_of(self, list_id: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """Tags of fields, and ids of tags and groups, that say who gives."""
        if list_id not in self._private:
            self._private[list_id] = (
                frozenset(text(item.details["tag"]) for item in self._fields_of(list_id) if _is_private(item)),
                frozenset(item.id for item in self._tags_of(list_id) if _is_private(item)),
                frozenset(item.id for item in self._groups_of(list_id) if _is_private(item)),
            )
        return self._private[list_id]


# -- what their documents become --------------------------------------------------------------------------------------


def _place(cursor: str, since: str) -> PagePosition:
    first = PagePosition(first=since, since=since)
    try:
        return json.decode(cursor, type=PagePosition) if cursor else first
    except DecodeError:  # Of another version.
        return first


def _cursor(place: PagePosition) -> str:
    return json.encode(place).decode()


def _further(place: PagePosition, members: Sequence[Mapping[str, Any]]) -> PagePosition:
    last = moment(members[-1].get("last_changed"))
    since = (datetime.fromisoformat(last) - timedelta(seconds=1)).isoformat() if last else ""
    if since > place.since:
        return structs.replace(place, since=since, offset=0)
    return structs.replace(place, offset=place.offset + len(members) - OVERLAP)


def _id(document: Mapping[str, Any]) -> str:
    """Of what stands in a path: letters and digits."""
    id = text(document.get("id"), 40)
    return id if id.isascii() and id.isalnum() else ""


def _texts(document: Mapping[str, Any], *names: str) -> dict[str, str]:
    return {name: text(document.get(name)) for name in names}


def _choices(value: object) -> list[str]:
    return [text(choice, 200) for choice in value[:200]] if isinstance(value, list) else []


def _conditions(value: object) -> list[dict[str, Any]]:
    """As the service writes them: a value is a text, a number, or a list of those."""
    kept = []
    for condition in value[:100] if isinstance(value, list) else ():
        if isinstance(condition, dict):
            plain = {text(name, 60): held for name, held in list(condition.items())[:20]}
            kept.append(
                {name: _choices(held) if isinstance(held, list) else text(held) for name, held in plain.items()}
            )
    return kept


def _is_private(item: Item) -> bool:
    match item.section:
        case "fields":
            return is_private_label(item.name) or is_private_label(text(item.details["tag"]))
        case "groups":
            return is_private_tag(item.name) or is_private_label(text(item.details["category"]))
        case _:
            return is_private_tag(item.name)


def _list(each: Mapping[str, Any]) -> Item | None:
    defaults = each.get("campaign_defaults")
    details = {
        **_texts(each, "permission_reminder", "date_created", "visibility", "subscribe_url_long"),
        "double_optin": each.get("double_optin") is True,
        "defaults": _texts(defaults, "from_name", "from_email", "subject", "language") if isinstance(defaults, dict)
        else {},
    }  # fmt: skip
    id = _id(each)
    return Item("lists", id, text(each.get("name"), 200), details=details) if id else None


def _campaign(each: Mapping[str, Any]) -> Item | None:
    status, sent = text(each.get("status"), 20), moment(each.get("send_time"))
    settings = within(each, "settings") or {}
    details = {
        **_texts(each, "type", "content_type", "archive_url"),
        "status": status,
        "created": moment(each.get("create_time")),
        "sent": sent,
        "list": text(within(each, "recipients", "list_id"), 40),
        **_texts(settings, "subject_line", "preview_text", "title", "from_name", "reply_to", "to_name"),
    }
    # One that was sent stays as it is; all others may be other ones the next time.
    stamp = f"{status} {sent}" if status == "sent" and sent else ""
    name = details["title"] or details["subject_line"]
    id = _id(each)
    return Item("campaigns", id, name, stamp=stamp, has_body=True, details=details) if id else None


def _template(each: Mapping[str, Any]) -> Item | None:
    edited = moment(each.get("date_edited"))
    details = {**_texts(each, "type", "category", "content_type"), "edited": edited,
               "drag_and_drop": each.get("drag_and_drop") is True}  # fmt: skip
    id = _id(each)
    return (
        Item("templates", id, text(each.get("name"), 200), stamp=edited, has_body=True, details=details) if id else None
    )


def _file(each: Mapping[str, Any]) -> Item | None:
    added, size, url = moment(each.get("created_at")), number(each.get("size")), text(each.get("full_size_url"))
    details = {**_texts(each, "type"), "url": url, "size": size, "added": added}
    id = _id(each)
    stamp = f"{size} {added}"
    return (
        Item("files", id, text(each.get("name"), 200), stamp=stamp, has_body=bool(url), details=details) if id else None
    )


def _report(each: Mapping[str, Any]) -> Item | None:
    """Numbers alone, and none of a number that is no count."""
    totals: dict[str, int] = {}
    for name in _TOTALS:
        held = each.get(name)
        parts = {f"{name}.{part}": count for part, count in held.items()} if isinstance(held, dict) else {name: held}
        totals |= {part: number(count) for part, count in parts.items() if isinstance(count, int)}
    details = {"list": text(each.get("list_id"), 40), "sent": moment(each.get("send_time")), "totals": totals}
    id = _id(each)
    return Item("reports", id, text(each.get("campaign_title"), 200), details=details) if id else None


def _contact(
    member: Mapping[str, Any],
    list_id: str,
    private_fields: frozenset[str],
    private_tags: frozenset[str],
    private_groups: frozenset[str],
) -> Contact | None:
    address = text(member.get("email_address"), 320).strip()
    if not address:
        return None
    status = text(member.get("status"), 20)
    status = STATUSES.get(status, status)
    tags = [text(tag.get("id"), 40) for tag in member.get("tags") or () if isinstance(tag, dict)]
    groups = [id for id, chosen in (member.get("interests") or {}).items() if chosen is True]
    permissions = {
        text(each.get("marketing_permission_id"), 40): each.get("enabled") is True
        for each in member.get("marketing_permissions") or ()
        if isinstance(each, dict)
    }
    return bounded(
        Contact(
            address,
            status if status in KNOWN else "nonsubscribed",
            list_id,
            signed_up=moment(member.get("timestamp_signup")),
            opted_in=moment(member.get("timestamp_opt")),
            changed=moment(member.get("last_changed")),
            reason=text(member.get("unsubscribe_reason")),
            source=text(member.get("source"), 200),
            language=text(member.get("language"), 20),
            vip=member.get("vip") is True,
            fields=_values(member.get("merge_fields"), private_fields),
            tags=tuple(tag for tag in tags if tag and tag not in private_tags),
            groups=tuple(text(id, 40) for id in groups if id not in private_groups),
            permissions=permissions,
        )
    )


def _values(held: object, private: frozenset[str]) -> dict[str, str]:
    """Of their fields those that say something. A postal address is one value, as in their exports."""
    values = {}
    for tag, value in held.items() if isinstance(held, dict) else ():
        if tag in private:
            continue
        if isinstance(value, dict):
            parts = [text(value.get(part), 200) for part in _ADDRESS]
            value = "  ".join(part for name, part in zip(_ADDRESS, parts, strict=True) if part or name != "addr2")
            value = value if any(parts) else ""
        if written := text(value).strip():
            values[text(tag, 60)] = written
    return values
