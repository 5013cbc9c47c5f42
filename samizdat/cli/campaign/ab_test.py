"""campaign versions, choose, replies: a test of versions."""

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.campaign.drafts import campaign, campaign_numbered
from samizdat.cli.campaign.release import time_of
from samizdat.cli.campaign.status import look_for_fence
from samizdat.cli.default_senders import name_and_address
from samizdat.cli.output import CommandFailed, common, say

if TYPE_CHECKING:
    from samizdat.campaigns.ab_test import VersionChange
    from samizdat.campaigns.models import Campaign

NAMES = "ABCD"  # core/ab_test.NAMES; not loaded for --help.
WAYS = ("hand", "replies", "unsubscribes", "clicks")  # Likewise.


@campaign.command("versions")
@click.argument("number", metavar="ID", type=int)
@click.option("--subject", "subjects", multiple=True, help="Of a version. Once per version.")
@click.option("--from", "senders", multiple=True, metavar='"Name <a@b>"', help="Of a version. Once per version.")
@click.option(
    "--letter", "letters", multiple=True, type=int, metavar="ID", help="ID of a draft with the text of the version."
)
@click.option("--share", type=int, default=20, show_default=True, help="Percent that get one of the versions.")
@click.option("--by", "way", type=click.Choice(WAYS), help="How the winner is chosen; default: by hand.")
@click.option("--link", metavar="URL", default="", help="With --by clicks: count this link only.")
@click.option("--at", "when", metavar="TIME", help="When the winner goes to everyone else.")
@click.option("--none", "give_up", is_flag=True, help="Cancel the test: everyone gets the campaign as it is.")
@common
def campaign_versions(
    number: int, subjects: tuple[str, ...], senders: tuple[str, ...], letters: tuple[int, ...], **options: Any
) -> None:
    """Set up an A/B test: versions B, C and D go to a random sample, the winner to everyone else.

    The first --subject, --from and --letter are for version B, the second ones for C. Without options, shows the
    test.
    """
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns import ab_test

    if options["give_up"]:
        ab_test.give_up(campaign_row, by=None, now=bootstrap.now())
    elif subjects or senders or letters:
        at = time_of(options["when"], campaign_row.organization.timezone)
        if at is None:
            raise CommandFailed("Enter when the winner goes to everyone else: --at 2026-11-26T10:00.", "no_time")
        changes = [_change(*of) for of in zip_longest(subjects, senders, letters)]
        way = options["way"] or "hand"
        how = {"share": options["share"], "way": way, "link": options["link"]}
        ab_test.plan(campaign_row, changes, at=at, by=None, now=bootstrap.now(), **how)
    say(*_versions(campaign_row))


def _change(subject: str | None, sender: str | None, letter: int | None) -> "VersionChange":
    from samizdat.campaigns.ab_test import VersionChange

    name, address = name_and_address(sender) if sender else ("", "")
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
    lines = [f"{row['name']}  {row['subject'] or row['from_name'] or row['letter'] or 'unchanged'}" for row in rows]
    return document, *(lines or ["No A/B test: everyone gets the campaign as it is."])


@campaign.command("choose")
@click.argument("number", metavar="ID", type=int)
@click.option("--version", "name", required=True, type=click.Choice([*NAMES]), help="The version for everyone else.")
@common
def campaign_choose(number: int, name: str) -> None:
    """Choose the winner of an A/B test. It is sent to everyone else at once."""
    campaign_row = campaign_numbered(number)
    look_for_fence(campaign_row)
    from samizdat.delivery import actions

    actions.choose(campaign_row, NAMES.index(name), now=bootstrap.now())
    say(*_versions(campaign_row))


@campaign.command("replies")
@click.argument("number", metavar="ID", type=int)
@click.option("--version", "name", type=click.Choice([*NAMES]), help="The version, if the campaign has an A/B test.")
@click.option("--count", "count", required=True, type=click.IntRange(0), help="As counted in your mailbox.")
@common
def campaign_replies(number: int, name: str | None, count: int) -> None:
    """Enter how many people replied to a campaign, or to a version of it."""
    campaign_row = campaign_numbered(number)
    from samizdat.campaigns.ab_test import count_replies

    count_replies(campaign_row, NAMES.index(name) if name else None, count, by=None, now=bootstrap.now())
    if name:
        say(*_versions(campaign_row))
    else:
        say({"id": campaign_row.pk, "replies": count}, f"Saved: {count:,} replies.")
