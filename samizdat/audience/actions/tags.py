"""Tags given to many by address, given another name, or taken away for good: from everybody who carries one, and out of
every place that offers it."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.audience import consent_writer, sql, tags_and_fields
from samizdat.audience.errors import NoSuchSubscriber, TagRefused
from samizdat.audience.limits import TAGS_EACH
from samizdat.audience.models import PENDING, Import, List, Subscriber, SubscriberTag, Subscription, Tag, TagTotal
from samizdat.core.mail.address import BadAddress, normalize
from samizdat.events.actions import record
from samizdat.events.queries import about
from samizdat.vault import keyring

# Carriers of one transaction that takes a tag from them: 20 ms.
SLICE = 5_000


def carriers(tag: Tag) -> int:
    """How many subscribers carry it, exactly."""
    return SubscriberTag.objects.filter(tag=tag).count()


def tag_members(
    list: List, tag: Tag, addresses: Iterable[str], *, give: bool, now: datetime, by: Person | None = None
) -> Counter[str]:
    """Gives a tag to subscribers of a list, or takes it from them. How many were: changed; unchanged, as they had it or
    not; full, with as many tags as one can have; missing, with no such address on the list. Each in a transaction of
    its own, so that nobody waits for the last of them."""
    keys = keyring.keys(list.organization)
    counts: Counter[str] = Counter()
    for address in addresses:
        try:
            row = consent_writer.find(list.organization, keys, normalize(address))
            here = row and Subscription.objects.filter(subscriber=row, list=list).exclude(status=PENDING).exists()
            counts[_retag(row, tag, give, now, by) if row and here else "missing"] += 1
        except (BadAddress, NoSuchSubscriber):
            counts["missing"] += 1
    return counts


def _retag(subscriber: Subscriber, tag: Tag, give: bool, now: datetime, by: Person | None) -> str:
    """What it came to. Errors: NoSuchSubscriber."""
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        carried = consent_writer.tags_of(row)
        if (tag.pk in carried) == give:
            return "unchanged"
        if give and len(carried) >= TAGS_EACH:
            return "full"
        consent_writer.retag(row, [tag.pk] if give else (), () if give else [tag.pk])
        record("subscriber.tagged", row.organization, about=row.id, by=by, now=now)
    return "changed"


def rename_tag(tag: Tag, name: str, *, now: datetime, by: Person | None = None) -> None:
    """Whoever carries it goes on doing so. Errors: TagRefused, also where another tag is called so."""
    organization, name = tag.organization, " ".join(name.split())
    if not 0 < len(name) <= tags_and_fields.LONGEST_TAG or not name.isprintable():
        raise TagRefused(_("A tag has a name of at most %(n)s characters.") % {"n": tags_and_fields.LONGEST_TAG})
    taken = TagRefused(_("There is already a tag called “%(name)s”. Choose another name.") % {"name": name})
    keys = keyring.keys(organization)
    known = tags_and_fields.known_tags(organization, keys, [name])
    if known.get(name, tag.pk) != tag.pk:
        raise taken
    try:
        with transaction.atomic():
            if not tags_and_fields.put_name(keyring.held_for_index(keys), tag.pk, name):
                raise TagRefused(_("This tag doesn’t exist. Check the list of tags."))
            record("tag.renamed", organization, about=tag.pk, by=by, now=now, detail={"name": name})
    except IntegrityError:  # Somebody made one of this name meanwhile.
        raise taken from None


def remove_tag(tag: Tag, *, now: datetime, by: Person | None = None) -> None:
    """Its name is gone at once; clear_removed_tags() takes it from those who carry it.

    The row stays: a draft that goes to it goes to nobody until somebody chooses anew, never to its whole list. So does
    a segment that asks for it. Errors: TagRefused.
    """
    organization = tag.organization
    if Import.objects.filter(organization=organization, state__in=("waiting", "running")).exists():
        raise TagRefused(_("An import is running and may add this tag. Delete the tag when the import is done."))
    name = tags_and_fields.tag_name(keyring.keys(organization), tag) if not tag.removed else ""
    with transaction.atomic():
        gone = Tag.objects.filter(pk=tag.pk, removed=False).update(
            removed=True, name_sealed=b"", name_index=os.urandom(16)
        )
        if not gone:
            raise TagRefused(_("This tag doesn’t exist. Check the list of tags."))
        record("tag.removed", organization, about=tag.pk, by=by, now=now, detail={"name": name})


def clear_removed_tags(seconds: float, stop: Callable[[], bool] = lambda: False) -> bool:
    """Takes removed tags from those who carry them, for so many seconds. Whether all is done. Of tags that the log says
    were removed: what the row says, whoever writes the database has it say of any."""
    until = time.monotonic() + seconds
    carried = SubscriberTag.objects.filter(tag=OuterRef("pk"))
    for tag in Tag.objects.select_related("organization").filter(Exists(carried), removed=True).order_by("id"):
        if about(tag.organization, "tag.removed", tag.pk) is None:
            continue
        while sql.drop_tag_slice(tag.pk, SLICE) == SLICE:
            if stop() or time.monotonic() > until:
                return False
        TagTotal.objects.filter(tag=tag.pk).delete()
    return True
