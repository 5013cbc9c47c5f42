"""What goes along beside the people: saved segments, and the words that they agreed to, in all versions."""

from datetime import UTC, date, datetime
from typing import Any

from samizdat.audience.actions.segments import add_segment
from samizdat.audience.actions.wordings import wordings
from samizdat.audience.errors import AudienceError
from samizdat.audience.exporting.models import Export
from samizdat.audience.exporting.native import PLANTED
from samizdat.audience.exporting.people import House
from samizdat.audience.exporting.reading import Opened, altered
from samizdat.audience.models import List, Wording
from samizdat.audience.segments import portable, saved
from samizdat.core import consent
from samizdat.vault import house
from samizdat.vault.sealed import seal_json

SEGMENTS, WORDINGS = "segments.json", "wordings.json"
FORMATS = ("samizdat", "mailchimp", "csv", "xlsx")

# What is told of an export that another house made.
ELSEWHERE: dict[str, Any] = {
    "recipients": [], "lists": [], "keys": False, "zipped": True, "segment": None, "fit": None, "reason": "",
    "planted": None,
}  # fmt: skip


def extras(home: House) -> dict[str, Any]:
    """Name of a file -> what stands in it."""
    return {SEGMENTS: _segments(home), WORDINGS: _wordings(home)}


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


def many(opened: Opened) -> dict[str, int]:
    """How much of it an export holds, by the name of the file without its ending. Errors: ExportRefused."""
    found = {}
    for name in (SEGMENTS, WORDINGS):
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
            here = List.objects.get(id=lists[int(told["list"])])
            purpose = consent.PURPOSES.index(told["purpose"])
            place = {"list": here, "purpose": purpose, "language": str(told["language"])[:8]}
            if Wording.objects.filter(**place, version=int(told["version"])).exists():
                continue
            row = Wording.objects.create(
                organisation=organisation,
                **place,
                version=int(told["version"]),
                text_sealed=b"",
                since=date.fromisoformat(told["since"]),
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


def take_planted(organisation: Any, opened: Opened, versions: dict[int, int]) -> None:
    """Which addresses the house before this one had planted, so that this one knows them too. `versions`: number of an
    index key in the file -> number here. Errors: ExportRefused."""
    keys = house.keys(organisation)
    try:
        for told in opened.table(PLANTED) or ():
            blind, made = bytes.fromhex(told["blind"]), datetime.fromisoformat(told["made"])
            if len(blind) != 16 or made.tzinfo is None or told["format"] not in FORMATS:
                raise ValueError
            version = versions[int(told["key"])]
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
