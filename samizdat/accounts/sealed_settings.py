"""Settings of an organization as they were last written by us, sealed: its row anybody could have written who writes
the database (docs/keys.md)."""

import logging
import math
import secrets
import time
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from django.db import transaction
from msgspec import Struct, structs

from samizdat.accounts import settings_note
from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.models import Organization
from samizdat.core.crypto import seal
from samizdat.core.mail.other_domain import after_switch, former
from samizdat.vault import keyring
from samizdat.vault.errors import VaultError

log = logging.getLogger("samizdat.worker")

# Where readers and teammates are led, and where mail from readers goes.
LEADING = ("public_url", "desk_url", "content_url", "return_address", "unsubscribe_mailbox")
# What mails and public pages call the organization, and by what commands know it.
NAMING = ("name", "postal_address", "language", "slug")
# Of whose reach sign-up forms and campaigns warn.
GUARDED = (*LEADING, *NAMING, "requires_approval", "hostile_state")
# Of these the first one waits for nobody, and nothing waits before there were readers. How many there ever were is
# sealed beside the settings, of readers whether there were any: rows and events of all can be taken away for a moment.
# Of merge fields it is the highest number, since none is given twice, and of subscribers' numbers the first one that
# nobody has. Of roles it is how many events there are by which somebody may have become an admin.
COUNTED = ("routes", "domains", "readers", "fields", "roles", "forgotten", "numbers")
# Hosts that come along with exports: one each time that the public pages moved, and files can be made up.
MOST_BROUGHT = 20


class Leading(Struct, frozen=True):
    """GUARDED, as they were last written by us; what nobody has written yet is as here. What is sealed of an
    organization."""

    public_url: str = ""
    desk_url: str = ""
    content_url: str = ""
    return_address: str = ""
    unsubscribe_mailbox: str = ""
    name: str = ""
    postal_address: str = ""
    language: str = "en"
    slug: str = ""
    requires_approval: bool = True  # Unknown: nobody releases alone.
    hostile_state: str = ""
    names: frozenset[str] = frozenset()  # Of those that were written.
    hosts: frozenset[str] = frozenset()  # That the public pages have, and had.
    brought: tuple[str, ...] = ()  # That they had elsewhere, as exports say.
    routes: int | None = None  # Of COUNTED; None unknown.
    domains: int | None = None
    readers: int | None = None
    fields: int | None = None
    roles: int | None = None
    forgotten: int | None = None
    numbers: int | None = None
    # Of the numbers of those who come one by one: where their block begins, how many of it were given out, in which
    # order (audience/numbers).
    block: tuple[int, int, str] = (0, 0, "")
    closed: dict[int, int] = {}  # Route -> the event that its server closed it.
    ended: dict[str, int] = {}  # Link that was used or withdrawn, by its kind and number -> seconds since 1970.
    default_sender: DefaultSender = DefaultSender()
    claims: dict[str, bool] = {}  # Sending domain that it proved (true), or signs for (false).
    switched: dict[str, str] = {}  # Sending domain that was given up -> the spare one that is in its place.
    sealed: int = 0  # Seconds since 1970, and always more than the copy before: which of two copies is the newer one.

    @property
    def known(self) -> bool:
        # A slug that was lost with the copy is taken from the row on the server alone: there is no form for it.
        return self.names >= {*GUARDED} - {"slug"}

    @property
    def mailboxes(self) -> list[str]:
        """Where its mail comes in; also where that was before a switch of domains, since bounces and replies come for
        weeks."""
        addresses = [address for address in (self.return_address, self.unsubscribe_mailbox) if address]
        return [*addresses, *(old for address in addresses for old in former(address, self.switched))]


def keep_settings(organization: Organization, written: Mapping[str, object], *, trusts_row: bool = False) -> None:
    """Seals a copy of what leads people and mail somewhere, by whoever has just written some of it. trusts_row: where
    the copy is gone, the rest is taken from the row; else it stays unknown until each was written."""
    # What was written is taken from the caller, who has checked it: a trigger that stands for a second could have
    # made something else of it in the row.
    # Of the row: the object in hand may be older than what somebody else saved. And of the others as they were kept,
    # so that saving one setting does not make another one ours which was written beside us.
    row = Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    kept = leading(row)
    ours = [name for name in GUARDED if name in written or (trusts_row and name not in kept.names)]
    ours_now = {name: written.get(name, getattr(row, name)) for name in ours}
    values = structs.replace(kept, **ours_now, names=kept.names.union(ours))
    # Before and now: settings that were sealed by an earlier version name no hosts.
    there = {urlsplit(settings.public_url).hostname or "" for settings in (kept, values)}
    _seal_settings(organization, structs.replace(values, hosts=kept.hosts | there - {""}))


