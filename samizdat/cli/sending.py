"""campaign whom, versions, choose, replies: who gets a letter, and which version of it; correct, archive: its page."""

from collections.abc import Mapping
from email.utils import parseaddr
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap, campaign_status, releasing, reporting, translations
from samizdat.cli.campaigns import campaign, campaign_numbered
from samizdat.cli.output import CommandFailed, common, say
from samizdat.cli.releasing import time_of

if TYPE_CHECKING:
    from samizdat.campaigns.ab_test import VersionChange
    from samizdat.campaigns.models import Campaign

__all__ = ["campaign", "campaign_status", "releasing", "reporting", "translations"]

NAMES = "ABCD"  # core/ab_test.NAMES; not loaded for --help.
WAYS = ("hand", "replies", "unsubscribes", "clicks")  # Likewise.

# Reasons for which somebody does not get a letter: delivery/recipients_breakdown.Whom.
_WITHOUT = {
    "not_listed": "not on this list",
    "untagged": "without the tag",
    "pending": "have not confirmed yet",
    "unsubscribed": "unsubscribed",
    "cleaned": "address unreachable",
    "nonsubscribed": "never agreed",
    "unasked": "did not agree to appeals for money",
    "outside": "not in the segment",
    "paused": "asked for a pause",
    "stopped": "on the stop list since a moment ago",
    "reached": "reached by the first letter",
    "monthly": "want one letter a month",
    "digest": "get it in the digest",
    "singly": "want their letters one by one",
}


@campaign.command("whom")
@click.argument("number", metavar="ID", type=int)
@click.option("--at", "when", metavar="TIME", help="For a letter that leaves then, and not now.")
@common
def campaign_whom(number: int, when: str | None) -> None:
    """Who would get it, and who not, by reason: the lines add up."""
    campaign_row = campaign_numbered(number)
    from samizdat.delivery.recipients_breakdown import whom

    reach = whom(campaign_row, bootstrap.now(), time_of(when, campaign_row.organization.timezone))
    document: dict[str, Any] = {"known": reach.known, "without": reach.without, "may": reach.may}
    document["paused_until"] = reach.back.isoformat() if reach.back else None
    lines = [f"{reach.known:>12,}  subscribers known here"]
    lines += [f"{-count:>12,}  {_reason(code)}" for code, count in reach.without.items()]
    lines += [f"{reach.may:>12,}  get it"]
    lines += [reach.broken] if reach.broken else []
    say({"id": campaign_row.pk, **document, "broken": reach.broken}, *lines)


def _reason(code: str) -> str:
    return _WITHOUT.get(code) or f"on the stop list: {code.partition(':')[2] or code}"


@campaign.command("versions")
@click.argument("number", metavar="ID", type=int)
@click.option("--subject", "subjects", multiple=True, help="Of a version; once for each.")
@click.option("--from", "senders", multiple=True, metavar='"Name <a@b>"', help="Of a version; once for each.")
@click.option("--letter", "letters", multiple=True, type=int, metavar="ID", help="A draft that has its text.")
@click.option("--share", type=int, default=20, show_default=True, help="Per cent that get one of the versions.")
@click.option("--by", "way", type=click.Choice(WAYS), help="How one wins; by hand.")
@click.option("--link", metavar="URL", default="", help="With --by clicks: of this link alone, and not of all.")
@click.option("--at", "when", metavar="TIME", help="When the rest gets the winner.")
@click.option("--none", "give_up", is_flag=True, help="No test: everybody gets the letter as it is.")
@common
def campaign_versions(
    number: int, subjects: tuple[str, ...], senders: tuple[str, ...], letters: tuple[int, ...], **options: Any
) -> None:
    """Plan a test: versions B, C and D go to a part by chance, the rest gets the one that wins.

    The first --subject, --from and --letter are of B, the second ones of C. Without any, says what is planned.
    """
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns import ab_test

    if options["give_up"]:
        ab_test.give_up(campaign_row, by=None, now=bootstrap.now())
    elif subjects or senders or letters:
        at = time_of(options["when"], campaign_row.organization.timezone)
        if at is None:
            raise CommandFailed("Say when the rest gets the winner: --at 2026-11-26T10:00.", "no_time")
        changes = [_change(*of) for of in zip_longest(subjects, senders, letters)]
        way = options["way"] or "hand"
        how = {"share": options["share"], "way": way, "link": options["link"]}
        ab_test.plan(campaign_row, changes, at=at, by=None, now=bootstrap.now(), **how)
    say(*_versions(campaign_row))


def _change(subject: str | None, sender: str | None, letter: int | None) -> "VersionChange":
    from samizdat.campaigns.ab_test import VersionChange

    name, address = parseaddr(sender or "")
    if sender and "@" not in address:
        raise CommandFailed(
            f'{sender} is no sender. Write it like "Northern Lantern <letter@lantern.example>".', "bad_sender"
        )
    return VersionChange(subject or "", name, address, campaign_numbered(letter) if letter else None)


