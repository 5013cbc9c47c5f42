"""segment: saved conditions over the audience."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from samizdat.cli import opening
from samizdat.cli.output import Failed, common, confirm, say, table
from samizdat.cli.private import CONDITION


@click.group("segment")
def segments() -> None:
    """Saved conditions: who of the audience is meant."""


@segments.command("ls")
@common
def segment_ls() -> None:
    """All segments, each as a sentence."""
    opening.open_house()
    from samizdat.audience.segments import saved
    from samizdat.campaigns.audience import names

    organisation = opening.organisation()
    said = names(organisation, _word)
    rows = [(one.id, one.name, said.sentence(one.tree)) for one in saved.segments(organisation)]
    say(
        {"segments": [{"id": id, "name": name, "sentence": sentence} for id, name, sentence in rows]},
        *table(("name", "who"), [(name, sentence) for _id, name, sentence in rows]),
    )


@segments.command("show")
@click.argument("name")
@common
def segment_show(name: str) -> None:
    """A segment as a sentence and as JSON with names, which `segment add` reads, here and elsewhere."""
    opening.open_house()
    from samizdat.audience.segments import names, portable
    from samizdat.campaigns.audience import names as naming
    from samizdat.core import segment

    found, tree = _opened(name)
    organisation = found.organisation
    broken = names.broken(organisation, tree)
    condition = segment.dump(tree) if broken else portable.dump(organisation, tree)
    sentence = naming(organisation, _word).sentence(tree)
    document = {"id": found.id, "name": name, "sentence": sentence, "condition": condition, "broken": broken}
    say(document, sentence, json.dumps(condition, ensure_ascii=False), *([broken] if broken else []))


@segments.command("count")
@click.argument("name")
@click.option("--list", "list_name", metavar="NAME", help="Of this list alone, and how many of them may be written to.")
@common
def segment_count(name: str, list_name: str | None) -> None:
    """How many are in it now."""
    opening.open_house()
    from samizdat.audience.queries import list_named
    from samizdat.audience.segments.audience import reach_in
    from samizdat.audience.segments.names import check
    from samizdat.audience.segments.who import Reader, today_of

    row, tree = _opened(name)
    organisation = row.organisation
    check(organisation, tree)
    reader = Reader(organisation, tree, today_of(organisation, opening.now()))
    if list_name is None:
        number = reader.count()
        say({"count": number}, f"{number:,}")
        return
    found = reach_in(list_named(organisation, list_name), None, reader)
    counts = {word: getattr(found, word) for word in ("subscribed", "outside", "suppressed", "may")}
    say(counts, *[f"{number:>12,}  {word}" for word, number in counts.items()])


@segments.command("add")
@click.argument("name")
@click.option(
    "--where",
    "condition",
    type=CONDITION,
    required=True,
    metavar="JSON|FILE|-",
    help="The condition, as `segment show` says.",
)
@common
def segment_add(name: str, condition: str) -> None:
    """Save a condition under a name."""
    opening.open_house()
    from samizdat.audience.actions import add_segment
    from samizdat.audience.segments import portable
    from samizdat.campaigns.audience import names

    organisation = opening.organisation()
    tree = portable.read(organisation, _text(condition))
    made = add_segment(organisation, name, tree, now=opening.now())
    sentence = names(organisation, _word).sentence(tree)
    say({"id": made.id, "sentence": sentence}, sentence, f"Count it: samizdat segment count '{name}'")


@segments.command("remove")
@click.argument("name")
@common
def segment_remove(name: str) -> None:
    """Remove a segment. Drafts that go to it go to nobody until another is chosen."""
    opening.open_house()
    from samizdat.audience.actions import remove_segment
    from samizdat.audience.segments.saved import segment_named

    found = segment_named(opening.organisation(), name)
    confirm(f"Remove the segment {name}?")
    remove_segment(found, now=opening.now())
    say({"removed": True}, "Removed.")


def _opened(name: str) -> tuple[Any, Any]:
    """(row, tree). Errors: NoSuchSegment."""
    from samizdat.audience.segments import saved
    from samizdat.vault import house

    row = saved.segment_named(opening.organisation(), name)
    return row, saved.opened(house.keys(row.organisation), row).tree


def _text(condition: str) -> str:
    if condition.lstrip().startswith("{"):
        return condition
    data = sys.stdin.buffer.read() if condition == "-" else Path(condition).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Failed(f"{condition} is not UTF-8 text. Save it as UTF-8 and try again.", "bad_encoding") from None


def _word(kind: str, code: str) -> str:
    """Codes as they stand in the JSON: whoever reads the one writes the other."""
    return code.replace("_", " ") if kind == "reason" else code
