"""segment: saved conditions over the audience."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, say, table
from samizdat.cli.secret_arguments import CONDITION

if TYPE_CHECKING:
    from samizdat.audience.models import Segment
    from samizdat.core.segment import Tree


@click.group("segment")
def segments() -> None:
    """Segments: saved filters of the audience."""


@segments.command("ls")
@common
def segment_ls() -> None:
    """All segments, each as a sentence."""
    bootstrap.open_house()
    from samizdat.audience.segments import lookup
    from samizdat.audience.segments.describe import Names

    organization = bootstrap.organization()
    segment_names = Names(organization, _word)
    rows = [
        (segment.id, segment.name, segment_names.sentence(segment.tree)) for segment in lookup.segments(organization)
    ]
    say(
        {"segments": [{"id": id, "name": name, "sentence": sentence} for id, name, sentence in rows]},
        *table(("name", "who"), [(name, sentence) for _id, name, sentence in rows]),
    )


@segments.command("show")
@click.argument("name")
@common
def segment_show(name: str) -> None:
    """Show a segment as a sentence and as JSON, which `segment add` can read, here and elsewhere."""
    bootstrap.open_house()
    from samizdat.audience.segments import lookup, portable_json
    from samizdat.audience.segments.describe import Names
    from samizdat.core import segment

    row, tree = _opened(name)
    organization = row.organization
    broken = lookup.broken(organization, tree)
    condition = segment.dump(tree) if broken else portable_json.dump(organization, tree)
    sentence = Names(organization, _word).sentence(tree)
    document = {"id": row.id, "name": name, "sentence": sentence, "condition": condition, "broken": broken}
    say(document, sentence, json.dumps(condition, ensure_ascii=False), *([broken] if broken else []))


@segments.command("count")
@click.argument("name")
@click.option("--list", "list_name", metavar="NAME", help="Only on this list, and how many of them can be emailed.")
@common
def segment_count(name: str, list_name: str | None) -> None:
    """Count the subscribers in a segment."""
    bootstrap.open_house()
    from samizdat.audience.queries import list_named
    from samizdat.audience.segments.campaign_audience import reach_in
    from samizdat.audience.segments.lookup import check
    from samizdat.audience.segments.members import MemberReader

    row, tree = _opened(name)
    organization = row.organization
    check(organization, tree)
    reader = MemberReader(organization, tree, organization.day_of(bootstrap.now()))
    if list_name is None:
        number = reader.count()
        say({"count": number}, f"{number:,}")
        return
    reach = reach_in(list_named(organization, list_name), None, reader)
    counts = {word: getattr(reach, word) for word in ("subscribed", "outside", "suppressed", "may")}
    say(counts, *[f"{number:>12,}  {word}" for word, number in counts.items()])


@segments.command("add")
@click.argument("name")
@click.option(
    "--where",
    "condition",
    type=CONDITION,
    required=True,
    metavar="JSON|FILE|-",
    help="The conditions, in the format of `segment show`.",
)
@common
def segment_add(name: str, condition: str) -> None:
    """Save a segment."""
    bootstrap.open_house()
    from samizdat.audience.actions import add_segment
    from samizdat.audience.segments import portable_json
    from samizdat.audience.segments.describe import Names

    organization = bootstrap.organization()
    tree = portable_json.read(organization, _text(condition))
    segment = add_segment(organization, name, tree, now=bootstrap.now())
    sentence = Names(organization, _word).sentence(tree)
    say({"id": segment.id, "sentence": sentence}, sentence, f"Count it: samizdat segment count '{name}'")


@segments.command("remove")
@click.argument("name")
@common
def segment_remove(name: str) -> None:
    """Remove a segment. Drafts for it have no recipients until you choose another one."""
    bootstrap.open_house()
    from samizdat.audience.actions import remove_segment
    from samizdat.audience.segments.lookup import segment_named

    segment = segment_named(bootstrap.organization(), name)
    confirm(f"Remove the segment {name}?")
    remove_segment(segment, now=bootstrap.now())
    say({"removed": True}, "Removed.")


def _opened(name: str) -> "tuple[Segment, Tree]":
    """(row, tree). Errors: NoSuchSegment."""
    from samizdat.audience.segments import lookup
    from samizdat.vault import keyring

    row = lookup.segment_named(bootstrap.organization(), name)
    return row, lookup.opened(keyring.keys(row.organization), row).tree


def _text(condition: str) -> str:
    if condition.lstrip().startswith("{"):
        return condition
    data = sys.stdin.buffer.read() if condition == "-" else Path(condition).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandFailed(f"{condition} is not UTF-8 text. Save it as UTF-8 and try again.", "bad_encoding") from None


def _word(kind: str, code: str) -> str:
    """Codes as they stand in the JSON: whoever reads the one writes the other."""
    return code.replace("_", " ") if kind == "reason" else code
