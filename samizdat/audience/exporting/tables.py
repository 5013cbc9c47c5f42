"""What goes along beside the people: saved segments, sign-up forms, the words that they agreed to in all versions."""

from collections.abc import Iterator
from dataclasses import asdict
from dataclasses import fields as dataclass_fields
from datetime import UTC, datetime
from typing import Any

from samizdat.accounts.actions import change_settings
from samizdat.accounts.errors import AccountError
from samizdat.audience.actions import forms
from samizdat.audience.actions.forms import FormFacts
from samizdat.audience.actions.segments import add_segment
from samizdat.audience.actions.wordings import wordings
from samizdat.audience.errors import AudienceError, FormRefused
from samizdat.audience.exporting import values
from samizdat.audience.exporting.models import Export
from samizdat.audience.exporting.native import PLANTED
from samizdat.audience.exporting.people import House
from samizdat.audience.exporting.reading import Opened, altered
from samizdat.audience.models import List, Wording
from samizdat.audience.segments import portable, saved
from samizdat.core import consent
from samizdat.vault import house
from samizdat.vault.sealed import seal_json

SEGMENTS, WORDINGS, FORMS = "segments.json", "wordings.json", "forms.json"
SETTINGS = "settings.json"
# Settings that are about readers and people, not about the machine that serves them.
KEPT = ("quiet_hours", "postal_address", "feared", "second_person", "accent")
# The highest version of the words of a list: the next ones need numbers too.
VERSION = 1 << 20
FORMATS = ("samizdat", "mailchimp", "csv", "xlsx")

# What is told of an export that another house made.
ELSEWHERE: dict[str, Any] = {
    "recipients": [], "lists": [], "keys": False, "zipped": True, "segment": None, "fit": None, "reason": "",
    "planted": None,
}  # fmt: skip


def extras(home: House) -> dict[str, Any]:
    """Name of a file -> what stands in it."""
    return {
        SEGMENTS: _segments(home),
        WORDINGS: _wordings(home),
        FORMS: list(_forms(home)),
        SETTINGS: {name: getattr(home.organisation, name) for name in KEPT},
    }


def _segments(home: House) -> list[dict[str, Any]]:
    """With names instead of numbers. One that asks for what was removed says nothing any more, and stays here."""
    found = []
    for row in saved.segments(home.organisation):
        try:
            found.append({"name": row.name, "tree": portable.dump(home.organisation, row.tree)})
        except AudienceError:
            continue
    return found


def _wordings(home: House) -> list[dict[str, Any]]:
    return [
        {
            "list": row.id,
            "purpose": one.purpose,
            "language": one.language,
            "version": one.version,
            "text": one.text,
            "since": one.since,
        }
        for row in home.lists.values()
        for one in wordings(row)
    ]


def _forms(home: House) -> Iterator[dict[str, Any]]:
    """Fields by their merge tags, lists and tags by their numbers; what was removed since is left out."""
    for view in forms.forms_of(home.organisation):
        tags = {one.number: one.tag for one in view.fields}
        yield {
            "number": view.id,
            "slug": view.slug,
            **asdict(view.facts),
            "lists": list(view.lists),
            "fields": list(tags.values()),
            "required": [tags[number] for number in view.facts.required if number in tags],
            "topics": list(view.topics),
        }


def many(opened: Opened) -> dict[str, int]:
    """How much of it an export holds, by the name of the file without its ending. Errors: ExportRefused."""
    found = {}
    for name in (SEGMENTS, WORDINGS, FORMS):
        told = opened.table(name) or []
        if not isinstance(told, list):
            raise altered(name)
        found[name.removesuffix(".json")] = len(told)
    return found


