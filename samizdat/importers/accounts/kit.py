"""Kit's API v4, as far as an account is read by it: contacts, fields and tags.

Written from its public reference (developers.kit.com), and tried against a server that we play ourselves. It doesn't
tell when somebody confirmed or left. Who has a tag is told by the tag alone, so each is asked for its contacts.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from samizdat.core.account_copy import AccountPage, AccountTotals, Contact, Item, bounded, moment, text
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

PAGE = 500
STATUSES = {"active": "subscribed", "cancelled": "unsubscribed", "bounced": "cleaned", "complained": "complained",
            "inactive": "pending"}  # fmt: skip


class KitAccount(HttpAccount):
    name = "kit"
    label = "Kit"
    key_example = "kit_0123…cdef"
    key_help = "In Kit under Settings, Developer, API keys (V4)."
    sections = ("fields", "tags", "contacts")
    lacks = ("times", "campaigns", "templates", "files", "automations", "forms")
    tells_changes = False
    key_shape = re.compile(r"[0-9A-Za-z_-]{16,200}")
    host = "api.kit.com"

    def __init__(self, settings: AccountSettings) -> None:
        super().__init__(settings)
        # Id of a contact -> ids of their tags.
        self._tagged: dict[str, list[str]] | None = None

    def headers(self) -> dict[str, str]:
        return {"X-Kit-Api-Key": self.settings.key}

    def ping(self) -> None:
        self._http.get("/v4/account")

    def totals(self) -> AccountTotals:
        account = self._http.get("/v4/account")
        counted = self._http.get("/v4/subscribers", status="all", per_page=1, include_total_count="true")
        total = number(within(counted, "pagination", "total_count"))
        return AccountTotals(text(within(account, "account", "name"), 200), total, {"": total})

    def page(self, section: str, cursor: str, since: str) -> AccountPage:
        try:
            match section:
                case "fields":
                    return self._fields(cursor)
                case "tags":
                    return self._tags(cursor)
                case _:
                    return self._contacts(cursor)
        except (ValueError, TypeError):
            raise self._http.error("bad_answer", section) from None

    def body(self, item: Item) -> bytes:
        return b""

    def _page(self, path: str, name: str, cursor: str, **query: str | int) -> tuple[list[Mapping[str, Any]], str]:
        document = self._http.get(path, per_page=PAGE, **query, **({"after": cursor} if cursor else {}))
        more = within(document, "pagination", "has_next_page") is True
        return objects(document, name), text(within(document, "pagination", "end_cursor"), 500) if more else ""

    def _fields(self, cursor: str) -> AccountPage:
        documents, further = self._page("/v4/custom_fields", "custom_fields", cursor)
        items = [
            Item("fields", key, text(each.get("label"), 200), details={"tag": key})
            for each in documents
            if (key := text(each.get("key"), 60))
        ]
        kept = tuple(item for item in items if not _is_private(item))
        left_out = {"donor_fields": len(items) - len(kept)} if len(items) > len(kept) else {}
        first = () if cursor else (Item("fields", "FNAME", "First Name", details={"tag": "FNAME"}),)
        return AccountPage(items=(*first, *kept), cursor=further, left_out=left_out)

    def _tags(self, cursor: str) -> AccountPage:
        documents, further = self._page("/v4/tags", "tags", cursor)
        items = [
            Item("tags", id, text(each.get("name"), 200)) for each in documents if (id := text(each.get("id"), 40))
        ]
        kept = tuple(item for item in items if not is_private_tag(item.name))
        left_out = {"donor_tags": len(items) - len(kept)} if len(items) > len(kept) else {}
        return AccountPage(items=kept, cursor=further, left_out=left_out)

    def _contacts(self, cursor: str) -> AccountPage:
        documents, further = self._page("/v4/subscribers", "subscribers", cursor, status="all")
        if self._tagged is None:
            self._tagged = self._ask_who_is_tagged()
        tagged = self._tagged
        contacts = [
            _contact(each, tagged.get(text(each.get("id"), 40), ())) for each in documents if _has_address(each)
        ]
        return AccountPage(tuple(contacts), cursor=further)

    def _ask_who_is_tagged(self) -> dict[str, list[str]]:
        tagged: dict[str, list[str]] = {}
        for tag in self._all_tags():
            try:
                for id in self._with_tag(tag):
                    tagged.setdefault(id, []).append(tag)
            except ServiceRefused as error:
                if error.code != "not_found":  # Deleted meanwhile.
                    raise
        return tagged

    def _all_tags(self) -> Iterator[str]:
        cursor, is_more = "", True
        while is_more:
            page = self._tags(cursor)
            yield from (item.id for item in page.items)
            cursor, is_more = page.cursor, bool(page.cursor)

    def _with_tag(self, tag: str) -> Iterator[str]:
        cursor, is_more = "", True
        while is_more:
            documents, cursor = self._page(f"/v4/tags/{tag}/subscribers", "subscribers", cursor, status="all")
            yield from (id for each in documents if (id := text(each.get("id"), 40)))
            is_more = bool(cursor)


def _is_private(item: Item) -> bool:
    return is_private_label(item.name) or is_private_label(item.id)


def _has_address(each: Mapping[str, Any]) -> bool:
    return bool(text(each.get("email_address")).strip())


def _contact(each: Mapping[str, Any], tags: Sequence[str]) -> Contact:
    held = each.get("fields")
    fields = {text(key, 60): text(value).strip() for key, value in (held.items() if isinstance(held, dict) else ())}
    fields["FNAME"] = text(each.get("first_name"), 200).strip()
    return bounded(
        Contact(
            text(each.get("email_address"), 320).strip(),
            STATUSES.get(text(each.get("state"), 20), "nonsubscribed"),
            signed_up=moment(each.get("created_at")),
            fields={key: value for key, value in fields.items() if value and not is_private_label(key)},
            tags=tuple(tags),
        )
    )
