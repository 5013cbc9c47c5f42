"""What goes along beside the people: saved segments, sign-up forms, the words that they agreed to in all versions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import convert, structs

from samizdat.accounts.actions import change_settings
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Organization, Person
from samizdat.audience.actions import forms
from samizdat.audience.actions.forms import FormFacts
from samizdat.audience.actions.segments import add_segment
from samizdat.audience.consent_texts import wordings
from samizdat.audience.errors import AudienceError, FormRefused
from samizdat.audience.models import ConsentText
from samizdat.audience.segments import lookup, portable_json
from samizdat.core import consent
from samizdat.portability import value_limits
from samizdat.portability.canary_alarms import planted_in_exports
from samizdat.portability.models import Export
from samizdat.portability.native import PLANTED
from samizdat.portability.read import OpenedExport, altered
from samizdat.portability.request import ExportDetails, ExportRequest
from samizdat.portability.subscribers import ExportContext
from samizdat.vault import keyring

SEGMENTS, WORDINGS, FORMS = "segments.json", "wordings.json", "forms.json"
SETTINGS = "settings.json"
# Settings that are about readers and people, not about the machine that serves them.
# Column -> its key in the file.
KEPT = {
    "quiet_hours": "quiet_hours",
    "postal_address": "postal_address",
    "hostile_state": "feared",
    "requires_approval": "second_person",
    "accent": "accent",
}
# The highest version of the words of a list: the next ones need numbers too.
VERSION = 1 << 20
# Characters of a consent text: our forms take 600, those of earlier services were longer.
LONGEST = 20_000
FORMATS = ("samizdat", "mailchimp", "csv", "xlsx")


def extras(home: ExportContext) -> dict[str, object]:
    """Name of a file -> what stands in it."""
    return {
        SEGMENTS: _segments(home),
        WORDINGS: _wordings(home),
        FORMS: list(_forms(home)),
        SETTINGS: {key: getattr(home.organization, name) for name, key in KEPT.items()},
    }


def _segments(home: ExportContext) -> list[dict[str, Any]]:
    """With names instead of numbers. One that asks for what was removed says nothing any more, and stays here."""
    entries = []
    for row in lookup.segments(home.organization):
        try:
            entries.append({"name": row.name, "tree": portable_json.dump(home.organization, row.tree)})
        except AudienceError:
            continue
    return entries


def _wordings(home: ExportContext) -> list[dict[str, object]]:
    return [
        {
            "list": row.id,
            "purpose": wording.purpose,
            "language": wording.language,
            "version": wording.version,
            "text": wording.text,
            "since": wording.since,
        }
        for row in home.lists.values()
        for wording in wordings(row)
    ]


def _forms(home: ExportContext) -> Iterator[dict[str, Any]]:
    """Fields by their merge tags, lists and tags by their numbers; what was removed since is left out."""
    for view in forms.forms_of(home.organization):
        tags, facts = {field.number: field.tag for field in view.fields}, structs.asdict(view.facts)
        del facts["removed"], facts["agreed"]  # Of this house: none that is off comes along.
        yield {
            "number": view.id,
            **facts,
            "lists": list(view.lists),
            "fields": list(tags.values()),
            "required": [tags[number] for number in view.facts.required if number in tags],
            "topics": list(view.topics),
        }


def many(opened: OpenedExport) -> dict[str, int]:
    """How much of it an export holds, by the name of the file without its ending. Errors: ExportRefused."""
    counts = {}
    for name in (SEGMENTS, WORDINGS, FORMS):
        rows = opened.table(name) or []
        if not isinstance(rows, list):
            raise altered(name)
        counts[name.removesuffix(".json")] = len(rows)
    return counts


def take_wordings(organization: Organization, opened: OpenedExport, lists: dict[int, int]) -> None:
    """Version by version, since consent records name them. Errors: ExportRefused."""
    keys, entries = keyring.keys(organization), opened.table(WORDINGS) or ()
    try:
        rows = ConsentText.objects.filter(organization=organization)
        known = {*rows.values_list("list_id", "purpose", "language", "version")}
        for entry in entries:
            here, purpose = lists[value_limits.whole(entry["list"])], consent.PURPOSES.index(entry["purpose"])
            language, version = str(entry["language"])[:8], value_limits.whole(entry["version"], VERSION, 1)
            text, since = str(entry["text"]), value_limits.day(entry["since"])
            if len(text) > LONGEST:
                raise ValueError
            if (here, purpose, language, version) in known:
                continue
            known.add((here, purpose, language, version))
            row = ConsentText.objects.create(
                organization=organization, list_id=here, purpose=purpose, language=language, version=version,
                text_sealed=b"", since=since,
            )  # fmt: skip
            row.text_sealed = keys.seal(text.encode(), "wording", "text", row.pk)
            row.save(update_fields=["text_sealed"])
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(WORDINGS) from wrong


def take_segments(organization: Organization, opened: OpenedExport, now: datetime, by: Person | None) -> int:
    """How many came. One that asks for a campaign has nothing to ask for here and stays out."""
    came = 0
    entries = opened.table(SEGMENTS) or []
    if not isinstance(entries, list):
        raise altered(SEGMENTS)
    for entry in entries:
        try:
            tree = portable_json.read(organization, entry["tree"])
            add_segment(organization, str(entry["name"]), tree, now=now.astimezone(UTC), by=by)
        except (KeyError, TypeError):
            raise altered(SEGMENTS) from None
        except AudienceError:
            continue
        came += 1
    return came


def take_forms(
    organization: Organization,
    opened: OpenedExport,
    lists: dict[int, int],
    fields: dict[int, int],
    tags: dict[int, int],
    now: datetime,
    by: Person | None,
) -> int:
    """How many came; lists, fields and tags by number in the file -> number here. One that cannot stand here stays out.
    Errors: ExportRefused."""
    came, numbers = 0, {str(entry["tag"]): fields[entry["number"]] for entry in opened.fields}
    entries = opened.table(FORMS) or ()
    try:
        taken = forms.taken_slugs()
        for entry in entries:
            places = {
                "lists": [lists[value_limits.whole(number)] for number in entry["lists"]],
                "fields": [numbers[tag] for tag in entry["fields"]],
                "required": [numbers[tag] for tag in entry["required"]],
                "topics": [tags[value_limits.whole(number)] for number in entry["topics"]],
            }
            before = value_limits.whole(entry["number"]), str(entry["slug"])
            try:
                forms.make_form(
                    organization, convert(entry | places, FormFacts), now=now, by=by, before=before, taken=taken
                )
            except FormRefused:
                continue
            came += 1
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(FORMS) from wrong
    return came


def take_settings(organization: Organization, opened: OpenedExport, now: datetime, by: Person | None) -> None:
    """Those that nobody has changed here yet. Errors: ExportRefused."""
    payload = opened.table(SETTINGS) or {}
    try:
        usual = {name: getattr(Organization(), name) for name in KEPT}
        mine = {name: type(usual[name])(payload[key]) for name, key in KEPT.items() if key in payload}
        fresh = {name: value for name, value in mine.items() if getattr(organization, name) == usual[name] != value}
        if fresh:
            change_settings(organization, by=by, now=now, **fresh)
    except (KeyError, TypeError, ValueError, AttributeError, AccountError) as wrong:
        raise altered(SETTINGS) from wrong


def take_planted(organization: Organization, opened: OpenedExport, versions: dict[int, int]) -> None:
    """Which addresses the house before this one had planted, so that this one knows them too. `versions`: number of an
    index key in the file -> number here. Errors: ExportRefused."""
    keys, known = keyring.keys(organization), {*planted_in_exports(organization)}
    entries = opened.table(PLANTED) or ()
    try:
        for entry in entries:
            blind, moment = bytes.fromhex(entry["blind"]), value_limits.moment(entry["made"])
            if len(blind) != 16 or entry["format"] not in FORMATS:
                raise ValueError
            version = versions[value_limits.whole(entry["key"])]
            if blind in known:
                continue
            known.add(blind)
            row = Export.objects.create(
                organization=organization, format=entry["format"], state="elsewhere", plain=bool(entry["plain"]),
                created=moment,
            )  # fmt: skip
            details = ExportDetails(ExportRequest(row.format), blind=blind, index_version=version)
            row.details_sealed = keys.seal_json(details, "export", "details", row.pk)
            row.save(update_fields=["details_sealed"])
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(PLANTED) from wrong
