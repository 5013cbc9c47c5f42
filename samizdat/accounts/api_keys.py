"""Keys of the API: what a program may do here, until a day, at all lists or at some.

A key is shown once. What is kept of it is a keyed hash, with a MAC over what it grants (row_macs.py); of its use the
last day. A key that somebody creates in the app waits as an invitation does (pending_changes.py), and works for as long
as they are an admin: what they may no longer do, their keys don't do either.
"""

import secrets
import string
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from msgspec import Struct

from samizdat.accounts import memberships, pending_changes, recent_api_keys, row_macs, sealed_settings
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import ApiKey, Organization, Person
from samizdat.core.crypto import seal
from samizdat.events.actions import record
from samizdat.vault import keyring, locks
from samizdat.vault.errors import OrganizationLocked

# Scope -> what it allows.
SCOPES: dict[str, Promise] = {
    "subscribers:read": lazy("Read subscribers, with their addresses"),
    "subscribers:write": lazy("Add and change subscribers"),
    "subscribers:erase": lazy("Erase subscribers, 20 a day at most"),
    "audience:write": lazy("Create and change lists, segments and tags"),
    "campaigns:read": lazy("Read campaigns and their results"),
    "campaigns:write": lazy("Create and change drafts"),
    "campaigns:send": lazy("Check, test, send, pause and cancel campaigns"),
    "webhooks": lazy("Manage webhooks"),
    "routes:read": lazy("Read how sending routes stand"),
    "routes:write": lazy("Pause and resume sending routes"),
    "log:read": lazy("Read the activity log"),
}
BEGINNING = "smz_"
LENGTH = 40  # Characters after that, of 62 each: 238 bits.
SHOWN = len(BEGINNING) + 4  # By so many a key is recognized in the list of keys.
LONGEST_NAME, MOST, MOST_LISTS = 80, 50, 100
LONGEST_CONSENT = 2_000
DAYS, MOST_DAYS = 365, 1825
_SIGNS = string.ascii_letters + string.digits


class ApiKeyRefused(AccountError):
    code = "api_key_refused"


class ApiKeyInvalid(AccountError):
    """No key, or one that was revoked, has expired, or waits: nobody outside learns which."""

    code = "api_key_invalid"


class ApiKeyDetails(Struct, frozen=True):
    """What is sealed of a key. beginning: its first SHOWN characters. consent: what whoever it brings has agreed to,
    for programs that don't say so themselves; "" where they are asked to confirm."""

    name: str
    beginning: str
    consent: str = ""


class PendingKey(Struct, frozen=True):
    """What is sealed of a key that waits. token: the hash that stands in the row, in hex."""

    name: str
    scopes: str
    lists: list[int]
    token: str
    expires: datetime
    consent: str = ""


@dataclass(frozen=True, slots=True)
class ApiKeyView:
    """state: active, waiting, expired, revoked, or ended, when whoever created it is no longer an admin."""

    id: int
    name: str
    beginning: str
    scopes: tuple[str, ...]
    lists: tuple[int, ...]
    by: Person | None
    created: date
    expires: datetime
    used: date | None
    state: str


def add(
    organization: Organization,
    name: str,
    scopes: Collection[str],
    *,
    lists: Iterable[int] = (),
    days: int = DAYS,
    consent: str = "",
    now: datetime,
    by: Person | None,
) -> tuple[str, ApiKey]:
    """The key, which nobody can show again, and its row. lists: numbers of those it is bound to; none: all. consent: as
    ApiKeyDetails. What a person asks for in the app waits (pending_changes.held). Errors: ApiKeyRefused."""
    name, consent = " ".join(name.split()), consent.strip()
    _check(organization, name, scopes, days, now)
    bound = sorted(set(lists))
    if len(bound) > MOST_LISTS:
        raise ApiKeyRefused(_("A key can be bound to at most %(n)s lists.") % {"n": MOST_LISTS})
    if len(consent) > LONGEST_CONSENT:
        raise ApiKeyRefused(_("What people agree to can have at most %(n)s characters.") % {"n": LONGEST_CONSENT})
    token = BEGINNING + "".join(secrets.choice(_SIGNS) for _sign in range(LENGTH))
    granted = " ".join(scope for scope in SCOPES if scope in scopes)
    with transaction.atomic():
        row = ApiKey.objects.create(
            organization=organization,
            token_hash=hashes(token)[0],
            scopes=granted,
            lists=bound,
            by=by,
            created=organization.day_of(now),
            expires=now + timedelta(days=days),
        )
        details = ApiKeyDetails(name, token[:SHOWN], consent)
        row.details_sealed = keyring.keys(organization).seal_json(details, "apikey", "details", row.pk)
        row.save(update_fields=["details_sealed"])
        detail = {"name": name, "scopes": granted, "lists": bound}
        record("api_key.created", organization, now=now, by=by, about=row.pk, detail=detail)
        if by is not None and pending_changes.held(organization, by):
            waits = PendingKey(name, granted, bound, hashes(token)[0].hex(), row.expires, consent)
            pending_changes.ask(organization, "api_key", waits, about=row.pk, now=now, by=by)
        else:
            sign(row)
    return token, row