def _versions(campaign: "Campaign") -> tuple[Any, ...]:
    from samizdat.campaigns.ab_test import versions, words_of
    from samizdat.delivery.actions.ab_test import parts

    campaign.refresh_from_db()
    books = {part.version.name if part.version else "rest": part for part in parts(campaign)}
    rows = []
    for version in versions(campaign):
        text = version.change.letter.pk if version.change.letter else None
        fields = {
            "name": version.name,
            **words_of(version.change),
            "letter": text,
            "left": version.left,
            "replies": version.replies,
        }
        rows.append(fields | (books[version.name].counts | {"frozen": books[version.name].frozen} if books else {}))
    rest = books["rest"].counts | {"frozen": books["rest"].frozen} if books else None
    winner = NAMES[campaign.test_winner] if campaign.test_winner is not None else None
    document = {
        "id": campaign.pk,
        "share": campaign.test_share,
        "by": campaign.ab_metric,
        "at": campaign.test_at.isoformat() if campaign.test_at else None,
        "state": campaign.test_state,
        "winner": winner,
        "versions": rows,
        "rest": rest,
    }
    lines = [f"{row['name']}  {row['subject'] or row['from_name'] or row['letter'] or 'as written'}" for row in rows]
    return document, *(lines or ["No test is planned: everybody gets the letter as it is."])


@campaign.command("resend")
@click.argument("number", metavar="ID", type=int)
@common
def campaign_resend(number: int) -> None:
    """Draft the letter once more, to those alone whom it did not reach."""
    campaign_row = campaign_numbered(number)
    from samizdat.delivery import actions
    from samizdat.delivery.actions.resend_unreached import unreached
    from samizdat.delivery.recipients_breakdown import whom

    draft = actions.resend(campaign_row, now=bootstrap.now())
    document = {"id": draft.pk, "unreached": unreached(campaign_row), "may": whom(draft, bootstrap.now()).may}
    say(
        document, f"Draft {draft.pk} goes to {document['may']:,} of them. Go on with: samizdat campaign send {draft.pk}"
    )


@campaign.command("correct")
@click.argument("number", metavar="ID", type=int)
@click.option("--wrong", required=True, help="A piece of text or an address, as it stands on the web version.")
@click.option("--right", required=True, help="What should stand there.")
@common
def campaign_correct(number: int, wrong: str, right: str) -> None:
    """Mend a slip on the web version. What was sent stays as it was."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns.archive.web_corrections import correct

    places = correct(campaign_row, wrong, right, by=None, now=bootstrap.now())
    say({"id": campaign_row.pk, "places": places}, f"Mended in {places:,} places; the web version says on which day.")


@campaign.command("archive")
@click.argument("number", metavar="ID", type=int)
@click.option(
    "--listed/--unlisted",
    default=None,
    help="In the archive and its feed, or read by its address alone; all languages.",
)
@common
def campaign_archive(number: int, listed: bool | None) -> None:
    """Put a released letter into the archive, or take it out. Without an option, says where its web version stands."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns import queries, translations
    from samizdat.campaigns.archive import listing
    from samizdat.campaigns.models import is_listed

    whole = translations.whole(campaign_row)
    if listed is not None:
        listing.put(whole, listed, by=None, now=bootstrap.now())
    document: dict[str, Any] = {"id": whole.pk, "listed": is_listed(whole), "public": queries.is_public(whole)}
    document["address"] = queries.web_address(whole)
    say(document, *_stands(document))


def _stands(document: Mapping[str, object]) -> list[str]:
    where = "in the archive and its feed" if document["listed"] else "read by its address alone"
    if not document["public"]:
        return [f"The web version of campaign {document['id']} is {where} once the letter begins to go out."]
    if not document["address"]:
        sentence = "There are no public pages yet. Set their address: samizdat organization set --url https://…"
        return [f"The web version of campaign {document['id']} is {where}.", sentence]
    return [f"The web version of campaign {document['id']} is {where}: {document['address']}"]


@campaign.command("choose")
@click.argument("number", metavar="ID", type=int)
@click.option("--version", "name", required=True, type=click.Choice([*NAMES]), help="The one that the rest gets.")
@common
def campaign_choose(number: int, name: str) -> None:
    """Decide a test of versions: the rest goes at once."""
    campaign_row = campaign_numbered(number)
    campaign_status.look_for_fence(campaign_row)
    from samizdat.delivery import actions

    actions.choose(campaign_row, NAMES.index(name), now=bootstrap.now())
    say(*_versions(campaign_row))


@campaign.command("replies")
@click.argument("number", metavar="ID", type=int)
@click.option("--version", "name", type=click.Choice([*NAMES]), help="Of a test; left out for a letter without one.")
@click.option("--count", "count", required=True, type=click.IntRange(0), help="As counted in your mailbox.")
@common
def campaign_replies(number: int, name: str | None, count: int) -> None:
    """Write down how many replied to a letter, or to a version of it."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns.ab_test import count_replies

    count_replies(campaign_row, NAMES.index(name) if name else None, count, by=None, now=bootstrap.now())
    if name:
        say(*_versions(campaign_row))
    else:
        say({"id": campaign_row.pk, "replies": count}, f"Written down: {count:,} replies.")
