"""Lists that are no longer used: archived, brought back, and deleted.

An archived list stays as it is, with its subscribers, and is offered nowhere: nobody joins it and no campaign goes to
it. To delete one takes everybody off it first, as bulk work does (bulk.py): counted, limited, undone within a day. Its
row stays, out of sight, for consent records name it, and so do those who left.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat.accounts.models import Person
from samizdat.audience.actions import bulk, forms
from samizdat.audience.actions.lists import change_kept, mark_deleted
from samizdat.audience.errors import ListInUse
from samizdat.audience.filters import Filter
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import PENDING, SUBSCRIBED, BulkAction, Import, List, Subscription
from samizdat.audience.queries.lists import details_of, name_of
from samizdat.events.actions import record

_ON = (PENDING, SUBSCRIBED)


@dataclass(frozen=True, slots=True)
class ListPeople:
    """on: who is on a list, confirmed or not. alone: those of them who are on no other."""

    on: int
    alone: int


def archive(list: List, *, now: datetime, by: Person | None = None) -> None:
    """Errors: ListInUse."""
    if Import.objects.filter(list=list, state__in=("held", "waiting", "running")).exists():
        raise ListInUse(_("An import into this list isn’t finished. Wait for it, or stop it."))
    if any(list.id in (plan.list, plan.to) for plan in _open_plans(list)):
        raise ListInUse(_("A bulk action with this list isn’t finished. Wait for it, or stop it."))
    with transaction.atomic():
        change_kept(list, lambda kept: structs.replace(kept, archived=kept.archived or _day(now)))
        record("list.archived", list.organization, about=list.id, by=by, now=now)


def bring_back(list: List, *, now: datetime, by: Person | None = None) -> None:
    """Its sign-up page, if it had one, is open again. Errors: ListInUse."""
    if any(plan.ends and plan.list == list.id for plan in _open_plans(list)):
        raise ListInUse(_("This list is being deleted. Stop that first, under Bulk actions."))

    def opened(kept: ListDetails) -> ListDetails:
        if kept.deleted:
            raise ListInUse(_("This list was deleted. Create a new one."))
        return structs.replace(kept, archived="")

    with transaction.atomic():
        change_kept(list, opened)
        record("list.restored", list.organization, about=list.id, by=by, now=now)


def people_of(list: List) -> ListPeople:
    """Exactly, now."""
    mine = Subscription.objects.filter(list=list, status__in=_ON)
    deleted = [row.id for row in List.objects.filter(organization=list.organization_id) if details_of(row).deleted]
    others = Subscription.objects.filter(subscriber=OuterRef("subscriber_id"), status__in=_ON).exclude(list=list)
    return ListPeople(mine.count(), mine.filter(~Exists(others.exclude(list__in=deleted))).count())


def forms_with(list: List) -> list[str]:
    """The titles of sign-up forms that offer it, also while it is archived."""
    standing = (forms.facts_of(form) for form in forms.standing(list.organization))
    return [facts.title for facts in standing if list.id in facts.lists]


def delete(list: List, name: str, *, now: datetime, by: Person | None = None) -> BulkAction | None:
    """Takes everybody off an archived list, and then the list itself out of sight. None where nobody was on it, and it
    is done; else the work, which waits for another admin where a removal of as many would. name: as somebody typed it,
    to be sure. Errors: ListInUse, BulkRefused."""
    if not details_of(list).archived:
        raise ListInUse(_("Only archived lists can be deleted. Archive this list first."))
    if name.strip().casefold() != name_of(list).casefold():
        raise ListInUse(_("This isn’t the name of the list. Type it as it’s shown."))
    if titles := forms_with(list):
        sentence = _("These sign-up forms offer this list: %(forms)s. Remove it from them first.")
        raise ListInUse(sentence % {"forms": ", ".join(titles)})
    if any(plan.list == list.id for plan in _open_plans(list)):
        raise ListInUse(_("A bulk action with this list isn’t finished. Wait for it, or stop it."))
    if not people_of(list).on:
        mark_deleted(list, now=now, by=by)
        return None
    plan = bulk.BulkPlan(bulk.REMOVE, Filter(list=list.id), list=list.id, words="list_deleted", ends=True)
    return bulk.begin(list.organization, plan, now=now, by=by)


def _open_plans(list: List) -> list[bulk.BulkPlan]:
    works = BulkAction.objects.select_related("organization").filter(organization=list.organization_id)
    return [bulk.plan_of(work) for work in works.filter(state__in=("waiting", "running", "undoing"))]


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()
