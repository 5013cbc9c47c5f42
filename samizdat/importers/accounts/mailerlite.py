"""MailerLite's API (connect.mailerlite.com), as far as an account is read by it: contacts, groups and fields.

Written from its public reference (developers.mailerlite.com), and tried against a server that we play ourselves.
"""

import re
from collections.abc import Mapping
from typing import Any

from samizdat.core.account_copy import AccountPage, AccountTotals, Contact, Item, bounded, moment, text
from samizdat.importers.accounts.base import (
    is_private_label,
    is_private_tag,
    number,
    objects,
    within,
)
from samizdat.importers.accounts.http import HttpAccount

# Their most.
PAGE = 100
STATUSES = {"active": "subscribed", "unsubscribed": "unsubscribed", "unconfirmed": "pending", "bounced": "cleaned",
            "junk": "unsubscribed"}  # fmt: skip
NAMES = {"name": "FNAME", "last_name": "LNAME"}


class MailerLiteAccount(HttpAccount):
    name = "mailerlite"
    label = "MailerLite"
    key_example = "eyJ0…"
    key_help = "In MailerLite under Integrations, MailerLite API."
    sections = ("fields", "tags", "contacts")
    lacks = ("campaigns", "templates", "files", "automations", "forms")
    tells_changes = False
    key_shape = re.compile(r"[0-9A-Za-z._-]{16,4000}")
    host = "connect.mailerlite.com"

    def headers(self) -> dict[str, str]:
        """Both are wanted of every request, also of one without a body."""
        return {"Authorization": f"Bearer {self.settings.key}", "Content-Type": "application/json"}

    def ping(self) -> None:
        self._http.get("/api/subscribers", limit=0)

    def totals(self) -> AccountTotals:
        total = number(within(self._http.get("/api/subscribers", limit=0), "total"))
        return AccountTotals("", total, {"": total})

    def page(self, section: str, cursor: str, since: str) -> AccountPage:
        try:
            if section == "contacts":
                return self._contacts(cursor)
            return self._fields(cursor) if section == "fields" else self._groups(cursor)
        except (ValueError, TypeError):
            raise self._http.error("bad_answer", section) from None

    def body(self, item: Item) -> bytes:
        return b""

    def _numbered(self, path: str, cursor: str) -> tuple[list[Mapping[str, Any]], str]:
        page = number(cursor) or 1
        documents = objects(self._http.get(path, limit=PAGE, page=page), "data")
        return documents, str(page + 1) if len(documents) >= PAGE else ""

    def _fields(self, cursor: str) -> AccountPage:
        documents, further = self._numbered("/api/fields", cursor)
        items = [
            Item("fields", key, text(each.get("name"), 200), details={"tag": NAMES.get(key, key)})
            for each in documents
            if (key := text(each.get("key"), 60))
        ]
        kept = tuple(item for item in items if not is_private_label(item.name) and not is_private_label(item.id))
        left_out = {"donor_fields": len(items) - len(kept)} if len(items) > len(kept) else {}
        return AccountPage(items=kept, cursor=further, left_out=left_out)

    def _groups(self, cursor: str) -> AccountPage:
        """They serve as tags there: somebody is in several."""
        documents, further = self._numbered("/api/groups", cursor)
        items = [
            Item("tags", id, text(each.get("name"), 200)) for each in documents if (id := text(each.get("id"), 40))
        ]
        kept = tuple(item for item in items if not is_private_tag(item.name))
        left_out = {"donor_tags": len(items) - len(kept)} if len(items) > len(kept) else {}
        return AccountPage(items=kept, cursor=further, left_out=left_out)

    def _contacts(self, cursor: str) -> AccountPage:
        query = {"cursor": cursor} if cursor else {}
        document = self._http.get("/api/subscribers", limit=PAGE, include="groups", **query)
        contacts = tuple(_contact(each) for each in objects(document, "data") if text(each.get("email")).strip())
        return AccountPage(contacts, cursor=text(within(document, "meta", "next_cursor"), 2_000))


def _contact(each: Mapping[str, Any]) -> Contact:
    held, groups = each.get("fields"), each.get("groups")
    status = STATUSES.get(text(each.get("status"), 20), "nonsubscribed")
    keys = {text(key, 60): text(value).strip() for key, value in (held.items() if isinstance(held, dict) else ())}
    fields = {NAMES.get(key, key): value for key, value in keys.items()}
    return bounded(
        Contact(
            text(each.get("email"), 320).strip(),
            status,
            signed_up=moment(each.get("subscribed_at") or each.get("created_at")),
            opted_in=moment(each.get("opted_in_at")),
            changed=moment(each.get("updated_at")),
            left=moment(each.get("unsubscribed_at")) if status == "unsubscribed" else "",
            source=text(each.get("source"), 200),
            fields={key: value for key, value in fields.items() if value and not is_private_label(key)},
            tags=tuple(
                text(group.get("id"), 40)
                for group in (groups if isinstance(groups, list) else ())
                if isinstance(group, dict) and not is_private_tag(text(group.get("name"), 200))
            ),
        )
    )
