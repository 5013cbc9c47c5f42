"""template import, ls, rename, rm."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.campaigns.errors import CampaignError
from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, say, table

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.campaigns.models import Template


@click.group()
def template() -> None:
    """Frames of letters that you bring along."""


@template.command("import")
@click.argument("file", type=click.Path())
@click.option("--name", metavar="NAME", help="What it is called here; the name of the file otherwise.")
@common
def template_import(file: str, name: str | None) -> None:
    """Import a template, and say what was done to it: an HTML page, or a zip of one with its pictures, as Mailchimp,
    Stripo, BEE and Unlayer export it. Pictures go to Media, without their metadata.
    """
    bootstrap.open_house()
    from samizdat.campaigns.templates.import_template import take_in
    from samizdat.core.content.templates import MAX_ZIP

    try:
        with Path(file).open("rb") as opened:
            data = opened.read(MAX_ZIP + 1)
    except OSError:
        raise CommandFailed(f"{file} cannot be read. Look at its name.", "no_file") from None
    try:
        called, now = name or Path(file).stem, bootstrap.now()
        report = take_in(bootstrap.organization(), called, data, by=None, now=now, file=file)
    except CampaignError as refused:
        raise CommandFailed(str(refused), refused.code) from None
    tags = [f"  {tag}  {count}  {flaw or 'works'}" for tag, count, flaw in report.tags]
    say(
        report.document(),
        f"Template {report.template.pk} is here.",
        *report.notes,
        *(["Merge tags:"] if tags else []),
        *tags,
    )


@template.command("ls")
@common
def template_ls() -> None:
    """The letters to begin with, and your own templates."""
    bootstrap.open_house()
    from samizdat.campaigns import queries
    from samizdat.campaigns.templates import starter_templates

    own = queries.templates(bootstrap.organization())
    rows: list[dict[str, Any]] = [{"name": name, "id": None, "kind": "letter"} for name in starter_templates.NAMES]
    rows += [{"name": name, "id": number, "kind": "own"} for number, name in own]
    lines = [(row["name"], "" if row["id"] is None else str(row["id"]), row["kind"]) for row in rows]
    say({"templates": rows}, *table(("name", "id", "kind"), [*lines]))


@template.command("rename")
@click.argument("name", metavar="NAME|ID")
@click.argument("new", metavar="NEW")
@common
def template_rename(name: str, new: str) -> None:
    """Give one of your templates another name. Letters in it go on with it."""
    own_template = _own(name)
    from samizdat.campaigns.templates import import_template

    try:
        import_template.rename(own_template, new, by=None, now=bootstrap.now())
    except CampaignError as refused:
        raise CommandFailed(str(refused), refused.code) from None
    say(
        {"id": own_template.pk, "name": import_template.name_of(own_template)},
        f"It is called {import_template.name_of(own_template)} now.",
    )


@template.command("rm")
@click.argument("name", metavar="NAME|ID")
@common
def template_rm(name: str) -> None:
    """Remove one of your templates. Drafts in it keep their words and stand in our own frame; sent letters stay."""
    own_template = _own(name)
    from samizdat.campaigns.templates import import_template

    number, called = own_template.pk, import_template.name_of(own_template)
    drafts = [campaign.pk for campaign, _subject in import_template.drafts_in(own_template)]
    losing = f" {len(drafts):,} drafts lose their frame, and what they wrote into its parts." if drafts else ""
    confirm(f"Remove the template {called}?{losing}")
    import_template.remove(own_template, by=None, now=bootstrap.now())
    say({"id": number, "removed": True, "drafts": drafts}, f"{called} is removed.{losing}")


def _own(name: str) -> "Template":
    """The template of that name or number. Errors: Failed."""
    bootstrap.open_house()
    own_template = own_named(bootstrap.organization(), name)
    if own_template is None:
        raise CommandFailed(f"There is no template {name} of yours. Look at: samizdat template ls", "no_such_template")
    return own_template


def own_named(organization: "Organization", name: str) -> "Template | None":
    """The own template of that name, else of that number; None where there is none. Errors: Failed; two of one name are
    told apart by their numbers alone.
    """
    from samizdat.campaigns.models import Template
    from samizdat.campaigns.queries import templates

    there = templates(organization)
    matches = [number for number, known in there if known == name] or [n for n, _known in there if str(n) == name]
    if len(matches) > 1:
        numbers = ", ".join(map(str, matches))
        raise CommandFailed(
            f"Several templates are called {name}: {numbers}. Say the number of one.", "several_templates"
        )
    return Template.objects.select_related("organization").get(pk=matches[0]) if matches else None
