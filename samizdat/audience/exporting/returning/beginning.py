"""The beginning of a return, in one transaction: lists, tags, fields, keys, what stands beside the people, and the row
by which a killed one goes on.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat import dialect
from samizdat.accounts.models import Organisation
from samizdat.audience import tagging
from samizdat.audience.actions.forms import is_free
from samizdat.audience.bringing import owner
from samizdat.audience.exporting import reading, tables
from samizdat.audience.exporting.errors import ExportRefused
from samizdat.audience.exporting.returning.before import SOURCE, insist_on_nobody
from samizdat.audience.exporting.returning.proving import COUNTS
from samizdat.audience.exporting.returning.wrapping import take_keys
from samizdat.audience.models import STATUSES, Field, Import, List, new_list_number
from samizdat.audience.naming import list_name
from samizdat.core import digest
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json


def begin(
    organisation: Any, opened: reading.Opened, mark: bytes, named: str, highest: int, now: datetime, by: Any,
    row: Import | None = None,
) -> Import:  # fmt: skip
    """Lists, tags, fields and keys, and the row that a killed one goes on by: together or not at all. Numbers given
    out from now on lie above `highest`. `row`: of an upload, that of the command line is made here."""
    keys = house.keys(organisation)
    before = {} if row is None else open_json(keys, row.plan_sealed, "import", "plan", row.pk)
    with transaction.atomic():
        # One after the other: of two who begin at once the second finds the first one's rows.
        Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
        insist_on_nobody(organisation)
        places = _make_places(organisation, opened, named, before.get("wrapped", {}), now, by)
        row = _begun(row or Import(organisation=organisation, by=by, created=now, owner=owner.myself()), now)
        row.list_id, row.fingerprint = next(iter(places["lists"].values())), mark
        row.rows_total = opened.manifest["counts"]["subscribers"]
        row.save(update_fields=_BEGUN if row.pk else None)  # Somebody may ask an upload to stop meanwhile.
        names = before.get("names", [_("An export of Samizdat")])
        told = {"names": names, "plan": None, "basis": "", "places": {of: _texts(held) for of, held in places.items()}}
        row.plan_sealed = seal_json(keys, told, "import", "plan", row.pk)
        row.counts |= _take_tables(organisation, opened, places, now, by)
        row.save(update_fields=["plan_sealed", "counts"])
        rows = Organisation.objects.filter(pk=organisation.pk, next_number__lte=highest)
        rows.update(next_number=highest + 1)
    house.forget_idle(-1)
    return row


_BEGUN = ("list", "source", "state", "fingerprint", "counts", "rows_total", "started", "beat")


def _begun(row: Import, now: datetime) -> Import:
    row.source, row.state, row.counts = SOURCE, "running", dict.fromkeys(COUNTS, 0)
    row.started, row.beat = row.started or now, now
    return row


def _make_places(
    organisation: Any, opened: reading.Opened, named: str, wrapped: dict[str, str], now: datetime, by: Any
) -> dict[str, dict[int, int]]:
    """Number in the file -> number here, of lists, fields, tags and index keys. Errors: ExportRefused."""
    lists = _lists(organisation, opened, named, now, by)
    if not lists:
        raise ExportRefused("no_list", _("This export has no list. Make one first: `samizdat list new NAME`."))
    fields = _fields(organisation, opened)
    names = {row["number"]: str(row["name"]) for row in opened.tags}
    ids = tagging.tags_for(organisation, house.keys(organisation), names.values())
    tags = {number: ids[name] for number, name in names.items()}
    return {"lists": lists, "fields": fields, "tags": tags, "keys": take_keys(organisation, opened, now, wrapped)}


def _take_tables(
    organisation: Any, opened: reading.Opened, places: dict[str, dict[int, int]], now: datetime, by: Any
) -> dict[str, int]:
    """What stands beside the people; how many segments and forms came. Errors: ExportRefused."""
    lists, fields, tags = places["lists"], places["fields"], places["tags"]
    tables.take_settings(organisation, opened, now, by)
    tables.take_planted(organisation, opened, places["keys"])
    tables.take_wordings(organisation, opened, lists)
    segments = tables.take_segments(organisation, opened, now, by)
    return {"segments": segments, "forms": tables.take_forms(organisation, opened, lists, fields, tags, now, by)}


def _texts(held: dict[int, int]) -> dict[str, int]:
    return {str(number): here for number, here in held.items()}


def _lists(organisation: Any, opened: reading.Opened, named: str, now: datetime, by: Any) -> dict[int, int]:
    """Number in the file -> number here: a list of that name, or a new one with the number it had."""
    keys = house.keys(organisation)
    here = {list_name(keys, row).casefold(): row for row in List.objects.filter(organisation=organisation)}
    found: dict[int, int] = {}
    for told in opened.lists:
        name = named if named and len(opened.lists) == 1 else str(told["name"])
        row = here.get(name.strip().casefold()) or _new_list(organisation, told, name, now, by)
        found[told["number"]] = row.id
        _keep_digest(row.id, told.get("digest"))
    return found


def _keep_digest(list_id: int, told: Any) -> None:
    """When letters are gathered, and in which round: what a reader chose counts from a round on."""
    if not isinstance(told, dict):
        return
    when, round = told.get("when"), told.get("round")
    if when in digest.WHEN and type(round) is int and 0 < round <= reading.ROUND:
        List.objects.filter(id=list_id).update(digest_when=when, digest_round=round, digest_due=None)


def _new_list(organisation: Any, told: dict[str, Any], name: str, now: datetime, by: Any) -> List:
    """Its number is part of List-Id and of confirmation links, so it goes along where nobody has it."""
    keys = house.keys(organisation)
    number, slug = told["number"], str(told.get("form") or "")
    if List.objects.filter(id=number).exists():
        number = new_list_number()
    if not is_free(slug):
        slug = ""
    made = List(id=number, organisation=organisation, form_slug=slug, created=now.astimezone(UTC).date())
    made.name_sealed = keys.seal(name.strip().encode(), "list", "name", number)
    made.details_sealed = seal_json(keys, dict(told.get("details") or {}), "list", "details", number)
    made.save(force_insert=True)
    dialect.add_list_totals([(number, status, 0) for status in range(len(STATUSES))])
    record("list.made", organisation, about=number, by=by, now=now, detail={"name": name})
    if slug:
        record("list.form", organisation, about=number, by=by, now=now, detail={"slug": slug})
    return made


def _fields(organisation: Any, opened: reading.Opened) -> dict[int, int]:
    """Number in the file -> number here: a field of that merge tag, or a new one, with the number it had if that is
    free: what a form asked for may name it."""
    keys = house.keys(organisation)
    used = set(Field.objects.filter(organisation=organisation).values_list("number", flat=True))
    known = {tag: number for tag, (number, *_rest) in tagging.all_fields(organisation, keys).items()}
    found: dict[int, int] = {}
    for told in opened.fields:
        tag, held = str(told["tag"]), {name: of for name, of in told.items() if name not in ("number", "readable")}
        if tag not in known:
            number = told["number"]
            if number in used:
                number = tagging.following_number(organisation)
            used.add(number)
            row = Field(organisation=organisation, number=number)
            row.sealed = seal_json(keys, {"default": "", **held}, "field", "sealed", number)
            if told.get("readable") and hasattr(row, "readable"):
                row.readable, row.filled = True, 0  # The worker fills it in from the sealed values.
            row.save()
            known[tag] = number
        found[told["number"]] = known[tag]
    return found
