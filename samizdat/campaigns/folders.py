"""Folders of campaigns: names that an organization gives to groups of letters. A letter is in one or in none."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat.accounts.models import Organization, Person
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Folder
from samizdat.events.actions import record
from samizdat.vault import keyring

# More than this nobody finds anything in; and characters of a name.
MOST, LONGEST = 100, 80
# Letters that are moved at once: a page of the list.
MOST_MOVED = 200


class FolderRefused(CampaignError):
    """There is such a folder, it has no name, or there are too many."""

    code = "folder_refused"


class FolderText(Struct, frozen=True):
    name: str = ""


@dataclass(frozen=True, slots=True)
class FolderView:
    number: int
    name: str
    letters: int


def folders(organization: Organization) -> list[FolderView]:
    """By name, each with how many letters are in it."""
    letters = Count("campaigns", filter=Q(campaigns__version_of=None))
    rows = Folder.objects.filter(organization=organization).annotate(letters=letters)
    views = [FolderView(row.pk, name_of(organization, row), row.letters) for row in rows]
    return sorted(views, key=lambda view: view.name.casefold())


def name_of(organization: Organization, folder: Folder) -> str:
    return keyring.keys(organization).open_json(folder.sealed, "folder", "sealed", folder.pk, FolderText).name


def folder_of(organization: Organization, number: int) -> Folder:
    """Errors: FolderRefused, also for one of another organization."""
    folder = Folder.objects.filter(organization=organization, pk=number).first()
    if folder is None:
        raise FolderRefused(_("This folder no longer exists. Reload the page."))
    return folder


def add(organization: Organization, name: str, *, by: Person | None, now: datetime) -> Folder:
    """Errors: FolderRefused."""
    name = _checked(organization, name)
    if Folder.objects.filter(organization=organization).count() >= MOST:
        raise FolderRefused(_("There are already %(most)s folders. Delete one you don’t need.") % {"most": MOST})
    with transaction.atomic():
        folder = _written(Folder(organization=organization), name)
        record("folder.added", organization, now=now, by=by, about=folder.pk)
    return folder


def rename(folder: Folder, name: str, *, by: Person | None, now: datetime) -> None:
    """Errors: FolderRefused."""
    name = _checked(folder.organization, name, but=folder.pk)
    with transaction.atomic():
        _written(folder, name)
        record("folder.renamed", folder.organization, now=now, by=by, about=folder.pk)


def remove(folder: Folder, *, by: Person | None, now: datetime) -> None:
    """Its letters stay, in no folder."""
    with transaction.atomic():
        Campaign.objects.filter(folder=folder).update(folder=None)
        record("folder.removed", folder.organization, now=now, by=by, about=folder.pk)
        folder.delete()


def move(
    organization: Organization, letters: Iterable[int], folder: Folder | None, *, by: Person | None, now: datetime
) -> int:
    """Puts letters into a folder, or into none; how many were not there before."""
    numbers = list(letters)[:MOST_MOVED]
    rows = Campaign.objects.filter(organization=organization, pk__in=numbers, version_of=None)
    rows = rows.exclude(folder=folder) if folder else rows.exclude(folder=None)
    with transaction.atomic():
        moved = rows.update(folder=folder)
        if moved:
            record("folder.campaigns_moved", organization, now=now, by=by, about=folder.pk if folder else 0)
    return moved


def _checked(organization: Organization, name: str, but: int = 0) -> str:
    name = " ".join(name.split())[:LONGEST]
    if not name:
        raise FolderRefused(_("Enter a folder name."))
    others = (folder for folder in folders(organization) if folder.number != but)
    if any(folder.name.casefold() == name.casefold() for folder in others):
        raise _there_already(name)
    return name


def _written(folder: Folder, name: str) -> Folder:
    """The index keeps two people from making the same folder at once."""
    keys = keyring.keys(folder.organization)
    try:
        with transaction.atomic():
            keys = keyring.held_for_index(keys)
            folder.name_index = indices_of(keys, name)[0]
            folder.save()
    except IntegrityError:
        raise _there_already(name) from None
    folder.sealed = keys.seal_json(FolderText(name), "folder", "sealed", folder.pk)
    folder.save(update_fields=["sealed"])
    return folder


def indices_of(keys: keyring.OrganizationKeys, name: str) -> list[bytes]:
    """Under every index key, the current one first."""
    return keys.blinds(f"folder:{name.casefold()}")


def _there_already(name: str) -> FolderRefused:
    return FolderRefused(_("A folder called “%(name)s” already exists.") % {"name": name})