def _check(organization: Organization, name: str, scopes: Collection[str], days: int, now: datetime) -> None:
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        sentence = _("Give the key a name of at most %(n)s characters that says what will use it.")
        raise ApiKeyRefused(sentence % {"n": LONGEST_NAME})
    if unknown := sorted(set(scopes) - SCOPES.keys()):
        sentence = _("There is no access called %(scope)s. Use one of: %(scopes)s.")
        raise ApiKeyRefused(sentence % {"scope": unknown[0], "scopes": ", ".join(SCOPES)})
    if not scopes:
        raise ApiKeyRefused(_("Choose what the key may do."))
    if not 1 <= days <= MOST_DAYS:
        raise ApiKeyRefused(_("A key works for between 1 and %(n)s days.") % {"n": MOST_DAYS})
    if ApiKey.objects.filter(organization=organization, revoked=None, expires__gt=now).count() >= MOST:
        raise ApiKeyRefused(_("There are already %(n)s keys. Revoke one first.") % {"n": MOST})


def sign(row: ApiKey) -> None:
    row.mac = row_macs.mac(*row_macs.of_api_key(row))
    row.save(update_fields=["mac"])


def revoke(organization: Organization, number: int, *, now: datetime, by: Person | None) -> bool:
    """It opens nothing any more, whatever its row says; whether it could be used until now."""
    with transaction.atomic():
        name = _name_of(organization, number)
        if not end(organization, number, now):
            return False
        pending_changes.stop_about(organization, "api_key", number, now=now, by=by)
        record("api_key.revoked", organization, now=now, by=by, about=number, detail={"name": name})
    return True


def end(organization: Organization, number: int, now: datetime) -> bool:
    """As revoke(), in the caller's transaction, who records why. The row is the lock."""
    mine = ApiKey.objects.filter(organization=organization, pk=number, revoked=None)
    expires = mine.values_list("expires", flat=True).first()
    if expires is None or not mine.update(revoked=now, mac=b""):
        return False
    sealed_settings.note_ended(organization, _mark(number), expires, now)
    return True


def authenticate(token: str, now: datetime) -> ApiKey:
    """The row of a key that works, with its organization. Its use today is noted. Errors: ApiKeyInvalid,
    OrganizationLocked."""
    possible = hashes(token) if token.startswith(BEGINNING) and len(token) == len(BEGINNING) + LENGTH else []
    seen = recent_api_keys.seen(possible) if possible else None
    row = recent_api_keys.row_of(possible[0], seen, now) if seen else None
    if row is None:
        rows = ApiKey.objects.select_related("organization", "by")
        row = rows.filter(token_hash__in=possible).first() if possible else None
        if row is None or state_of(row, now) != "active":
            raise ApiKeyInvalid(_("This API key isn’t valid. Create another one under Settings, API."))
        if seen:
            recent_api_keys.keep(possible[0], seen, row)
    if locks.is_locked(row.organization):
        raise OrganizationLocked
    today = row.organization.day_of(now)
    if row.used != today:
        ApiKey.objects.filter(pk=row.pk).update(used=today)
        row.used = today
    return row


def state_of(row: ApiKey, now: datetime) -> str:
    """As ApiKeyView.state."""
    if row.revoked is not None or _mark(row.pk) in sealed_settings.leading(row.organization).ended:
        return "revoked"
    if row.expires <= now:
        return "expired"
    if not is_valid(row):
        return "waiting" if pending_changes.is_waiting(row.organization, "api_key", row.pk) else "ended"
    is_theirs = row.by is None or memberships.has_role(row.by, row.organization, ("admin",))
    return "active" if is_theirs else "ended"


def is_valid(row: ApiKey) -> bool:
    return row_macs.fits(row.mac, *row_macs.of_api_key(row))


def scopes_of(row: ApiKey) -> frozenset[str]:
    return frozenset(row.scopes.split())


def consent_words(row: ApiKey) -> str:
    """What whoever the key brings has agreed to; "" where nobody said so. Errors: SealError."""
    return _details(row).consent


def may_use(row: ApiKey, list_number: int) -> bool:
    """Whether it is bound to this list, or to none."""
    return not row.lists or list_number in row.lists


def keys_of(organization: Organization, now: datetime) -> list[ApiKeyView]:
    """The newest first; those that ended are kept for a month."""
    rows = ApiKey.objects.select_related("organization", "by").filter(organization=organization).order_by("-id")
    return [_view(row, now) for row in rows]


def name_of(row: ApiKey) -> str:
    """Errors: SealError."""
    return _details(row).name


def _name_of(organization: Organization, number: int) -> str:
    row = ApiKey.objects.select_related("organization").filter(organization=organization, pk=number).first()
    return "" if row is None else _details(row).name


def forget(now: datetime) -> None:
    """Rows of keys that ended a month ago."""
    long_ago = now - timedelta(days=30)
    ApiKey.objects.filter(expires__lt=long_ago).delete()
    ApiKey.objects.filter(revoked__lt=long_ago).delete()


def _view(row: ApiKey, now: datetime) -> ApiKeyView:
    details = _details(row)
    return ApiKeyView(
        id=row.pk,
        name=details.name,
        beginning=details.beginning,
        scopes=tuple(row.scopes.split()),
        lists=tuple(row.lists),
        by=row.by,
        created=row.created,
        expires=row.expires,
        used=row.used,
        state=state_of(row, now),
    )


def _details(row: ApiKey) -> ApiKeyDetails:
    return keyring.keys(row.organization).open_json(row.details_sealed, "apikey", "details", row.pk, ApiKeyDetails)


def _mark(number: int) -> str:
    return f"api key {number}"


def hashes(token: str) -> list[bytes]:
    """What is kept of it, keyed: under the present instance key, and under each former one."""
    keys = [keyring.derive("api keys"), *(former.key for former in keyring.former("api keys"))]
    return [seal.keyed_hash(key, token) for key in keys]
