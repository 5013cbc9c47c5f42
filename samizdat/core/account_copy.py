"""What is known of an account at another newsletter service while a copy of it is kept: contacts, lists, campaigns.

Values alone. Importers fill them from what a service answers (importers/accounts), the app seals them (standing).
What shows who opened or clicked what, where somebody is, or who gives money has no place in them: it is dropped where
the answer is read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, json, structs

from samizdat.core.crypto.seal import BLOB_OVERHEAD

# How a contact stands there. Their places are stored: append only.
STATUSES = ("subscribed", "unsubscribed", "cleaned", "nonsubscribed", "pending", "archived", "complained")
# Of these the person or their mailbox said no.
OUT = frozenset({"unsubscribed", "cleaned", "complained"})
DELETED = "deleted"
# Subscribed, but asked what they agree to get, and ticked nothing (Mailchimp's marketing permissions).
UNTICKED = "no_permission"
# What an account is made of, in the order in which it is copied: what nobody can write again comes first. Their places
# are stored: append only.
SECTIONS = ("lists", "fields", "groups", "tags", "contacts", "segments", "campaigns", "templates", "files", "reports")

# Characters of one value; values of one contact; bytes of what is sealed of one contact or thing, without its body.
LONGEST, MOST_VALUES, MOST_BYTES = 2_000, 250, 60_000 - BLOB_OVERHEAD
# Bytes of a body: of a campaign, template or file.
MOST_BODY = 32 << 20


class Contact(Struct, frozen=True, omit_defaults=True):
    """Somebody on one list of the account. Times are ISO 8601 in UTC, "" for unknown.

    list: the service's id, "" where it has none. left, reason: since when they are OUT, and why. returned: when they
    agreed anew after that. fields: tag of the field -> value. tags, groups: the service's ids. permissions: id of what
    was asked -> whether they agreed. is_partial: no more was said of them than that they are out, or whether they are
    there. gone: when it was noticed that the service has them no longer.
    """

    address: str = ""
    status: str = "nonsubscribed"
    list: str = ""
    signed_up: str = ""
    opted_in: str = ""
    changed: str = ""
    left: str = ""
    reason: str = ""
    returned: str = ""
    source: str = ""
    language: str = ""
    vip: bool = False
    fields: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    permissions: dict[str, bool] = {}
    is_partial: bool = False
    gone: str = ""


class Item(Struct, frozen=True, omit_defaults=True):
    """Whatever else an account has: one of SECTIONS. id: the service's. list: of the list that it belongs to.

    has_body: it has a content of its own, which is asked for where `stamp` is another one than at the last time, or
    empty. details: as the service calls it, and no more than is needed to have it elsewhere.
    """

    section: str = ""
    id: str = ""
    name: str = ""
    list: str = ""
    stamp: str = ""
    has_body: bool = False
    details: dict[str, Any] = {}


class AccountPage(Struct, frozen=True):
    """Some of a section. cursor: where the next page begins, "" after the last one."""

    contacts: tuple[Contact, ...] = ()
    items: tuple[Item, ...] = ()
    cursor: str = ""
    # What stayed out at the door, by kind.
    left_out: dict[str, int] = {}


class PresentPage(Struct, frozen=True):
    """Whom the service has, and no more of them. keys: list and address. cursor: as of AccountPage."""

    keys: tuple[tuple[str, str], ...] = ()
    cursor: str = ""


class AccountTotals(Struct, frozen=True, omit_defaults=True):
    """What the service says that there is, asked in a few seconds. contacts: of all lists, where it tells.

    lists: id -> how many contacts. sections: other SECTIONS -> how many. uncopied: what cannot be had by the interface,
    by kind: how many.
    """

    title: str = ""
    contacts: int = 0
    lists: dict[str, int] = {}
    sections: dict[str, int] = {}
    uncopied: dict[str, int] = {}


def fold(before: Contact | None, now: Contact) -> Contact:
    """What is kept of a contact who was here before: whoever left stays out, whatever the service says later, until
    they agree anew at a later time than that.

    An account that is being closed, a tool that writes everybody in anew, or somebody at the service may call them
    subscribed again, or archive them, which says nothing of why.
    """
    if is_presence(now):
        return structs.replace(before or now, gone=now.gone)
    if now.status in OUT:
        return _with_reason(before, now)
    if before is None:
        return now
    if before.status not in OUT:
        return structs.replace(now, left=before.left, reason=before.reason, returned=before.returned)
    if now.status == "subscribed" and before.left and now.opted_in > before.left:
        return structs.replace(now, left=before.left, reason=before.reason, returned=now.opted_in)
    return structs.replace(now, status=before.status, left=before.left, reason=before.reason, returned=before.returned)


def presence(list_id: str, address: str, gone: str) -> Contact:
    """What is written of somebody who is gone from the service, or there again."""
    return Contact(address, list=list_id, is_partial=True, gone=gone)


def is_presence(contact: Contact) -> bool:
    return contact.is_partial and contact.status not in OUT


def standing(contact: Contact, *, keep_deleted: bool = False, keep_unticked: bool = False) -> str:
    """One of STATUSES; DELETED: the service has them no longer, and may have been asked to; or UNTICKED. A no outlasts
    both. keep_deleted, keep_unticked: as they were otherwise."""
    if contact.gone and contact.status not in OUT and not keep_deleted:
        return DELETED
    is_unticked = contact.status == "subscribed" and contact.permissions and not any(contact.permissions.values())
    return UNTICKED if is_unticked and not keep_unticked else contact.status


def _with_reason(before: Contact | None, now: Contact) -> Contact:
    """Who was out already has left then, and not when something else of them was changed. A complaint is no less of one
    because they unsubscribed as well."""
    if before is not None and now.is_partial:
        left = before.left if before.status in OUT else now.left
        reason = now.reason or before.reason
        return structs.replace(before, status=now.status, left=left or now.left, reason=reason)
    if before is None or before.status not in OUT:
        return structs.replace(now, left=now.left or now.changed)
    status = "complained" if before.status == "complained" else now.status
    return structs.replace(
        now,
        status=status,
        left=before.left or now.left or now.changed,
        reason=now.reason or before.reason,
        returned=before.returned,
    )


def bounded(contact: Contact) -> Contact:
    """Of a size that a row has room for: what is beyond is cut. No service has contacts as large."""
    held = structs.replace(
        contact,
        address=contact.address[:LONGEST],
        reason=contact.reason[:LONGEST],
        source=contact.source[:LONGEST],
        fields={name[:LONGEST]: value[:LONGEST] for name, value in [*contact.fields.items()][:MOST_VALUES]},
        tags=contact.tags[:MOST_VALUES],
        groups=contact.groups[:MOST_VALUES],
        permissions=dict([*contact.permissions.items()][:MOST_VALUES]),
    )
    if _size(held) <= MOST_BYTES:
        return held
    bare = structs.replace(held, fields={})
    if _size(bare) > MOST_BYTES // 2:
        bare = structs.replace(bare, tags=(), groups=(), permissions={})
    return structs.replace(bare, fields=_fitting(held.fields, MOST_BYTES - _size(bare) - 20))


def _size(value: object) -> int:
    return len(json.encode(value))


def _fitting(fields: Mapping[str, str], room: int) -> dict[str, str]:
    """The first of them that fit."""
    kept = {}
    for name, value in fields.items():
        room -= _size(name) + _size(value) + 2
        if room < 0:
            break
        kept[name] = value
    return kept


def moment(value: object) -> str:
    """A time as a service writes it (ISO 8601, or seconds since 1970), in UTC by seconds; "" for none."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return _written(datetime.fromtimestamp(value, UTC))
        if isinstance(value, str) and 8 <= len(value) <= 40:
            parsed = datetime.fromisoformat(value)
            return _written(parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC))
    except (ValueError, OverflowError, OSError):
        pass
    return ""


def _written(at: datetime) -> str:
    return at.replace(microsecond=0).isoformat()


def text(value: object, limit: int = LONGEST) -> str:
    """A text or number as text, without what no database stores: NUL and halves of characters."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str):
        return ""
    return value[:limit].replace("\0", "").encode("utf-8", "replace").decode()
