"""rescue case: an account that a provider closed, what the law says, requests with deadlines, and evidence."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, confirm, note, say, table
from samizdat.cli.secret_arguments import ADDRESS, NAME
from samizdat.core.rescue import requests
from samizdat.core.rescue.case import LOST, REASONS, ClosedAccount, laws_for
from samizdat.core.rescue.laws import LAW_OF
from samizdat.core.rescue.parties import PROVIDERS, authority_of, provider_named
from samizdat.core.unsafe_text import one_line

if TYPE_CHECKING:
    from samizdat.privacy.models import RescueCase

# Bytes of the lines of a public page.
LONGEST_FILE = 200_000
DAY = click.DateTime(["%Y-%m-%d"])
DRAFT = f"A draft, not legal advice: have it checked by someone who knows the law. Law as of {LAW_OF:%Y-%m-%d}."


class Country(click.ParamType[str]):
    """ISO 3166-1, or US-CA."""

    name = "country"

    def convert(self, value: str, param: click.Parameter | None, context: click.Context | None) -> str:
        code = value.upper()
        if code not in ("", "US-CA") and not (len(code) == 2 and code.isascii() and code.isalpha()):
            self.fail(f"{value} is no country code. Use one such as LV or DE, or US-CA for California.", param)
        return code


COUNTRY = Country()


@click.group("case")
def case() -> None:
    """Ask a provider that closed your account for your data: requests by law, deadlines, evidence."""


def _facts[Command: Callable[..., Any]](command: Command) -> Command:
    """The options that say what is known of a closed account; None where nobody said."""
    for option in (
        click.option(
            "--lost", type=click.Choice(LOST), multiple=True, help="What you lost. Once for each. Default: all."
        ),
        click.option("--reason", type=click.Choice(REASONS), help="Which reason the provider gave."),
        click.option(
            "--subscribers-in",
            type=COUNTRY,
            multiple=True,
            help="Where subscribers live: a country, or EU. Once for each.",
        ),
        click.option("--owner-country", type=COUNTRY, help="Where the person lives who opened the account."),
        click.option("--country", type=COUNTRY, help="Where your organization is."),
        click.option(
            "--provider-country", type=COUNTRY, help="Where the provider is. Default: as in `providers`, else US."
        ),
        click.option("--signed", type=NAME, metavar="NAME", help="Who signs the requests."),
        click.option("--reply-to", type=ADDRESS, metavar="ADDRESS", help="Where the provider should answer."),
        click.option("--owner", type=ADDRESS, metavar="ADDRESS", help="The address it was registered with."),
        click.option("--account", type=NAME, metavar="NAME", help="Name or number of the account at the provider."),
        click.option("--authority", metavar="NAME", help="Authority to complain to. Default: that of your country."),
    ):
        command = option(command)
    return command


@case.command("new")
@click.option("--provider", required=True, metavar="NAME", help="Who closed it: a name of `providers`, or another one.")
@click.option("--closed", required=True, type=DAY, help="The day on which it was closed.")
@_facts
@common
def case_new(provider: str, closed: datetime, **facts: Any) -> None:
    """Open a case. Everything in it is stored encrypted. `-` in place of an address or name asks for it."""
    bootstrap.open_house()
    from samizdat.privacy import actions

    organization, listed = bootstrap.organization(), provider_named(provider)
    account = ClosedAccount(
        provider=listed.id if listed else provider,
        closed=closed.date(),
        organization=organization.name,
        provider_country=listed.country if listed else "US",
    )
    opened = actions.open_case(organization, _changed(account, facts), now=bootstrap.now())
    say(_document(opened), f"Case {opened.pk} opened.", *_next(opened))


def _changed(account: ClosedAccount, facts: dict[str, Any]) -> ClosedAccount:
    """With what was said; the authority follows from the countries, unless somebody named one."""
    changed = replace(account, **{name: value for name, value in facts.items() if value not in (None, ())})
    if changed.authority in ("", authority_of(account.country, *account.subscribers_in)):
        return replace(changed, authority=authority_of(changed.country, *changed.subscribers_in))
    return changed


@case.command("set")
@click.argument("number", metavar="ID", type=int)
@click.option("--closed", type=DAY, help="The day on which it was closed.")
@_facts
@common
def case_set(number: int, closed: datetime | None, **facts: Any) -> None:
    """Change what is known of a closed account; the rest stays. `-` in place of an address or name asks for it."""
    bootstrap.open_house()
    from samizdat.privacy import actions
    from samizdat.privacy.rescue_cases import case_numbered, details_of

    row = case_numbered(bootstrap.organization(), number)
    before = details_of(row).account
    account = _changed(replace(before, closed=closed.date() if closed else before.closed), facts)
    actions.change_case(row, account, now=bootstrap.now())
    say(_document(case_numbered(bootstrap.organization(), number)), f"Case {number} changed.")


def _next(row: "RescueCase") -> list[str]:
    document = _document(row)
    if not document["laws"]:
        return [
            "No law that Samizdat knows applies. Check the countries, or ask a lawyer. Access Now helps groups like "
            "yours: https://www.accessnow.org/help/"
        ]
    first = document["can_ask"][0]["kind"]
    return [f"Write the first request: samizdat rescue case request {row.pk} {first}"]


@case.command("ls")
@common
def case_ls() -> None:
    """List your cases."""
    bootstrap.open_house()
    from samizdat.privacy.rescue_cases import cases

    documents = [_document(row) for row in cases(bootstrap.organization())]
    rows = [
        (each["id"], each["provider"], each["closed"].isoformat(), len(each["sent"]), _until(each))
        for each in documents
    ]
    lines = table(("case", "provider", "closed", "requests", "next deadline"), rows)
    say({"cases": documents}, *(lines if rows else ["No cases. Open one: samizdat rescue case new --help"]))


def _until(document: dict[str, Any]) -> str:
    if document["finished"]:
        return "finished"
    days = [sent["due"] for sent in document["sent"] if sent["due"] and not sent["answered"]]
    return min(days).isoformat() if days else "none"


@case.command("show")
@click.argument("number", metavar="ID", type=int)
@common
def case_show(number: int) -> None:
    """Show a case: which laws apply and why, what you can ask for, what was sent, deadlines, evidence."""
    bootstrap.open_house()
    from samizdat.privacy.rescue_cases import case_numbered

    row = case_numbered(bootstrap.organization(), number)
    document = _document(row)
    lines = [f"Case {row.pk}: {document['provider']}, closed {document['closed']}", "", "Laws:"]
    lines += [line for law in document["laws"] for line in (f"  {law['name']}", f"    {law['says']}")] or ["  none"]
    lines += ["", "You can ask for:"]
    lines += [f"  {kind['kind']}: {kind['label']}" for kind in document["can_ask"]] or ["  nothing by law"]
    lines += ["", "Sent:"]
    lines += [f"  {_sent_line(sent)}" for sent in document["sent"]] or ["  nothing yet"]
    lines += ["", "Evidence:"]
    lines += [
        f"  {file['number']}  {file['added']:%Y-%m-%d %H:%M} UTC  {file['name']}  SHA-256 {file['sha256']}"
        for file in document["evidence"]
    ] or ["  none: add screenshots and emails of the provider"]
    say(document, *lines, "", DRAFT)


def _sent_line(sent: dict[str, Any]) -> str:
    if sent["answered"]:
        state = f"answered {sent['answered']}"
    elif sent["due"]:
        state = f"due {sent['due']}" + ("" if sent["law"] else " (asked for, set by no law)")
    else:
        state = "no deadline"
    return f"{sent['number']}  {sent['kind']}  sent {sent['sent']}  {state}"


@case.command("request")
@click.argument("number", metavar="ID", type=int)
@click.argument("kind", type=click.Choice(list(requests.KINDS)))
@click.option("--language", type=click.Choice(requests.LANGUAGES), default="en", show_default=True)
@click.option("--to", "path", type=click.Path(path_type=Path), help="File to write. Without it, prints the text.")
@common
def case_request(number: int, kind: str, language: str, path: Path | None) -> None:
    """Write a request, or the complaint to the authority, with its references. Send it yourself, then note it."""
    bootstrap.open_house()
    from samizdat.privacy.rescue_cases import case_numbered, details_of, draft

    row = case_numbered(bootstrap.organization(), number)
    offered = requests.kinds_for(details_of(row).account)
    if requests.KINDS[kind] not in offered:
        raise CommandFailed(
            f"No law that Samizdat knows supports “{kind}” in this case. Use one of: "
            f"{', '.join(each.id for each in offered) or 'none'}.",
            "no_law",
        )
    drafted = draft(row, requests.KINDS[kind], bootstrap.now().date(), language)
    document: dict[str, Any] = {"kind": kind, "title": drafted.title, "gaps": drafted.gaps, "draft": DRAFT}
    if path is None:
        say({**document, "text": drafted.text}, *drafted.text.splitlines())
    else:
        _write(path, drafted.text.encode())
        say({**document, "file": str(path)}, f"Written to {path}.")
    note(DRAFT)
    if drafted.gaps:
        note(f"{drafted.gaps} places to fill in.")


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


@case.command("sent")
@click.argument("number", metavar="ID", type=int)
@click.argument("kind", type=click.Choice(list(requests.KINDS)))
@click.option("--day", type=DAY, help="The day on which you sent it. Default: today.")
@click.option("--received", type=DAY, help="The day on which it reached them, if you know it.")
@common
def case_sent(number: int, kind: str, day: datetime | None, received: datetime | None) -> None:
    """Note that a request was sent. Its deadline is computed by law, and admins are reminded of it."""
    bootstrap.open_house()
    from samizdat.privacy import actions
    from samizdat.privacy.rescue_cases import case_numbered

    row, now = case_numbered(bootstrap.organization(), number), bootstrap.now()
    sent = day.date() if day else now.date()
    actions.note_sent(row, kind, sent, received.date() if received else None, now=now)
    document = _document(case_numbered(bootstrap.organization(), number))
    say(document, _sent_line(document["sent"][-1]))


@case.command("answered")
@click.argument("number", metavar="ID", type=int)
@click.argument("request", metavar="REQUEST", type=int)
@click.option("--day", type=DAY, help="The day of the answer. Default: today.")
@click.option("--extended", is_flag=True, help="They only said that they need longer, and why.")
@common
def case_answered(number: int, request: int, day: datetime | None, extended: bool) -> None:
    """Note that request number REQUEST was answered."""
    bootstrap.open_house()
    from samizdat.privacy import actions
    from samizdat.privacy.rescue_cases import case_numbered

    row, now = case_numbered(bootstrap.organization(), number), bootstrap.now()
    actions.note_answered(row, request, day.date() if day else now.date(), extended=extended, now=now)
    document = _document(case_numbered(bootstrap.organization(), number))
    say(document, _sent_line(document["sent"][request - 1]))


@case.command("evidence")
@click.argument("number", metavar="ID", type=int)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--words", default="", metavar="TEXT", help="What it shows.")
@common
def case_evidence(number: int, file: Path, words: str) -> None:
    """Keep FILE in a case, encrypted, with its SHA-256 and the time. The file itself stays where it is."""
    bootstrap.open_house()
    from samizdat.privacy import actions
    from samizdat.privacy.rescue_cases import case_numbered

    row = case_numbered(bootstrap.organization(), number)
    with file.open("rb") as opened:
        added = actions.add_evidence(row, file.name, opened, note=words, now=bootstrap.now())
    document = _document(case_numbered(bootstrap.organization(), number))
    say(document, f"Kept: {added.name}, {added.size:,} bytes, SHA-256 {added.sha256}")


@case.command("fetch")
@click.argument("number", metavar="ID", type=int)
@click.argument("evidence", metavar="N", type=int)
@click.option("--to", "path", required=True, type=click.Path(path_type=Path), help="File to write.")
@common
def case_fetch(number: int, evidence: int, path: Path) -> None:
    """Write file number N of the evidence as it was added."""
    bootstrap.open_house()
    from samizdat.privacy.rescue_cases import case_numbered, details_of, read_evidence

    row = case_numbered(bootstrap.organization(), number)
    files = details_of(row).evidence
    if not 1 <= evidence <= len(files):
        raise CommandFailed(f"There's no file {evidence} in case {number}. Check its number.", "no_file")
    _write(path, b"".join(read_evidence(row, files[evidence - 1])))
    say({"file": str(path), "sha256": files[evidence - 1].sha256}, f"Written to {path}.")


@case.command("timeline")
@click.argument("number", metavar="ID", type=int)
@click.option("--language", type=click.Choice(requests.LANGUAGES), default="en", show_default=True)
@common
def case_timeline(number: int, language: str) -> None:
    """Print what the public page of a case says; before there is one, a proposal to edit."""
    bootstrap.open_house()
    from samizdat.privacy.rescue_cases import case_numbered, proposed_timeline, public_address, timeline_text

    row = case_numbered(bootstrap.organization(), number)
    title, lines = proposed_timeline(row, bootstrap.now().date(), language)
    document = {"title": title, "lines": [{"day": line.day, "text": line.text} for line in lines]}
    say({**document, "url": public_address(row)}, *timeline_text(lines).splitlines())


@case.command("publish")
@click.argument("number", metavar="ID", type=int)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--title", help="Default: the one that `timeline` has.")
@click.option("--signatures", is_flag=True, help="With how many signed the petition, and the names they chose to show.")
@click.option("--language", type=click.Choice(requests.LANGUAGES), default="en", show_default=True)
@common
def case_publish(number: int, file: Path, title: str | None, signatures: bool, language: str) -> None:
    """Show the lines of FILE on a public page: nothing else of a case is public. Each line begins with its day."""
    bootstrap.open_house()
    from samizdat.privacy import actions
    from samizdat.privacy.rescue_cases import case_numbered, proposed_timeline, public_address

    row, now = case_numbered(bootstrap.organization(), number), bootstrap.now()
    with file.open("rb") as opened:
        text = opened.read(LONGEST_FILE + 1)
    if len(text) > LONGEST_FILE:
        raise CommandFailed(f"{file} is too long for a page. Shorten it.", "long_file")
    proposed, _lines = proposed_timeline(row, now.date(), language)
    lines = text.decode("utf-8-sig", "replace")
    actions.publish_timeline(row, title or proposed, lines, language, signatures=signatures, now=now)
    address = public_address(case_numbered(bootstrap.organization(), number))
    say({"url": address}, f"Published: {address}", "The worker shows it within seconds.")


@case.command("unpublish")
@click.argument("number", metavar="ID", type=int)
@common
def case_unpublish(number: int) -> None:
    """Take the public page of a case down."""
    bootstrap.open_house()
    from samizdat.privacy import actions
    from samizdat.privacy.rescue_cases import case_numbered

    actions.withdraw_timeline(case_numbered(bootstrap.organization(), number), now=bootstrap.now())
    say({"url": ""}, "The public page is taken down.")


@case.command("petition")
@click.argument("number", metavar="ID", type=int)
@click.option("--language", type=click.Choice(requests.LANGUAGES), default="en", show_default=True)
@common
def case_petition(number: int, language: str) -> None:
    """Open a petition for signatures, or show how many signed. They sign on a form and confirm by email."""
    bootstrap.open_house()
    from samizdat.audience.actions import forms
    from samizdat.privacy import actions
    from samizdat.privacy.rescue_cases import case_numbered, details_of, signatures_of

    organization = bootstrap.organization()
    petition = actions.open_petition(case_numbered(organization, number), language, now=bootstrap.now())
    row = case_numbered(organization, number)
    signed, view = signatures_of(row, details_of(row)), forms.form_numbered(organization, petition.form)
    slug = view.slug if view else ""
    say(
        {"form": slug, "count": signed.count, "names": signed.names},
        f"{signed.count:,} signed and confirmed.",
        f"They sign at: /f/{slug} on your public pages" if slug else "Its form is unpublished: nobody can sign.",
    )


@case.command("finish")
@click.argument("number", metavar="ID", type=int)
@common
def case_finish(number: int) -> None:
    """Finish a case: no more reminders. Everything in it is kept."""
    bootstrap.open_house()
    from samizdat.privacy import actions
    from samizdat.privacy.rescue_cases import case_numbered

    row, now = case_numbered(bootstrap.organization(), number), bootstrap.now()
    confirm(f"Finish case {number}? Nobody will be reminded of its deadlines.")
    actions.finish_case(row, now.date(), now=now)
    say(_document(case_numbered(bootstrap.organization(), number)), f"Case {number} finished.")


@case.command("providers")
@common
def case_providers() -> None:
    """What providers did to groups like yours, with sources. Anybody can correct the file."""
    documents = [
        {
            "name": provider.id,
            "company": provider.company,
            "country": provider.country,
            "lines": [
                {"day": line.day, "did": line.did, "says": line.says["en"], "source": line.source, "read": line.read}
                for line in provider.lines
            ],
        }
        for provider in PROVIDERS.values()
    ]
    lines = [
        text
        for provider in PROVIDERS.values()
        for text in (
            f"{provider.name} ({provider.country})",
            *(f"  {line.day}  {line.says['en']} {line.source}" for line in provider.lines),
        )
    ]
    say({"providers": documents}, *map(one_line, lines))


def _document(row: "RescueCase") -> dict[str, Any]:
    from samizdat.privacy.rescue_cases import details_of

    details = details_of(row)
    account = details.account
    return {
        "id": row.pk,
        "provider": account.provider,
        "closed": account.closed,
        "finished": details.finished,
        "authority": account.authority,
        "laws": [
            {
                "id": applied.law.id,
                "name": applied.law.name["en"],
                "says": applied.law.says["en"],
                "because": list(applied.because),
                "source": applied.law.source,
                "checked": applied.law.checked,
            }
            for applied in laws_for(account)
        ],
        "can_ask": [
            {"kind": kind.id, "label": requests.label(kind.id, "en"), "about": requests.about(kind.id, "en")}
            for kind in requests.kinds_for(account)
        ],
        "sent": [_sent_document(account, number, sent) for number, sent in enumerate(details.sent, 1)],
        "evidence": [
            {
                "number": number,
                "name": file.name,
                "size": file.size,
                "sha256": file.sha256,
                "added": file.added.astimezone(UTC),
                "words": file.note,
            }
            for number, file in enumerate(details.evidence, 1)
        ],
    }


def _sent_document(account: ClosedAccount, number: int, sent: requests.Sent) -> dict[str, Any]:
    until = requests.deadline(account, sent)
    return {
        "number": number,
        "kind": sent.kind,
        "sent": sent.sent,
        "received": sent.received,
        "answered": sent.answered,
        "extended": sent.extended,
        "due": until.at if until else None,
        "extendable_until": until.extendable if until else None,
        "law": until.by_law.id if until and until.by_law else None,
    }