def _seal_settings(organization: Organization, settings: Leading) -> None:
    keys, number = keyring.keys(organization), organization.pk
    settings = structs.replace(settings, sealed=max(settings.sealed + 1, int(time.time())))
    organization.settings_sealed = copy = keys.seal_json(settings, "organization", "settings", number)
    organization.save(update_fields=["settings_sealed"])
    transaction.on_commit(partial(_note, number, copy))


def _note(number: int, copy: bytes) -> None:
    try:
        settings_note.note(number, copy)
    except OSError as error:  # The worker does it with its next look (forged_rows.watch).
        log.warning("The settings of an organization could not be noted in the data folder (%s)", error.strerror)


def begin_counts(organization: Organization) -> None:
    """Of a new one: there is none of COUNTED."""
    _seal_settings(organization, structs.replace(_leading_now(organization), **dict.fromkeys(COUNTED, 0)))


def how_many(organization: Organization, what: str) -> int | None:
    """Of one of COUNTED there ever were; None unknown."""
    count: int | None = getattr(_leading_now(organization), what)
    return count


def count_another(organization: Organization, what: str) -> None:
    """One of COUNTED is added. Call it in a transaction that has locked the organization's row."""
    kept = _leading_now(organization)
    if (count := getattr(kept, what)) is not None:
        _seal_settings(organization, structs.replace(kept, **{what: count + 1}))


def count_up_to(organization: Organization, what: str, number: int) -> None:
    """Of one of COUNTED there are so many at least. As count_another."""
    kept = _leading_now(organization)
    if number > (getattr(kept, what) or 0):
        _seal_settings(organization, structs.replace(kept, **{what: number}))


def number_block(organization: Organization) -> tuple[int, int, str]:
    return _leading_now(organization).block


def keep_number_block(organization: Organization, block: tuple[int, int, str]) -> None:
    """Call it in a transaction that has locked the organization's row."""
    _seal_settings(organization, structs.replace(_leading_now(organization), block=block))


def keep_default_sender(organization: Organization, sender: DefaultSender) -> None:
    """Call it in a transaction that has locked the organization's row."""
    _seal_settings(organization, structs.replace(_leading_now(organization), default_sender=sender))


def keep_switched(organization: Organization, old: str, new: str) -> None:
    """Emails come from this domain instead of that. Call it in a transaction that has locked the organization's row."""
    kept = _leading_now(organization)
    _seal_settings(organization, structs.replace(kept, switched=after_switch(kept.switched, old, new)))


def note_closed(organization: Organization, route: int, event: int | None) -> None:
    """Which event says that its server closed this route; None: it is not closed. A later one that says that it lives
    could be deleted. Call it in a transaction that has locked the organization's row."""
    kept = _leading_now(organization)
    others = {number: by for number, by in kept.closed.items() if number != route}
    closed = others if event is None else others | {route: event}
    if closed != kept.closed:
        _seal_settings(organization, structs.replace(kept, closed=closed))


def note_ended(organization: Organization, link: str, until: datetime, now: datetime) -> None:
    """That this link, by its kind and number, was used or withdrawn: its row can be put back as it was, and would open
    until then. Call it in a transaction."""
    row = Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    kept = leading(row)
    others = {name: seconds for name, seconds in kept.ended.items() if seconds > now.timestamp()}
    _seal_settings(row, structs.replace(kept, ended=others | {link: math.ceil(until.timestamp())}))


def has_ended(organization: Organization, link: str) -> bool:
    return link in _leading_now(organization).ended


def closed_by(organization: Organization, route: int) -> int | None:
    return _leading_now(organization).closed.get(route)


def note_claim(organization: Organization, domain: str, proven: bool | None) -> None:
    """That it proved this sending domain, or signs for it; None: neither any more. Rows of domains can be renamed or
    taken away for a moment."""
    with transaction.atomic():
        row = Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        kept = leading(row)
        others = {name: known for name, known in kept.claims.items() if name != domain}
        claims = others if proven is None else others | {domain: proven}
        if claims != kept.claims:
            _seal_settings(row, structs.replace(kept, claims=claims))


def of_others(organization: Organization) -> list[tuple[int, Leading]]:
    """Number and settings of all other organizations, whatever their rows say; those that don't open are not known. One
    query: what opened before isn't opened again."""
    rows = Organization.objects.exclude(pk=organization.pk).only("uid", "settings_sealed")
    return [(row.pk, _kept_of(row)) for row in rows]


# Organization -> its uid, the sealed copies, and what they say.
_kept: dict[int, tuple[tuple[bytes, bytes, bytes], Leading]] = {}


