"""campaign whom, versions, choose, replies: who gets a letter, and which version of it; correct, archive: its page."""

from email.utils import parseaddr
from itertools import zip_longest
from typing import Any

import click

from samizdat.cli import books, opening, releasing, reporting, translating
from samizdat.cli.campaigns import campaign, campaign_numbered
from samizdat.cli.output import Failed, common, say
from samizdat.cli.releasing import time_of

__all__ = ["books", "campaign", "releasing", "reporting", "translating"]

NAMES = "ABCD"  # core/contest.NAMES; not loaded for --help.
WAYS = ("hand", "replies", "unsubscribes", "clicks")  # Likewise.

# Reasons for which somebody does not get a letter: delivery/whom.Whom.
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
    found = campaign_numbered(number)
    from samizdat.delivery.whom import whom

    reach = whom(found, opening.now(), time_of(when, found.organisation.timezone))
    document: dict[str, Any] = {"known": reach.known, "without": reach.without, "may": reach.may}
    document["paused_until"] = reach.back.isoformat() if reach.back else None
    lines = [f"{reach.known:>12,}  subscribers known here"]
    lines += [f"{-count:>12,}  {_reason(code)}" for code, count in reach.without.items()]
    lines += [f"{reach.may:>12,}  get it"]
    lines += [reach.broken] if reach.broken else []
    say({"id": found.pk, **document, "broken": reach.broken}, *lines)


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
    number: int, subjects: tuple[str, ...], senders: tuple[str, ...], letters: tuple[int, ...], **told: Any
) -> None:
    """Plan a test: versions B, C and D go to a part by chance, the rest gets the one that wins.

    The first --subject, --from and --letter are of B, the second ones of C. Without any, says what is planned.
    """
    found = campaign_numbered(number)
    from samizdat.campaigns import contest

    if told["give_up"]:
        contest.give_up(found, by=None, now=opening.now())
    elif subjects or senders or letters:
        at = time_of(told["when"], found.organisation.timezone)
        if at is None:
            raise Failed("Say when the rest gets the winner: --at 2026-11-26T10:00.", "no_time")
        changes = [_change(*of) for of in zip_longest(subjects, senders, letters)]
        way = told["way"] or "hand"
        how = {"share": told["share"], "way": way, "link": told["link"]}
        contest.plan(found, changes, at=at, by=None, now=opening.now(), **how)
    say(*_versions(found))


def _change(subject: str | None, sender: str | None, letter: int | None) -> Any:
    from samizdat.campaigns.contest import Change

    name, address = parseaddr(sender or "")
    if sender and "@" not in address:
        raise Failed(f'{sender} is no sender. Write it like "Northern Lantern <letter@lantern.example>".', "bad_sender")
    return Change(subject or "", name, address, campaign_numbered(letter) if letter else None)


def _versions(found: Any) -> tuple[Any, ...]:
    from samizdat.campaigns.contest import versions, words_of
    from samizdat.delivery.actions.contest import parts

    found.refresh_from_db()
    books = {part.version.name if part.version else "rest": part for part in parts(found)}
    rows = []
    for one in versions(found):
        text = one.change.letter.pk if one.change.letter else None
        told = {"name": one.name, **words_of(one.change), "letter": text, "left": one.left, "replies": one.replies}
        rows.append(told | (books[one.name].counts | {"frozen": books[one.name].frozen} if books else {}))
    rest = books["rest"].counts | {"frozen": books["rest"].frozen} if books else None
    winner = NAMES[found.test_winner] if found.test_winner is not None else None
    document = {
        "id": found.pk,
        "share": found.test_share,
        "by": found.test_by,
        "at": found.test_at.isoformat() if found.test_at else None,
        "state": found.test_state,
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
    found = campaign_numbered(number)
    from samizdat.delivery import actions
    from samizdat.delivery.actions.resending import unreached
    from samizdat.delivery.whom import whom

    made = actions.resend(found, now=opening.now())
    document = {"id": made.pk, "unreached": unreached(found), "may": whom(made, opening.now()).may}
    say(document, f"Draft {made.pk} goes to {document['may']:,} of them. Go on with: samizdat campaign send {made.pk}")


@campaign.command("correct")
@click.argument("number", metavar="ID", type=int)
@click.option("--wrong", required=True, help="A piece of text or an address, as it stands on the web version.")
@click.option("--right", required=True, help="What should stand there.")
@common
def campaign_correct(number: int, wrong: str, right: str) -> None:
    """Mend a slip on the web version. What was sent stays as it was."""
    found = campaign_numbered(number)
    from samizdat.campaigns.correcting import correct

    places = correct(found, wrong, right, by=None, now=opening.now())
    say({"id": found.pk, "places": places}, f"Mended in {places:,} places; the web version says on which day.")


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
    found = campaign_numbered(number)
    from samizdat.campaigns import languages, listing, queries
    from samizdat.campaigns.models import is_listed

    whole = languages.whole(found)
    if listed is not None:
        listing.put(whole, listed, by=None, now=opening.now())
    document: dict[str, Any] = {"id": whole.pk, "listed": is_listed(whole), "public": queries.is_public(whole)}
    document["address"] = queries.web_address(whole)
    say(document, *_stands(document))


def _stands(document: dict[str, Any]) -> list[str]:
    where = "in the archive and its feed" if document["listed"] else "read by its address alone"
    if not document["public"]:
        return [f"The web version of campaign {document['id']} is {where} once the letter begins to go out."]
    if not document["address"]:
        sentence = "There are no public pages yet. Set their address: samizdat organisation set --url https://…"
        return [f"The web version of campaign {document['id']} is {where}.", sentence]
    return [f"The web version of campaign {document['id']} is {where}: {document['address']}"]


@campaign.command("choose")
@click.argument("number", metavar="ID", type=int)
@click.option("--version", "name", required=True, type=click.Choice([*NAMES]), help="The one that the rest gets.")
@common
def campaign_choose(number: int, name: str) -> None:
    """Decide a test of versions: the rest goes at once."""
    found = campaign_numbered(number)
    books.look_for_fence(found)
    from samizdat.delivery import actions

    actions.choose(found, NAMES.index(name), now=opening.now())
    say(*_versions(found))


@campaign.command("replies")
@click.argument("number", metavar="ID", type=int)
@click.option("--version", "name", type=click.Choice([*NAMES]), help="Of a test; left out for a letter without one.")
@click.option("--count", "count", required=True, type=click.IntRange(0), help="As counted in your mailbox.")
@common
def campaign_replies(number: int, name: str | None, count: int) -> None:
    """Write down how many replied to a letter, or to a version of it."""
    found = campaign_numbered(number)
    from samizdat.campaigns.contest import count_replies

    count_replies(found, NAMES.index(name) if name else None, count, by=None, now=opening.now())
    if name:
        say(*_versions(found))
    else:
        say({"id": found.pk, "replies": count}, f"Written down: {count:,} replies.")
