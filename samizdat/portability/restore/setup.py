"""The beginning of a return, in one transaction: lists, tags, fields, keys, what stands beside the people, and the row
by which a killed one goes on.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import convert, structs

from samizdat.accounts import sealed_settings
from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.models import Organization, Person
from samizdat.audience import sql as audience_sql
from samizdat.audience import tags_and_fields
from samizdat.audience.actions.forms import is_free, taken_slugs
from samizdat.audience.imports import ownership
from samizdat.audience.imports.documents import sealed
from samizdat.audience.list_details import ListDetails, list_name, open_details
from samizdat.audience.models import STATUSES, Field, Import, List, new_list_number
from samizdat.audience.tags_and_fields import FieldDefinition
from samizdat.core.content import digest
from samizdat.core.mail.names import has_link
from samizdat.delivery.actions import default_senders
from samizdat.delivery.errors import SenderRefused
from samizdat.events.actions import record
from samizdat.portability import read, tables
from samizdat.portability.errors import ExportRefused
from samizdat.portability.restore.documents import RestoredNumbers, RestoreDocument, WrappedKeys, read_plan
from samizdat.portability.restore.keys import take_hosts, take_keys
from samizdat.portability.restore.resume import SOURCE, insist_on_nobody
from samizdat.portability.restore.verify import COUNTS
from samizdat.vault import keyring


def begin(
    organization: Organization,
    opened: read.OpenedExport,
    mark: bytes,
    named: str,
    highest: int,
    now: datetime,
    by: Person | None,
    row: Import | None = None,
) -> Import:
    """Lists, tags, fields and keys, and the row that a killed one goes on by: together or not at all. Numbers given
    out from now on lie above `highest`. `row`: of an upload, that of the command line is made here."""
    before = RestoreDocument([_("Samizdat export")]) if row is None else read_plan(row)
    with transaction.atomic():
        # One after the other: of two who begin at once the second finds the first one's rows.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        insist_on_nobody(organization)
        places = _make_places(organization, opened, named, before.wrapped, now, by)
        row = _begun(row or Import(organization=organization, by=by, created=now, owner=ownership.myself()), now)
        row.list_id, row.fingerprint = next(iter(places.lists.values())), mark
        row.rows_total = opened.manifest["counts"]["subscribers"]
        row.save(update_fields=_BEGUN if row.pk else None)  # Somebody may ask an upload to stop meanwhile.
        document = RestoreDocument(before.names, places=places, go=before.go)
        row.plan_sealed = sealed(row, "plan", document)["plan_sealed"]
        row.counts |= _take_tables(organization, opened, places, now, by)
        row.save(update_fields=["plan_sealed", "counts"])
        rows = Organization.objects.filter(pk=organization.pk, next_number__lte=highest)
        rows.update(next_number=highest + 1)
        sealed_settings.count_up_to(organization, "numbers", highest + 1)
    keyring.forget_idle(-1)
    return row


_BEGUN = ("list", "source", "state", "fingerprint", "counts", "rows_total", "started", "heartbeat")


def _begun(row: Import, now: datetime) -> Import:
    row.source, row.state, row.counts = SOURCE, "running", dict.fromkeys(COUNTS, 0)
    row.started, row.heartbeat = row.started or now, now
    return row


def _make_places(
    organization: Organization,
    opened: read.OpenedExport,
    named: str,
    wrapped: WrappedKeys | None,
    now: datetime,
    by: Person | None,
) -> RestoredNumbers:
    """Errors: ExportRefused."""
    lists = _lists(organization, opened, named, now, by)
    if not lists:
        raise ExportRefused("no_list", _("This export has no list. Create one first: `samizdat list new NAME`."))
    fields = _fields(organization, opened)
    names = {row["number"]: str(row["name"]) for row in opened.tags}
    ids = tags_and_fields.tags_for(organization, keyring.keys(organization), names.values())
    tags = {number: ids[name] for number, name in names.items()}
    return RestoredNumbers(lists, fields, tags, take_keys(organization, opened, now, wrapped))


def _take_tables(
    organization: Organization,
    opened: read.OpenedExport,
    places: RestoredNumbers,
    now: datetime,
    by: Person | None,
) -> dict[str, int]:
    """What stands beside the people; how many segments and forms came. Errors: ExportRefused."""
    lists, fields, tags = places.lists, places.fields, places.tags
    tables.take_settings(organization, opened, now, by)
    take_hosts(organization, opened)
    tables.take_planted(organization, opened, places.keys)
    tables.take_wordings(organization, opened, lists)
    segments = tables.take_segments(organization, opened, now, by)
    return {"segments": segments, "forms": tables.take_forms(organization, opened, lists, fields, tags, now, by)}


def _lists(
    organization: Organization, opened: read.OpenedExport, named: str, now: datetime, by: Person | None
) -> dict[int, int]:
    """Number in the file -> number here: a list of that name, or a new one with the number it had."""
    keys = keyring.keys(organization)
    rows = List.objects.filter(organization=organization)
    here = {list_name(keys, row).casefold(): row for row in rows if not open_details(keys, row).deleted}
    taken = taken_slugs()
    numbers: dict[int, int] = {}
    for entry in opened.lists:
        name = named if named and len(opened.lists) == 1 else str(entry["name"])
        row = here.get(name.strip().casefold()) or _new_list(organization, entry, name, now, by, taken)
        numbers[entry["number"]] = row.id
        _keep_digest(row.id, entry.get("digest"))
    return numbers


def _keep_digest(list_id: int, digest_settings: object) -> None:
    """When letters are gathered, and in which round: what a reader chose counts from a round on."""
    if not isinstance(digest_settings, dict):
        return
    when, round = digest_settings.get("when"), digest_settings.get("round")
    if when in digest.WHEN and type(round) is int and 0 < round <= read.ROUND:
        List.objects.filter(id=list_id).update(digest_when=when, digest_round=round, digest_due=None)


def _new_list(
    organization: Organization, entry: dict[str, Any], name: str, now: datetime, by: Person | None, taken: set[str]
) -> List:
    """Its number is part of List-Id and of confirmation links, so it goes along where nobody has it."""
    keys = keyring.keys(organization)
    number, slug = entry["number"], str(entry.get("form") or "")
    if List.objects.filter(id=number).exists():
        number = new_list_number()
    if not is_free(slug, taken):
        slug = ""
    row = List(id=number, organization=organization, form_slug=slug, created=now.astimezone(UTC).date())
    row.name_sealed = keys.seal(name.strip().encode(), "list", "name", number)
    details = convert(entry.get("details") or {}, ListDetails)
    details = structs.replace(details, form_slug=slug, default_sender=_allowed(organization, details.default_sender))
    # Nobody is here yet whom it could be said to. A name with a link is kept and not said.
    words = (name.strip(), details.appeals.strip())
    details = structs.replace(details, agreed=tuple(text for text in words if text and not has_link(text)))
    row.details_sealed = keys.seal_json(details, "list", "details", number)
    row.save(force_insert=True)
    audience_sql.add_list_totals([(number, status, 0) for status in range(len(STATUSES))])
    record("list.created", organization, about=number, by=by, now=now, detail={"name": name})
    if slug:
        record("list.form_changed", organization, about=number, by=by, now=now, detail={"slug": slug})
    return row


def _allowed(organization: Organization, sender: DefaultSender) -> DefaultSender:
    """What a form here would take: a file can be made up, and a domain may be another organization's here."""
    try:
        return default_senders.checked(organization, sender)
    except SenderRefused:
        return DefaultSender()


def _fields(organization: Organization, opened: read.OpenedExport) -> dict[int, int]:
    """Number in the file -> number here: a field of that merge tag, or a new one, with the number it had if that is
    free: what a form asked for may name it."""
    keys = keyring.keys(organization)
    used = set(Field.objects.filter(organization=organization).values_list("number", flat=True))
    known = {tag: number for tag, (number, *_rest) in tags_and_fields.all_fields(organization, keys).items()}
    numbers: dict[int, int] = {}
    for field in opened.fields:
        tag, definition = str(field["tag"]), convert(field, FieldDefinition)
        if tag not in known:
            number = field["number"]
            if number in used:
                number = tags_and_fields.new_number(organization)
            sealed_settings.count_up_to(organization, "fields", number)
            used.add(number)
            row = Field(organization=organization, number=number)
            row.sealed = tags_and_fields.seal_definition(keys, number, definition)
            if definition.readable:
                row.readable, row.filled = True, 0  # The worker fills it in from the sealed values.
            row.save()
            known[tag] = number
        numbers[field["number"]] = known[tag]
    return numbers