def take_wordings(organisation: Any, opened: Opened, lists: dict[int, int]) -> None:
    """Version by version, since consent records name them. Errors: ExportRefused."""
    keys = house.keys(organisation)
    try:
        for told in opened.table(WORDINGS) or ():
            here = List.objects.get(id=lists[values.whole(told["list"])])
            purpose = consent.PURPOSES.index(told["purpose"])
            place = {"list": here, "purpose": purpose, "language": str(told["language"])[:8]}
            version = values.whole(told["version"], VERSION, 1)
            if Wording.objects.filter(**place, version=version).exists():
                continue
            row = Wording.objects.create(
                organisation=organisation,
                **place,
                version=version,
                text_sealed=b"",
                since=values.day(told["since"]),
            )
            row.text_sealed = keys.seal(str(told["text"]).encode(), "wording", "text", row.pk)
            row.save(update_fields=["text_sealed"])
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(WORDINGS) from wrong


def take_segments(organisation: Any, opened: Opened, now: datetime, by: Any) -> int:
    """How many came. One that asks for a campaign has nothing to ask for here and stays out."""
    came = 0
    told = opened.table(SEGMENTS) or []
    if not isinstance(told, list):
        raise altered(SEGMENTS)
    for one in told:
        try:
            tree = portable.read(organisation, one["tree"])
            add_segment(organisation, str(one["name"]), tree, now=now.astimezone(UTC), by=by)
        except (KeyError, TypeError):
            raise altered(SEGMENTS) from None
        except AudienceError:
            continue
        came += 1
    return came


def take_forms(
    organisation: Any,
    opened: Opened,
    lists: dict[int, int],
    fields: dict[int, int],
    tags: dict[int, int],
    now: datetime,
    by: Any,
) -> int:
    """How many came; lists, fields and tags by number in the file -> number here. One that cannot stand here stays out.
    Errors: ExportRefused."""
    came, numbers = 0, {str(told["tag"]): fields[told["number"]] for told in opened.fields}
    known = {one.name for one in dataclass_fields(FormFacts)}
    try:
        for told in opened.table(FORMS) or ():
            places: dict[str, Any] = {
                "lists": tuple(lists[values.whole(number)] for number in told["lists"]),
                "fields": tuple(numbers[str(tag)] for tag in told["fields"]),
                "required": tuple(numbers[str(tag)] for tag in told["required"]),
                "topics": tuple(tags[values.whole(number)] for number in told["topics"]),
            }
            words: dict[str, Any] = {name: str(text) for name, text in told.items() if name in known - places.keys()}
            before = values.whole(told["number"]), str(told["slug"])
            try:
                forms.make_form(organisation, FormFacts(**words, **places), now=now, by=by, before=before)
            except FormRefused:
                continue
            came += 1
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(FORMS) from wrong
    return came


def take_settings(organisation: Any, opened: Opened, now: datetime, by: Any) -> None:
    """Those that nobody has changed here yet. Errors: ExportRefused."""
    told = opened.table(SETTINGS) or {}
    try:
        usual = {name: organisation._meta.get_field(name).get_default() for name in KEPT}
        mine = {name: type(usual[name])(told[name]) for name in KEPT if name in told}
        fresh = {name: value for name, value in mine.items() if getattr(organisation, name) == usual[name] != value}
        if fresh:
            change_settings(organisation, by=by, now=now, **fresh)
    except (KeyError, TypeError, ValueError, AttributeError, AccountError) as wrong:
        raise altered(SETTINGS) from wrong


def take_planted(organisation: Any, opened: Opened, versions: dict[int, int]) -> None:
    """Which addresses the house before this one had planted, so that this one knows them too. `versions`: number of an
    index key in the file -> number here. Errors: ExportRefused."""
    keys = house.keys(organisation)
    try:
        for told in opened.table(PLANTED) or ():
            blind, made = bytes.fromhex(told["blind"]), values.moment(told["made"])
            if len(blind) != 16 or told["format"] not in FORMATS:
                raise ValueError
            version = versions[values.whole(told["key"])]
            row, new = Export.objects.get_or_create(
                organisation=organisation,
                planted=blind,
                defaults={
                    "format": told["format"], "state": "elsewhere", "plain": bool(told["plain"]), "created": made,
                    "index_version": version,
                },
            )  # fmt: skip
            if new:
                row.told_sealed = seal_json(keys, ELSEWHERE, "export", "told", row.pk)
                row.save(update_fields=["told_sealed"])
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise altered(PLANTED) from wrong
