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
    """Templates of emails."""


@template.command("import")
@click.argument("file", type=click.Path())
@click.option("--name", metavar="NAME", help="Name of the template; default: the file name.")
@common
def template_import(file: str, name: str | None) -> None:
    """Import a template and show what was changed in it: an HTML page, or a zip of a page with its images, as
    exported by Mailchimp, Stripo, BEE and Unlayer. Images are added to Media, without metadata.
    """
    bootstrap.open_house()
    from samizdat.campaigns.templates.import_template import take_in
    from samizdat.core.content.templates.template_zip import MAX_ZIP

    try:
        with Path(file).open("rb") as opened:
            data = opened.read(MAX_ZIP + 1)
    except OSError:
        raise CommandFailed(f"Can't read {file}. Check its name.", "no_file") from None
    try:
        called, now = name or Path(file).stem, bootstrap.now()
        report = take_in(bootstrap.organization(), called, data, by=None, now=now, file=file)
    except CampaignError as refused:
        raise CommandFailed(str(refused), refused.code) from None
    tags = [f"  {tag}  {count}  {flaw or 'works'}" for tag, count, flaw in report.tags]
    say(
        report.document(),
        f"Template {report.template.pk} imported.",
        *report.notes,
        *(["Merge tags:"] if tags else []),
        *tags,
    )


@template.command("ls")
@common
def template_ls() -> None:
    """The starters, and your own templates."""
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
    """Rename one of your templates. Campaigns keep using it."""
    own_template = _own(name)
    from samizdat.campaigns.templates import import_template, layout_store

    try:
        import_template.rename(own_template, new, by=None, now=bootstrap.now())
    except CampaignError as refused:
        raise CommandFailed(str(refused), refused.code) from None
    say(
        {"id": own_template.pk, "name": layout_store.name_of(own_template)},
        f"Renamed to {layout_store.name_of(own_template)}.",
    )


@template.command("rm")
@click.argument("name", metavar="NAME|ID")
@common
def template_rm(name: str) -> None:
    """Remove one of your templates. Drafts that use it keep their text and get the built-in design; sent campaigns
    stay.
    """
    own_template = _own(name)
    from samizdat.campaigns.templates import import_template, layout_store

    number, called = own_template.pk, layout_store.name_of(own_template)
    drafts = [campaign.pk for campaign, _subject in import_template.drafts_in(own_template)]
    losing = f" {len(drafts):,} drafts lose their design, and the text in its regions." if drafts else ""
    confirm(f"Remove the template {called}?{losing}")
    import_template.remove(own_template, by=None, now=bootstrap.now())
    say({"id": number, "removed": True, "drafts": drafts}, f"{called} was removed.{losing}")


def _own(name: str) -> "Template":
    """The template of that name or number. Errors: Failed."""
    bootstrap.open_house()
    own_template = own_named(bootstrap.organization(), name)
    if own_template is None:
        raise CommandFailed(f"You have no template {name}. See: samizdat template ls", "no_such_template")
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
            f"Several templates are called {name}: {numbers}. Use the number of one.", "several_templates"
        )
    return Template.objects.select_related("organization").get(pk=matches[0]) if matches else None
