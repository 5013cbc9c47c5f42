"""template import, ls."""

from pathlib import Path
from typing import Any

import click

from samizdat.cli import opening
from samizdat.cli.output import Failed, common, say, table


@click.group()
def template() -> None:
    """Frames of letters that you bring along."""


@template.command("import")
@click.argument("file", type=click.Path())
@click.option("--name", metavar="NAME", help="What it is called here; the name of the file otherwise.")
@common
def template_import(file: str, name: str | None) -> None:
    """Take in a template of Mailchimp or any page of HTML, and say what was done to it."""
    opening.open_house()
    from samizdat.campaigns.errors import CampaignError
    from samizdat.campaigns.templating import take_in

    try:
        data = Path(file).read_bytes()
    except OSError:
        raise Failed(f"{file} cannot be read. Look at its name.", "no_file") from None
    try:
        report = take_in(opening.organisation(), name or Path(file).stem, data, by=None, now=opening.now())
    except CampaignError as refused:
        raise Failed(str(refused), refused.code) from None
    tags = [f"  {tag}  {count}  {flaw or 'works'}" for tag, count, flaw in report.tags]
    say(report.document(), "\n".join([f"Template {report.template.pk} is here.", *report.notes, "Merge tags:", *tags]))


@template.command("ls")
@common
def template_ls() -> None:
    """The letters to begin with, and your own templates."""
    opening.open_house()
    from samizdat.campaigns import queries, starters

    own = queries.templates(opening.organisation())
    rows: list[dict[str, Any]] = [{"name": name, "id": None, "kind": "letter"} for name in starters.NAMES]
    rows += [{"name": name, "id": number, "kind": "own"} for number, name in own]
    lines = [(row["name"], "" if row["id"] is None else str(row["id"]), row["kind"]) for row in rows]
    say({"templates": rows}, *table(("name", "id", "kind"), [*lines]))
