"""Restores a copy into the databases of this process, which are empty, and looks at what is there then. Nothing is
sent: there is no sender, and whatever is restored may not send."""

import contextlib
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime

from samizdat.accounts.models import Organization
from samizdat.audience.consistency import changed_records, check_page
from samizdat.audience.models import NUMBER_MASK, ConsentRecord, Subscriber
from samizdat.backup import recipients, restoring, sets, tails
from samizdat.backup.errors import BackupRefused
from samizdat.backup.reading import ORDER
from samizdat.backup.restore_test.job import RestoreTestJob, TestFailed, file_in, open_place
from samizdat.backup.sets import Copy, ReadablePlace
from samizdat.backup.tails import TailFound
from samizdat.backup.targets import Target
from samizdat.campaigns.models import Campaign, Edition, large_of_edition
from samizdat.delivery.engine.edition_loader import open_edition
from samizdat.delivery.message_values import date_text
from samizdat.events.chain import ChainWalk
from samizdat.logs import where_it_broke
from samizdat.options import data_folder
from samizdat.plugins import PlaceError
from samizdat.publicdb import sqlite_file
from samizdat.vault import keyring
from samizdat.vault.errors import OrganizationLocked, VaultError
from samizdat.vault.source import KeySource

EMAILS = 10
# Steps, in this order.
RESTORE, COUNT, CHECK, COMPOSE = "restore", "count", "check", "compose"
# Numbers of rows that are shown.
_SHOWN = {
    "organizations": Organization,
    "subscribers": Subscriber,
    "consent_records": ConsentRecord,
    "campaigns": Campaign,
}

type Tell = Callable[[str, int, int], None]


def test(job: RestoreTestJob, source: KeySource, tell: Tell) -> dict[str, int]:
    """Numbers of what was there. Errors: TestFailed."""
    try:
        return _tested(job, source, tell)
    except BackupRefused as refused:
        raise TestFailed(refused.code, file_in(str(refused))) from refused
    except PlaceError as error:
        raise TestFailed("place", str(error)) from error
    except (TestFailed, MemoryError):
        raise
    except Exception as error:
        raise TestFailed("no_room" if _is_full(error) else "broke", where_it_broke(error)) from error


test.__test__ = False  # type: ignore[attr-defined]


def _is_full(error: Exception) -> bool:
    texts = [str(each) for each in (error, error.__cause__, error.__context__) if each is not None]
    return any("disk is full" in text or "No space left" in text for text in texts)


def _tested(job: RestoreTestJob, source: KeySource, tell: Tell) -> dict[str, int]:
    place = open_place(job.url, job.secret, job.public_only)
    identities = [identity for text in job.identities for identity in recipients.identities(text)]
    copy = sets.open_copy(place, job.copy, identities, job.installation)
    tail = tails.find(place, copy, identities)
    if tail.broken:
        raise TestFailed("tail", file_in(tail.broken))
    rows = _restore(place, copy, tail, identities, bytes.fromhex(job.naming_key), tell)
    if Organization.objects.filter(sending_locked=False).exists():
        raise TestFailed("not_fenced", "")
    keyring.use(source)
    _use_keys()
    tell(CHECK, 0, 0)
    now = tail.until or datetime.fromisoformat(copy.manifest.time)
    locked = _check(now)
    tell(COMPOSE, 0, EMAILS)
    shown = {name: rows.get(model._meta.db_table, 0) for name, model in _SHOWN.items()}
    counts = {"rows": sum(rows.values()), "tables": len(rows), "locked": locked, "tail_files": len(tail.paths)}
    return {**counts, "emails": _compose(now), **shown}


def _restore(
    place: ReadablePlace,
    copy: Copy,
    tail: TailFound,
    identities: Sequence[object],
    naming_key: bytes,
    tell: Tell,
) -> dict[str, int]:
    """Rows of each table, before what has changed since comes in. Errors: TestFailed."""
    from samizdat.database_migrations import migrate  # Loads much that a worker hardly ever needs.

    if path := sqlite_file.path():
        sqlite_file.make_empty(path)
    migrate("publicdb", "publicdb")
    migrate("default")
    restoring.put_files_back(place, copy, identities, naming_key, data_folder(), tail)
    rows = dict[str, int]()

    def count(alias: str, target: Target) -> None:
        if alias == ORDER[-1]:
            tell(COUNT, 0, 0)
        for entry in copy.manifest.tables:
            if entry.database == alias:
                rows[entry.name] = target.count(entry.name)
                if rows[entry.name] != copy.manifest.totals[entry.name]:
                    raise TestFailed("counts", entry.name)

    restoring.fill(
        place,
        copy,
        identities,
        naming_key,
        tail=tail,
        tell=lambda done, whole: tell(RESTORE, done, whole),
        look=count,
    )
    return rows


def _use_keys() -> None:
    """Errors: TestFailed, where keys of the restored installation don't open."""
    try:
        keyring.open_for_django()
        for organization in Organization.objects.order_by("id"):
            with contextlib.suppress(OrganizationLocked):
                keyring.keys(organization)
    except VaultError as error:
        raise TestFailed("keys", type(error).__name__) from error


def _check(now: datetime) -> int:
    """The log and the consent of each organization, as of the time of the copy. How many are locked, so that nobody can
    look. Errors: TestFailed."""
    locked = 0
    for organization in Organization.objects.order_by("id"):
        try:
            _check_one(organization, now)
        except OrganizationLocked:
            locked += 1
    return locked


def _check_one(organization: Organization, now: datetime) -> None:
    walk = ChainWalk()
    while not walk.go_on(organization, {ConsentRecord._meta.db_table: changed_records}, rows=1000):
        continue
    if walk.breaks:
        raise TestFailed("log", f"organization {organization.pk}")
    after: int | None = 0
    while after is not None:
        page, after = check_page(organization, after, now)
        if page.wrong or page.misindexed or page.missing:
            raise TestFailed("consent", f"organization {organization.pk}")


def _compose(now: datetime) -> int:
    """Emails of the newest campaigns to subscribers at random, of which nobody gets one. How many there were: none
    without campaigns or subscribers. Errors: TestFailed."""
    composed = 0
    newest = Edition.objects.select_related("organization").defer(*large_of_edition()).order_by("-created")[:EMAILS]
    editions = list(newest)
    for edition in (editions * EMAILS)[:EMAILS]:
        try:
            composed += _email(edition, now)
        except OrganizationLocked:
            continue
        except Exception as error:
            raise TestFailed("emails", f"campaign {edition.campaign_id}: {where_it_broke(error)}") from error
    return composed


def _email(edition: Edition, now: datetime) -> bool:
    """Composes it as a sender does. False: nobody is subscribed there."""
    readers = Subscriber.objects.filter(organization=edition.organization).order_by("id")
    count = readers.count()
    if not count:
        return False
    reader, opened = readers[secrets.randbelow(count)], open_edition(edition.pk)
    number = reader.pk & NUMBER_MASK
    plain = opened.opener.open(bytes(reader.sealed), number)
    (recipient,) = opened.letterer.address([(number, plain)])
    opened.maker_for(recipient.wishes, signs=True)(recipient.values | {"DATE": date_text(now)})
    return True
