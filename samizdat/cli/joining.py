"""form: what readers fill in to sign up."""

from typing import Any

import click

from samizdat.cli import opening
from samizdat.cli.output import Failed, common, confirm, say, table


@click.group("form")
def forms() -> None:
    """Sign-up forms, for one list or several, on a page of their own."""


@forms.command("new")
@click.argument("title")
@click.option("--list", "lists", multiple=True, required=True, metavar="NAME", help="Once for each; readers choose.")
@click.option("--words", required=True, metavar="TEXT", help="What readers agree to; goes into their consent records.")
@click.option("--appeals", default="", metavar="TEXT", help="Words beside a box for appeals for money; no box without.")
@click.option("--field", "fields", multiple=True, metavar="TAG", help="A field to ask for.")
@click.option("--required", multiple=True, metavar="TAG", help="A field that must be filled in.")
@click.option("--topic", "topics", multiple=True, metavar="TAG", help="A tag that readers may give themselves.")
@click.option("--language", type=click.Choice(["en", "ru"]), help="The organisation's without it.")
@click.option("--intro", default="", metavar="TEXT", help="One or two sentences above the form.")
@click.option("--thanks", default="", metavar="TEXT", help="What whoever has confirmed reads.")
@common
def form_new(title: str, lists: tuple[str, ...], words: str, **more: Any) -> None:
    """Make a form."""
    opening.open_house()
    from samizdat.audience.actions import forms
    from samizdat.audience.queries import list_named

    organisation = opening.organisation()
    language = more["language"] or (organisation.language if organisation.language in forms.LANGUAGES else "en")
    asked = dict.fromkeys((*more["fields"], *more["required"]))
    told = forms.FormFacts(
        title=title,
        language=language,
        lists=tuple(dict.fromkeys(list_named(organisation, name).id for name in lists)),
        wording=words,
        intro=more["intro"],
        thanks=more["thanks"],
        fields=_fields(organisation, asked),
        required=_fields(organisation, more["required"]),
        topics=tuple(_topic(organisation, name) for name in more["topics"]),
        appeals=more["appeals"].strip(),
    )
    made = forms.make_form(organisation, told, now=opening.now())
    _say(organisation, forms.view_of(made))


@forms.command("ls")
@common
def form_ls() -> None:
    """All forms, the newest first."""
    opening.open_house()
    from samizdat.audience.actions import forms

    organisation = opening.organisation()
    found = [_document(organisation, view) for view in forms.forms_of(organisation)]
    say(
        {"forms": found},
        *table(
            ("form", "lists", "address"), [(one["title"], ", ".join(one["lists"]), one["address"]) for one in found]
        ),
    )


@forms.command("show")
@click.argument("name", metavar="TITLE|SLUG")
@common
def form_show(name: str) -> None:
    """What a form says and asks, and its address."""
    opening.open_house()
    _say(opening.organisation(), _found(name))


@forms.command("remove")
@click.argument("name", metavar="TITLE|SLUG")
@common
def form_remove(name: str) -> None:
    """Switch a form off. Sign-ups that wait may still be confirmed."""
    opening.open_house()
    from samizdat.audience.actions import forms
    from samizdat.audience.models import SignUpForm

    view = _found(name)
    confirm(f"Switch the form {view.facts.title} off?")
    row = SignUpForm.objects.select_related("organisation").get(id=view.id)
    forms.remove_form(row, now=opening.now())
    say({"removed": True}, "It is off.")


def _found(name: str) -> Any:
    from samizdat.audience.actions import forms

    wanted = name.strip().casefold()
    views = forms.forms_of(opening.organisation())
    found = [view for view in views if wanted in (view.slug, view.facts.title.casefold())]
    if len(found) == 1:
        return found[0]
    if found:
        raise Failed(
            f"{len(found)} forms are called {name}. Say the end of its address: `form ls` shows it.", "two_forms"
        )
    raise Failed(f"There is no form {name}. Look at `samizdat form ls`.", "no_such_form")


def _fields(organisation: Any, tags: Any) -> tuple[int, ...]:
    """A misspelt one must not be left out in silence."""
    from samizdat.audience.queries import fields

    known = {one.tag.casefold(): one.number for one in fields(organisation)}
    for tag in tags:
        if tag.casefold() not in known:
            there = f"There are: {', '.join(sorted(known)).upper()}." if known else "Make it at the desk, under Fields."
            raise Failed(f"There is no field {tag}. {there}", "no_such_field")
    return tuple(dict.fromkeys(known[tag.casefold()] for tag in tags))


def _topic(organisation: Any, name: str) -> int:
    from samizdat.audience.queries import tag_named

    found = tag_named(organisation, name)
    if found is None:
        raise Failed(f"There is no tag {name}. Look at its spelling.", "no_such_tag")
    return int(found.id)


def _document(organisation: Any, view: Any) -> dict[str, Any]:
    from samizdat.accounts.grants import leading

    base, told = leading(organisation).public_url, view.facts
    return {
        "id": view.id,
        "slug": view.slug,
        "address": f"{base}/f/{view.slug}" if base else "",
        "title": told.title,
        "language": told.language,
        "lists": [*view.lists.values()],
        "fields": [
            {"tag": one.tag, "label": one.label, "kind": one.kind, "required": one.number in told.required}
            for one in view.fields
        ],
        "topics": [*view.topics.values()],
        "words": told.wording,
        "appeals": told.appeals,
        "intro": told.intro,
        "thanks": told.thanks,
    }


def _say(organisation: Any, view: Any) -> None:
    from samizdat.audience.actions.preferring import remarks

    document = _document(organisation, view)
    said = remarks(organisation, view)
    fields = ", ".join(one["tag"] + (" (required)" if one["required"] else "") for one in document["fields"])
    say(
        document | {"remarks": said},
        f"{document['title']}  {document['address'] or 'no address yet: set the address of the public pages'}",
        f"  lists: {', '.join(document['lists'])}",
        *([f"  fields: {fields}"] if fields else []),
        *([f"  topics: {', '.join(document['topics'])}"] if document["topics"] else []),
        f"  readers agree to: {document['words']}",
        *([f"  a box asks for appeals: {document['appeals']}"] if document["appeals"] else []),
        *said,
    )
