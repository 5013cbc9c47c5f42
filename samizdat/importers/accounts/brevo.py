"""Brevo's API v3, as far as an account is read by it: lists, contacts and attributes.

Written from its public reference (developers.brevo.com), and tried against a server that we play ourselves. It doesn't
tell when somebody agreed or left. It can be asked for contacts that were changed, but not for those who were deleted or
taken off a list, so everybody is asked for each night.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from samizdat.core.account_copy import AccountPage, AccountTotals, Contact, Item, bounded, moment, text
from samizdat.importers.accounts.base import (
    AccountSettings,
    is_private_label,
    number,
    objects,
    within,
)
from samizdat.importers.accounts.http import HttpAccount

# Their most of contacts, and of lists.
PAGE, LISTS = 1_000, 50
# Contacts that two pages share: somebody may be deleted while we turn the page.
OVERLAP = 25
NAMES = {"FIRSTNAME": "FNAME", "LASTNAME": "LNAME"}


class BrevoAccount(HttpAccount):
    name = "brevo"
    label = "Brevo"
    key_example = "xkeysib-0123…cdef"
    key_help = "In Brevo under SMTP & API, API keys."
    sections = ("lists", "fields", "contacts")
    lacks = ("unlisted", "times", "campaigns", "templates", "files", "automations", "forms")
    tells_changes = False
    key_shape = re.compile(r"[0-9A-Za-z_-]{20,200}")
    host = "api.brevo.com"

    def __init__(self, settings: AccountSettings) -> None:
        super().__init__(settings)
        self._ids: list[str] | None = None

    def headers(self) -> dict[str, str]:
        return {"api-key": self.settings.key}

    def ping(self) -> None:
        self._http.get("/v3/account")

    def totals(self) -> AccountTotals:
        account = self._http.get("/v3/account")
        total = number(within(self._http.get("/v3/contacts", limit=1, offset=0), "count"))
        lists = number(within(self._http.get("/v3/contacts/lists", limit=1, offset=0), "count"))
        return AccountTotals(text(within(account, "companyName"), 200), total, sections={"lists": lists})

    def page(self, section: str, cursor: str, since: str) -> AccountPage:
        try:
            match section:
                case "lists":
                    return self._lists(number(cursor))
                case "fields":
                    return self._fields()
                case _:
                    return self._contacts(number(cursor))
        except (ValueError, TypeError):
            raise self._http.error("bad_answer", section) from None

    def body(self, item: Item) -> bytes:
        return b""

    def _list_ids(self) -> Sequence[str]:
        """Of all lists, asked once."""
        if self._ids is None:
            self._ids, cursor = [], "0"
            while cursor:
                page = self._lists(number(cursor))
                self._ids += [item.id for item in page.items]
                cursor = page.cursor
        return self._ids

    def _lists(self, offset: int) -> AccountPage:
        document = self._http.get("/v3/contacts/lists", limit=LISTS, offset=offset, sort="asc")
        documents = objects(document, "lists") if within(document, "lists") is not None else []
        items = tuple(
            Item("lists", id, text(each.get("name"), 200)) for each in documents if (id := text(each.get("id"), 40))
        )
        return AccountPage(items=items, cursor=str(offset + LISTS) if len(documents) >= LISTS else "")

    def _fields(self) -> AccountPage:
        """Those of all contacts are of every list."""
        attributes = objects(self._http.get("/v3/contacts/attributes"), "attributes")
        names = [text(each.get("name"), 60) for each in attributes if each.get("category") in ("normal", "category")]
        names = [name for name in names if name and name != "EMAIL"]
        kept = [name for name in names if not is_private_label(name)]
        left_out = {"donor_fields": len(names) - len(kept)} if len(names) > len(kept) else {}
        items = tuple(
            Item("fields", name, name, details={"tag": NAMES.get(name, name), "of_all": True}) for name in kept
        )
        return AccountPage(items=items, left_out=left_out)

    def _contacts(self, offset: int) -> AccountPage:
        """In the order in which they were created, so that nobody moves while we turn the pages."""
        documents = objects(self._http.get("/v3/contacts", limit=PAGE, offset=offset, sort="asc"), "contacts")
        contacts = tuple(contact for each in documents for contact in _contacts(each, self._list_ids))
        return AccountPage(contacts, cursor=str(offset + PAGE - OVERLAP) if len(documents) >= PAGE else "")


def _contacts(each: Mapping[str, Any], list_ids: Callable[[], Sequence[str]]) -> Iterator[Contact]:
    """One for each list that they are or were on. Who is blocklisted gets nothing from any: where they are on none,
    their no is kept with each."""
    address = text(each.get("email"), 320).strip()
    on, left = _ids(each.get("listIds")), _ids(each.get("listUnsubscribed"))
    is_blocked = each.get("emailBlacklisted") is True
    ids = [*on, *left] or (list_ids() if is_blocked else [])
    for id in dict.fromkeys(ids) if address else ():
        is_out = is_blocked or id in left
        yield bounded(
            Contact(
                address,
                "unsubscribed" if is_out else "subscribed",
                id,
                signed_up=moment(each.get("createdAt")),
                changed=moment(each.get("modifiedAt")),
                fields=_values(each.get("attributes")),
            )
        )


def _ids(value: object) -> list[str]:
    return [text(id, 40) for id in value if text(id, 40)] if isinstance(value, list) else []


def _values(held: object) -> dict[str, str]:
    values = {text(name, 60): text(value).strip() for name, value in (held.items() if isinstance(held, dict) else ())}
    return {NAMES.get(name, name): value for name, value in values.items() if value and not is_private_label(name)}
