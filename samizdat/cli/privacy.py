"""What a reader may ask for, how long things are kept, and the papers that the law asks for."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, say
from samizdat.cli.secret_arguments import ADDRESS, VALUE

if TYPE_CHECKING:
    from samizdat.audience.models import Subscriber

LANGUAGE = click.Choice(["en", "ru"])


def _subscriber(address: str) -> "Subscriber":
    from samizdat.audience.queries import subscriber_at

    subscriber = subscriber_at(bootstrap.organization(), address)
    if subscriber is None:
        raise CommandFailed(f"There's no subscriber {address}. Check the spelling.", "no_such_subscriber")
    return subscriber


@click.command("access")
@click.argument("address", type=ADDRESS)
@click.option("--to", "path", type=click.Path(path_type=Path), help="File to write: .json, or .html for people.")
@click.option("--language", type=LANGUAGE, help="Language of the page; default: the subscriber’s.")
@common
def access(address: str, path: Path | None, language: str | None) -> None:
    """Data request: everything known about a subscriber, for themselves. Without --to, prints JSON. `-` asks for
    the address.
    """
    bootstrap.open_house()
    from samizdat.privacy import subject_access as rights

    subscriber = _subscriber(address)
    if path is not None and path.suffix not in (".json", ".html"):
        raise CommandFailed("The file name has to end in .json or .html. Choose one of them.", "file_kind")
    document = rights.access_file(subscriber, now=bootstrap.now())
    if path is None:
        say(document, rights.as_json(document))
        return
    text = rights.as_json(document)
    if path.suffix == ".html":
        text = rights.as_html(document, language or rights.language_for(subscriber))
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    say({"file": str(path)}, f"Written to {path}. Send it in a way that nobody else can read.")


@click.command("object")
@click.argument("address", type=ADDRESS)
@click.option("--reason", default="", metavar="TEXT", help="Reason, if given.")
@common
def object_(address: str, reason: str) -> None:
    """Record an objection: no more emails to this address, for any purpose. `-` asks for it."""
    bootstrap.open_house()
    from samizdat.audience.actions import object_to_mail

    done = object_to_mail(bootstrap.organization(), address=address, reason=reason, now=bootstrap.now())
    say({"objected": done}, "They won’t get any more emails." if done else "They had already objected.")


@click.command("correct")
@click.argument("address", type=ADDRESS)
@click.option("--address", "new", type=ADDRESS, metavar="ADDRESS", help="Their new address.")
@click.option(
    "--set",
    "values",
    type=VALUE,
    multiple=True,
    metavar="TAG=TEXT",
    help="New value of a field; empty removes it.",
)
@common
def correct(address: str, new: str | None, values: tuple[str, ...]) -> None:
    """Edit a subscriber. `-` in place of an address or TAG=TEXT asks for it."""
    bootstrap.open_house()
    from django.db import transaction

    from samizdat.audience.actions import change_values, correct_address
    from samizdat.audience.queries import fields

    subscriber, now = _subscriber(address), bootstrap.now()
    new_values = dict(pair.partition("=")[::2] for pair in values)
    known = {field.tag for field in fields(bootstrap.organization())}
    if wrong := sorted(set(new_values) - known):
        raise CommandFailed(f"There's no field {wrong[0]}. Use one of: {', '.join(sorted(known))}.", "no_such_field")
    with transaction.atomic():
        moved = correct_address(subscriber, new, now=now) if new else False
        if new_values:
            change_values(subscriber, new_values, now=now)
    say({"moved": moved, "fields": sorted(new_values)}, "Corrected." if moved or new_values else "Nothing was changed.")


@click.command("keep")
@click.argument("name")
@click.option("--left-days", type=int, help="Erase unsubscribed people after this many days.")
@click.option("--delivery-months", type=int, help="Delete recipients and keep only totals after this many months.")
@click.option("--for-ever", is_flag=True, help="Remove all retention rules of the list.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted. Changes nothing.")
@common
def keep(name: str, left_days: int | None, delivery_months: int | None, for_ever: bool, dry_run: bool) -> None:
    """Set the data retention of a list; without options, show it. The worker applies it every night."""
    bootstrap.open_house()
    from samizdat.audience.queries import list_named
    from samizdat.privacy import actions

    mailing_list, now = list_named(bootstrap.organization(), name), bootstrap.now()
    standing = actions.rules_of(mailing_list)
    changed = for_ever or left_days is not None or delivery_months is not None
    rules = actions.RetentionRules(
        None if for_ever else left_days if left_days is not None else standing.left_days,
        None if for_ever else delivery_months if delivery_months is not None else standing.delivery_months,
    )
    going = actions.preview(mailing_list, rules, now)
    if changed and not dry_run:
        if going.people or going.deliveries:
            confirm(
                f"{going.people:,} people and {going.deliveries:,} deliveries will be deleted in the next night. Save?"
            )
        actions.retain(mailing_list, rules, now=now)
    document = {
        "left_days": rules.left_days,
        "delivery_months": rules.delivery_months,
        "would_go": {"people": going.people, "campaigns": going.campaigns, "deliveries": going.deliveries},
        "changed": changed and not dry_run,
    }
    say(
        document,
        f"Unsubscribed people: {f'erased after {rules.left_days} days' if rules.left_days else 'kept'}.",
        f"Deliveries: {f'only totals after {rules.delivery_months} months' if rules.delivery_months else 'kept'}.",
        (
            f"Deleted in the next night: {going.people:,} people, {going.deliveries:,} deliveries of "
            f"{going.campaigns:,} campaigns."
        ),
    )


@click.command("paper")
@click.argument("which", type=click.Choice(["record", "notice"]))
@click.option("--language", type=LANGUAGE, default="en", show_default=True)
@common
def paper(which: str, language: str) -> None:
    """Print a draft of the record of processing or of the privacy notice from your settings, as Markdown."""
    bootstrap.open_house()
    from samizdat.privacy import legal_documents
    from samizdat.privacy.settings import facts_of

    make = {"record": legal_documents.record_of_processing, "notice": legal_documents.privacy_notice}[which]
    drafted = make(facts_of(bootstrap.organization()), bootstrap.now().date(), language)
    text = legal_documents.as_text(drafted)
    say(
        {"title": drafted.title, "text": text, "gaps": list(drafted.gaps)},
        text,
        *[f"Fill in: {gap}" for gap in drafted.gaps],
    )