def _kept_of(row: Organization) -> Leading:
    place = bytes(row.uid), bytes(row.settings_sealed), settings_note.noted(row.pk)
    if (known := _kept.get(row.pk)) and known[0] == place:
        return known[1]
    try:
        kept = leading(row)
    except VaultError:
        return Leading()
    if kept.known:
        _kept[row.pk] = place, kept
    return kept


def hosts(organization: Organization) -> frozenset[str]:
    """Those that its public pages have, and had: links of letters that are out lead there."""
    return leading(organization).hosts


def brought_hosts(organization: Organization) -> tuple[str, ...]:
    """Those that its exports say it had elsewhere."""
    return leading(organization).brought


def bring_hosts(organization: Organization, more: Collection[str]) -> None:
    """Hosts to which links of letters lead that were sent elsewhere. Call it in a transaction that has locked the
    organization's row."""
    kept = _leading_now(organization)
    brought = tuple(dict.fromkeys((*kept.brought, *more)))[:MOST_BROUGHT]
    if brought != kept.brought:
        _seal_settings(organization, structs.replace(kept, brought=brought))


def _leading_now(organization: Organization) -> Leading:
    return leading(Organization.objects.get(pk=organization.pk))


def leading(organization: Organization, keys: keyring.OrganizationKeys | None = None) -> Leading:
    """What leads readers and teammates somewhere, as far as it is known. Letters, mails, links and whatever is signed
    take it from here and never from the row: whoever writes the database would have until the next look of `watch` to
    be led to. All is empty where the copy is gone, or is none of ours. An older one counts for nothing: the newest was
    noted beside the database. keys: with which, where this process isn't to keep them."""
    copies = dict.fromkeys((bytes(organization.settings_sealed), settings_note.noted(organization.pk)))
    opened = [_opened(organization, copy, keys) for copy in copies if copy]
    return max(opened, key=lambda settings: settings.sealed, default=Leading())


def _opened(organization: Organization, copy: bytes, keys: keyring.OrganizationKeys | None = None) -> Leading:
    try:
        keys = keys or keyring.keys(organization)
        return keys.open_json(copy, "organization", "settings", organization.pk, Leading)
    except seal.SealError:
        return Leading()


def is_altered(organization: Organization, kept: Leading | None = None) -> bool:
    """Whether the row says something else than its sealed copy, or the copy is gone. kept: what that says, where it is
    open already."""
    kept = kept or leading(organization)
    return not kept.known or bool(_differing(organization, kept))


def _differing(organization: Organization, kept: Leading) -> dict[str, object]:
    """What stands in the row instead of what was kept."""
    there = {name: getattr(organization, name) for name in GUARDED if name in kept.names}
    return {name: value for name, value in there.items() if value != getattr(kept, name)}


def put_back(organization: Organization, *, is_old: bool = False) -> list[str] | None:
    """Names of settings that somebody without keys had written; [] none, None unknown. What is the newest copy is noted
    beside the database. is_old: the database is a backup that nobody has released yet; settings of then are none that
    somebody wrote."""
    if is_old and _is_of_then(organization):
        return []
    kept, is_older = leading(organization), _put_back_copy(organization)
    if not kept.known:
        return None
    wrong = _differing(organization, kept)
    if "slug" in wrong:
        # Two slugs may have been exchanged: whoever else has ours gets a free one until their turn comes.
        for other in Organization.objects.filter(slug=kept.slug).exclude(pk=organization.pk):
            Organization.objects.filter(pk=other.pk).update(slug=f"organization-{secrets.token_hex(8)}")
    if wrong:
        # Only where it still stands so: somebody may have saved others meanwhile.
        mine = Organization.objects.filter(pk=organization.pk, **wrong)
        mine.update(**{name: getattr(kept, name) for name in wrong})
    return [*wrong, *(["settings_sealed"] if is_older else [])]


def _is_of_then(organization: Organization) -> bool:
    """Whether the row says what its own copy says."""
    own = _opened(organization, bytes(organization.settings_sealed))
    return own.known and not _differing(organization, own)


def _put_back_copy(organization: Organization) -> bool:
    """Whether the database has an older copy than was noted, or none of ours."""
    there, noted = bytes(organization.settings_sealed), settings_note.noted(organization.pk)
    if there == noted:
        return False
    if _opened(organization, noted).sealed <= (ours := _opened(organization, there)).sealed:
        if ours.sealed:
            _note(organization.pk, there)
        return False
    # A database that was restored is locked until a person takes it as it is, with settings of then.
    here = Organization.objects.filter(pk=organization.pk, settings_sealed=there, sending_locked=False)
    return bool(here.update(settings_sealed=noted)) or organization.sending_locked
