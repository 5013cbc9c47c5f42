"""form: what readers fill in to sign up."""

from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, say, table

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.audience.actions.forms import FormView


@click.group("form")
def forms() -> None:
    """Sign-up forms, for one list or several, on a page of their own."""


@forms.command("new")
@click.argument("title")
@click.option(
    "--list", "lists", multiple=True, required=True, metavar="NAME", help="Once per list. Subscribers choose."
)
@click.option(
    "--words",
    required=True,
    metavar="TEXT",
    help="Consent wording: what subscribers agree to. Saved in their consent records.",
)
@click.option(
    "--appeals",
    default="",
    metavar="TEXT",
    help="Label of a checkbox for fundraising appeals; no checkbox if not given.",
)
@click.option("--field", "fields", multiple=True, metavar="TAG", help="A field to ask for.")
@click.option("--required", multiple=True, metavar="TAG", help="A field that must be filled in.")
@click.option("--topic", "topics", multiple=True, metavar="TAG", help="A tag that subscribers can choose.")
@click.option("--language", type=click.Choice(["en", "ru"]), help="Default: the organization's.")
@click.option("--intro", default="", metavar="TEXT", help="One or two sentences above the form.")
@click.option("--thanks", default="", metavar="TEXT", help="Text shown after someone confirmed.")
@common
def form_new(title: str, lists: tuple[str, ...], words: str, **more: Any) -> None:
    """Create a form."""
    bootstrap.open_house()
    from samizdat.audience.actions import forms
    from samizdat.audience.queries import list_named

    organization = bootstrap.organization()
    language = more["language"] or (organization.language if organization.language in forms.LANGUAGES else "en")
    asked = dict.fromkeys((*more["fields"], *more["required"]))
    facts = forms.FormFacts(
        title=title,
        language=language,
        lists=tuple(dict.fromkeys(list_named(organization, name).id for name in lists)),
        wording=words,
        intro=more["intro"],
        thanks=more["thanks"],
        fields=_fields(organization, asked),
        required=_fields(organization, more["required"]),
        topics=tuple(_topic(organization, name) for name in more["topics"]),
        appeals=more["appeals"].strip(),
    )
    form = forms.make_form(organization, facts, now=bootstrap.now())
    _say(organization, forms.view_of(form))


@forms.command("ls")
@common
def form_ls() -> None:
    """All forms, the newest first."""
    bootstrap.open_house()
    from samizdat.audience.actions import forms

    organization = bootstrap.organization()
    documents = [_document(organization, view) for view in forms.forms_of(organization)]
    say(
        {"forms": documents},
        *table(
            ("form", "lists", "address"),
            [(document["title"], ", ".join(document["lists"]), document["address"]) for document in documents],
        ),
    )


@forms.command("show")
@click.argument("name", metavar="TITLE|SLUG")
@common
def form_show(name: str) -> None:
    """Show the text, fields and address of a form."""
    bootstrap.open_house()
    _say(bootstrap.organization(), _found(name))


@forms.command("remove")
@click.argument("name", metavar="TITLE|SLUG")
@common
def form_remove(name: str) -> None:
    """Unpublish a form. Unconfirmed sign-ups can still be confirmed."""
    bootstrap.open_house()
    from samizdat.audience.actions import forms
    from samizdat.audience.models import SignUpForm

    view = _found(name)
    confirm(f"Unpublish the form {view.facts.title}?")
    row = SignUpForm.objects.select_related("organization").get(id=view.id)
    forms.remove_form(row, now=bootstrap.now())
    say({"removed": True}, "Form unpublished.")


def _found(name: str) -> "FormView":
    from samizdat.audience.actions import forms

    wanted = name.strip().casefold()
    views = forms.forms_of(bootstrap.organization())
    matches = [view for view in views if wanted in (view.slug, view.facts.title.casefold())]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise CommandFailed(
            f"{len(matches)} forms are called {name}. Use the end of the address instead: `form ls` shows it.",
            "two_forms",
        )
    raise CommandFailed(f"There's no form {name}. See: samizdat form ls", "no_such_form")


def _fields(organization: "Organization", tags: Any) -> tuple[int, ...]:
    """A misspelt one must not be left out in silence."""
    from samizdat.audience.queries import fields

    known = {field.tag.casefold(): field.number for field in fields(organization)}
    for tag in tags:
        if tag.casefold() not in known:
            there = f"Fields: {', '.join(sorted(known)).upper()}." if known else "Create it in the app, under Fields."
            raise CommandFailed(f"There's no field {tag}. {there}", "no_such_field")
    return tuple(dict.fromkeys(known[tag.casefold()] for tag in tags))


def _topic(organization: "Organization", name: str) -> int:
    from samizdat.audience.queries import tag_named

    tag = tag_named(organization, name)
    if tag is None:
        raise CommandFailed(f"There's no tag {name}. Check the spelling.", "no_such_tag")
    return int(tag.id)


def _document(organization: "Organization", view: "FormView") -> dict[str, Any]:
    from samizdat.accounts.sealed_settings import leading

    base, facts = leading(organization).public_url, view.facts
    return {
        "id": view.id,
        "slug": view.slug,
        "address": f"{base}/f/{view.slug}" if base else "",
        "title": facts.title,
        "language": facts.language,
        "lists": [*view.lists.values()],
        "fields": [
            {"tag": field.tag, "label": field.label, "kind": field.kind, "required": field.number in facts.required}
            for field in view.fields
        ],
        "topics": [*view.topics.values()],
        "words": facts.wording,
        "appeals": facts.appeals,
        "intro": facts.intro,
        "thanks": facts.thanks,
    }


def _say(organization: "Organization", view: "FormView") -> None:
    from samizdat.audience.actions.preferences import remarks

    document = _document(organization, view)
    remark_lines = remarks(organization, view)
    fields = ", ".join(field["tag"] + (" (required)" if field["required"] else "") for field in document["fields"])
    say(
        document | {"remarks": remark_lines},
        f"{document['title']}  {document['address'] or 'no address yet: set the address of the public pages'}",
        f"  lists: {', '.join(document['lists'])}",
        *([f"  fields: {fields}"] if fields else []),
        *([f"  topics: {', '.join(document['topics'])}"] if document["topics"] else []),
        f"  consent wording: {document['words']}",
        *([f"  fundraising checkbox: {document['appeals']}"] if document["appeals"] else []),
        *remark_lines,
    )
